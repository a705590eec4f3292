/** What a machine is, as far as a database feels it: processor, memory, kernel, limits, and what the data lies on. */
import { readFile, statfs } from "node:fs/promises";
import {
  availableParallelism,
  cpus,
  freemem,
  release,
  totalmem,
  uptime,
  version as kernelVersion,
} from "node:os";
import process from "node:process";
import { controlGroupBytes } from "../server/memory.ts";
import { version } from "../version.ts";

/** @param dataDir absolute */
export async function machineFacts(dataDir: string): Promise<Record<string, unknown>> {
  const [release, meminfo, limits, mounts] = await Promise.all(
    ["/etc/os-release", "/proc/meminfo", "/proc/self/limits", "/proc/self/mounts"].map(readText),
  );
  const volume = await statfs(dataDir).catch(() => undefined);
  const kilobytes = (name: string) => {
    const found = new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(meminfo)?.[1];
    return found === undefined ? undefined : Number(found) * 1024;
  };
  const group = controlGroupBytes();
  return {
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1],
    kernel: `${kernelRelease()} ${kernelVersion()}`,
    uptime_seconds: Math.round(uptime()),
    processor: {
      architecture: process.arch,
      model: cpus()[0]?.model,
      cores: availableParallelism(),
      page_bytes: await pageBytes(),
    },
    memory: {
      total_bytes: totalmem(),
      free_bytes: freemem(),
      available_bytes: kilobytes("MemAvailable"),
      swap_total_bytes: kilobytes("SwapTotal"),
      swap_free_bytes: kilobytes("SwapFree"),
      // A group without a limit may have the largest number that there is.
      control_group_bytes: group < totalmem() ? group : null,
    },
    limits: {
      open_files: /^Max open files\s+(\S+)/m.exec(limits)?.[1],
      processes: /^Max processes\s+(\S+)/m.exec(limits)?.[1],
    },
    volume: volume === undefined ? undefined : {
      ...mountOf(mounts, dataDir),
      total_bytes: volume.blocks * volume.bsize,
      free_bytes: volume.bavail * volume.bsize,
      inodes: volume.files,
      free_inodes: volume.ffree,
    },
    supervisor: process.env.INVOCATION_ID !== undefined ? "systemd" : undefined,
  };
}

export function versions(): Record<string, unknown> {
  return { openwit: version, bun: process.versions.bun, platform: `${process.platform} ${process.arch}` };
}

/** The mount that a path lies on: of those that are its prefix the longest (proc(5), "mounts"). */
export function mountOf(
  mounts: string,
  path: string,
): { device: string; on: string; type: string; options: string } | undefined {
  let best: { device: string; on: string; type: string; options: string } | undefined;
  for (const line of mounts.split("\n")) {
    const [device, escaped, type, options] = line.split(" ");
    if (options === undefined) continue;
    const on = escaped.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
    const holds = path === on || path.startsWith(on.endsWith("/") ? on : `${on}/`);
    // Of two on one folder the later hides the earlier.
    if (holds && on.length >= (best?.on.length ?? 0)) best = { device, on, type, options };
  }
  return best;
}

/** AT_PAGESZ of the auxiliary vector (getauxval(3)): pairs of 64-bit words. */
export async function pageBytes(): Promise<number | undefined> {
  try {
    const auxv = await readFile("/proc/self/auxv");
    for (let at = 0; at + 16 <= auxv.length; at += 16) {
      if (auxv.readBigUInt64LE(at) === 6n) return Number(auxv.readBigUInt64LE(at + 8));
    }
  } catch { /* no procfs here */ }
  return undefined;
}

function kernelRelease(): string {
  return `${process.platform} ${release()}`;
}

/** Empty where there is none. */
async function readText(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}
