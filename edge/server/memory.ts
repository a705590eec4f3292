/** How much memory this process may have: what is configured, or less where a control group (cgroups 7) allows less. */
import process from "node:process";
import { MemoryCeiling } from "../../core/budget/memory.ts";
import type { MemoryShare } from "../../core/budget/memory-share.ts";
import { systemClock } from "../../core/env/clock.ts";
import type { Log } from "../../core/env/log.ts";
import type { Store } from "../../core/store/store.ts";
import { allocatorTrim } from "../duckdb/trim.ts";
import { leastBound } from "./control-group.ts";

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
  const trim = allocatorTrim();
  return new MemoryCeiling({
    clock: systemClock,
    log,
    residentBytes: () => process.memoryUsage.rss(),
    heldBytes: () => store()?.heldBytes() ?? 0,
    owedBytes: () => shared.owedBytes,
    relieve: (how) => {
      store()?.hurryFlush();
      Bun.gc(how === "at-once");
      if (how === "at-once") trim(); // what statements and merges have freed and their allocators keep
    },
  }, limitBytes);
}

/** The least limit of the groups that this process is in, in bytes; `Infinity` when there is none to be found. */
export function controlGroupBytes(root?: string, membership?: string): number {
  return leastBound(
    "memory",
    ({ isV2, read }) => Number.parseInt(read(isV2 ? "memory.max" : "memory.limit_in_bytes")), // "max" is no number
    root,
    membership,
  );
}
