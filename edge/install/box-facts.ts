/** What the box has that an installation is sized by. */
import { existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { usableCores } from "../server/cpu.ts";
import { controlGroupBytes } from "../server/memory.ts";
import type { BoxFacts } from "./sizing.ts";

/** @param root of an image: its volume is not known, and neither is the box that it will run on but by this one */
export function boxFacts(dataDir: string, root = "/"): BoxFacts {
  let at = join(root, dataDir);
  while (!existsSync(at)) at = dirname(at);
  const { blocks, bsize } = statfsSync(at);
  return {
    memoryBytes: Math.min(memoryOfMachine(), controlGroupBytes()),
    cores: usableCores(),
    volumeBytes: blocks * bsize,
    isSystemVolume: statSync(at).dev === statSync(join(root, "/")).dev,
  };
}

function memoryOfMachine(): number {
  try {
    return Number(/^MemTotal:\s*(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))![1]) * 1024;
  } catch {
    return totalmem(); // no procfs here
  }
}
