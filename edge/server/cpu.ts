/** How many cores this process may have: those of the machine that it may run on, or less by a control group's quota. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";

/** At least 1. @param quotaCores of the control groups */
export function usableCores(quotaCores = controlGroupCores(), cores = availableParallelism()): number {
  return Math.max(1, Math.floor(Math.min(cores, quotaCores)));
}

/** The least CPU quota of the groups that this process is in (cgroups 7), in cores; `Infinity` when there is none. */
export function controlGroupCores(root = "/sys/fs/cgroup", membership = "/proc/self/cgroup"): number {
  let least = Infinity;
  for (const line of readText(membership).split("\n")) {
    const [, controllers, path] = line.split(":");
    if (path === undefined) continue;
    const isV2 = controllers === "";
    if (!isV2 && !controllers.split(",").includes("cpu")) continue;
    const folder = isV2 ? root : join(root, "cpu");
    // A group's quota holds for the groups in it; inside a container the path may be the host's and not exist here.
    for (let at = path;; at = dirname(at)) {
      const read = (file: string) => readText(join(folder, at, file)).trim();
      const [quota, period] = isV2
        ? read("cpu.max").split(" ").map(Number)
        : [Number(read("cpu.cfs_quota_us") || -1), Number(read("cpu.cfs_period_us"))];
      // "max" is no number and -1 no quota: neither bounds anything.
      if (quota > 0 && period > 0) least = Math.min(least, quota / period);
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
