/** The processor that this process runs on: what it is, what it can, and how large the pages of memory are. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import process from "node:process";
import { pageBytes } from "../support/machine.ts";

export interface Processor {
  readonly architecture: string;
  /** As the kernel calls it; empty where it does not say. */
  readonly model: string;
  /** Of the instructions that matter here, those that it has. */
  readonly features: readonly string[];
}

/** @param cpuinfo text of /proc/cpuinfo; that of another architecture, as an emulator may show it, tells no features */
export function processor(
  cpuinfo = readCpuinfo(),
  model = cpus()[0]?.model ?? "",
  architecture: string = process.arch,
): Processor {
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1].trim().split(/\s+/) ?? []);
  return {
    architecture,
    model: model === "unknown" ? "" : model,
    features: (features[architecture] ?? []).filter((flag) => flags.has(flag)),
  };
}

/** What the runtime and the SQL engine choose their code by: vectors and checksums. */
const features: Readonly<Record<string, readonly string[]>> = {
  x64: ["sse4_2", "avx", "avx2", "avx512f"],
  arm64: ["asimd", "crc32", "sha2", "sve"],
};

/** Both change with the machine alone. */
export async function processorStatus(): Promise<Record<string, unknown>> {
  return { cpu: processor(), page_size: await pageBytes() };
}

function readCpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return ""; // no Linux, or a hardened container: then nothing is known of it
  }
}
