/**
 * Files of which the time need not be read: all of their rows are within the bounds of a statement that reads the time
 * in these bounds alone. A dashboard over a day counts rows of twenty-five hours, and twenty-three of them are such.
 */
import type { TimeRange } from "./bounds.ts";
import type { FileRead } from "./engine.ts";
import type { SourceFile } from "./sources.ts";

export interface TimeUse {
  /** What the statement's conditions leave. */
  readonly range: TimeRange;
  /** Rows outside of it do not exist for the statement. */
  readonly window?: TimeRange;
  /** Whether it compares the time with constants, all of which the range has, and reads it nowhere else. */
  readonly isBoundAlone: boolean;
}

/**
 * A constant of another type is rounded as it is compared, and the ends of the range belong to it whatever the
 * comparison: a file is inside only this far from both ends.
 */
const marginNs = 1_000_000_000n;

/** The reads, with what is known of the times of their files. */
export function withKnownTimes(
  reads: readonly FileRead[],
  files: ReadonlyMap<string, SourceFile>,
  { range, window, isBoundAlone }: TimeUse,
): FileRead[] {
  const hasWindow = window?.minNs !== undefined || window?.maxNs !== undefined;
  if (!hasWindow && !isBoundAlone) return [...reads];
  return reads.map((read) => {
    const file = files.get(read.path);
    if (file?.minTimeNs === undefined || file.maxTimeNs === undefined) return read;
    const inWindow = { ...read, isInWindow: true };
    if (!isInside(file.minTimeNs, file.maxTimeNs, window ?? {}, 0n)) return read;
    if (!isBoundAlone || !isInside(file.minTimeNs, file.maxTimeNs, range, marginNs)) return inWindow;
    return { ...inWindow, timeNs: file.minTimeNs };
  });
}

function isInside(leastNs: bigint, mostNs: bigint, { minNs, maxNs }: TimeRange, farNs: bigint): boolean {
  return (minNs === undefined || leastNs >= minNs + farNs) &&
    (maxNs === undefined || mostNs <= maxNs - farNs);
}
