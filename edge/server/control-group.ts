/** The bounds of the control groups (cgroups 7) that this process is in, version 1 or 2. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export type Controller = "memory" | "cpu";

/** Of one group: its version, and the text of a file of its, trimmed; empty where there is no such file. */
export interface ControlGroup {
  readonly isV2: boolean;
  read(file: string): string;
}

/**
 * The least bound of all groups; `Infinity` when there is none.
 * @param boundOf of one group; what is no number above zero bounds nothing
 */
export function leastBound(
  controller: Controller,
  boundOf: (group: ControlGroup) => number,
  root = "/sys/fs/cgroup",
  membership = "/proc/self/cgroup",
): number {
  let least = Infinity;
  for (const line of readText(membership).split("\n")) {
    const [, controllers, path] = line.split(":");
    if (path === undefined) continue;
    const isV2 = controllers === "";
    if (!isV2 && !controllers.split(",").includes(controller)) continue;
    const folder = isV2 ? root : join(root, controller);
    // A group's bound holds for the groups in it; inside a container the path may be the host's and not exist here.
    for (let at = path;; at = dirname(at)) {
      const bound = boundOf({ isV2, read: (file) => readText(join(folder, at, file)).trim() });
      if (bound > 0) least = Math.min(least, bound);
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
