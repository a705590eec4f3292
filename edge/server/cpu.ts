/** How many cores this process may have: those of the machine that it may run on, or less by a control group's quota. */
import { availableParallelism } from "node:os";
import { leastBound } from "./control-group.ts";

/** At least 1. @param quotaCores of the control groups */
export function usableCores(quotaCores = controlGroupCores(), cores = availableParallelism()): number {
  return Math.max(1, Math.floor(Math.min(cores, quotaCores)));
}

/** The least CPU quota of the groups that this process is in, in cores; `Infinity` when there is none. */
export function controlGroupCores(root?: string, membership?: string): number {
  return leastBound(
    "cpu",
    ({ isV2, read }) => {
      const [quota, period] = isV2
        ? read("cpu.max").split(" ").map(Number)
        : [Number(read("cpu.cfs_quota_us") || -1), Number(read("cpu.cfs_period_us"))];
      return quota / period; // "max" is no number and -1 no quota
    },
    root,
    membership,
  );
}
