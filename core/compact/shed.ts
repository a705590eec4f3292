/**
 * Plans what goes before whole hours do when room is short: log records of the lowest severities, if that is asked for
 * (`storage.evict_first`). Pure; compact.ts does it.
 *
 * A segment holds all severities of its hour, so it is rewritten without them: a merge of one segment, with a filter.
 * Only stable segments are: others are to be merged anyway. Each is rewritten at most once for a severity, and only
 * when that gives back what the writing costs.
 *
 * This is what goes first, not what holds the budget: when room runs out faster than segments are rewritten, whole
 * hours go (core/budget/eviction.ts).
 */
import type { SegmentMeta } from "../manifest/manifest.ts";

/** Greatest severity number (OpenTelemetry logs data model) of each class that may go first. */
export const severityClasses = { trace: 4, debug: 8, info: 12, warn: 16 } as const;

export type SeverityClass = keyof typeof severityClasses;

/** Least share of a segment's rows that is worth writing the others anew. */
export const shedShareMin = 0.1;

/**
 * The segment that is to be looked at next, of the oldest hour; `undefined` when none is left.
 * @param severityMax records up to this severity go; those without one (0) stay
 * @param passedOver ids of segments that were looked at: too few of their rows would go, or there was no room for the rest
 */
export function nextToShed(
  segments: Iterable<SegmentMeta>,
  severityMax: number,
  passedOver: ReadonlySet<string>,
): SegmentMeta | undefined {
  let oldest: SegmentMeta | undefined;
  for (const segment of segments) {
    const { id, signal, level, evictedSeverity } = segment;
    if (signal !== "logs" || level < 2 || (evictedSeverity ?? 0) >= severityMax || passedOver.has(id)) {
      continue;
    }
    if (oldest === undefined || isOlder(segment, oldest)) oldest = segment;
  }
  return oldest;
}

/** Larger ones of an hour give back more. */
function isOlder(a: SegmentMeta, b: SegmentMeta): boolean {
  return a.hour !== b.hour ? a.hour < b.hour : a.bytes !== b.bytes ? a.bytes > b.bytes : a.id < b.id;
}
