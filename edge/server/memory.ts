/** How much memory this process may have: what is configured, or less where a control group (cgroups 7) allows less. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { MemoryCeiling } from "../../core/budget/memory.ts";
import type { MemoryShare } from "../../core/budget/memory-share.ts";
import { systemClock } from "../../core/env/clock.ts";
import type { Log } from "../../core/env/log.ts";
import type { Store } from "../../core/store/store.ts";

/** Resident memory may pass the limit by 15% for a moment; the kernel kills whoever passes the group's. */
const shareOfGroup = 0.85;

/** Bytes. @param configuredBytes memory.limit */
export function memoryLimit(configuredBytes: number, groupBytes = controlGroupBytes()): number {
  return Math.floor(Math.min(configuredBytes, groupBytes * shareOfGroup));
}

/** The ceiling of this process. @param store what a flush would relieve; `undefined` before it is open */
export function memoryCeiling(
  limitBytes: number,
  log: Log,
  store: () => Store | undefined,
  shared: MemoryShare,
): MemoryCeiling {
  return new MemoryCeiling({
    clock: systemClock,
    log,
    residentBytes: () => process.memoryUsage.rss(),
    heldBytes: () => store()?.heldBytes() ?? 0,
    promisedBytes: () => shared.stats.heldBytes,
    relieve: (how) => {
      store()?.hurryFlush();
      Bun.gc(how === "at-once");
    },
  }, limitBytes);
}

/** The least limit of the groups that this process is in; `Infinity` when there is none to be found. */
export function controlGroupBytes(root = "/sys/fs/cgroup", membership = "/proc/self/cgroup"): number {
  let least = Infinity;
  for (const line of readText(membership).split("\n")) {
    const [, controllers, path] = line.split(":");
    if (path === undefined) continue;
    const isV2 = controllers === "";
    if (!isV2 && !controllers.split(",").includes("memory")) continue;
    const folder = isV2 ? root : join(root, "memory");
    const file = isV2 ? "memory.max" : "memory.limit_in_bytes";
    // A group's limit holds for the groups in it; inside a container the path may be the host's and not exist here.
    for (let at = path;; at = dirname(at)) {
      const bytes = Number.parseInt(readText(join(folder, at, file)));
      if (bytes > 0) least = Math.min(least, bytes); // "max" is no number, and bounds nothing
      if (at === "/" || at === ".") break;
    }
  }
  return least;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // no such group or no such system: nothing bounds us there
  }
}
