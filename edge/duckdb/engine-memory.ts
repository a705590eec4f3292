/**
 * What DuckDB's instances have of the process's memory: those who were promised some share one allocator. Of a build
 * without it nothing is known, and what it was promised is owed for as long as it is held.
 */
import type { MemoryMeter } from "../../core/budget/memory-share.ts";
import { type Jemalloc, jemallocOf } from "./jemalloc.ts";

let allocator: Jemalloc | "none" | undefined;

/** Of all instances in the process, as the allocator is: so there is one of it. Asking takes 20 µs. */
export const engineMemory: MemoryMeter = {
  usedBytes: () => bytes().allocated,
  residentBytes: () => bytes().resident,
};

function bytes(): { readonly allocated: number; readonly resident: number } {
  try {
    allocator ??= jemallocOf();
  } catch {
    allocator = "none";
  }
  return allocator === undefined || allocator === "none" ? { allocated: 0, resident: 0 } : allocator.bytes();
}
