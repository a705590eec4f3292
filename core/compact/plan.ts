/**
 * Plans which segments merge into which. Pure; run.ts does it.
 *
 * A **lane** is what may share a file: one stream and event hour, or, for late rows, one stream and ingest day; what
 * was imported shares files only with what came from the same node (core/archive/reconcile.ts says why).
 *
 *   L0  a flush's file, unsorted        many gather in an open lane ─▶ L1 `_active`
 *   L1  sorted, its lane still open     the lane closes, or they fill a whole segment ─▶ L2 `_stable`
 *   L2  sorted, merged for good         only small ones, left by stragglers, merge once more, eight of a size
 *
 * Invariants: (1) a unit has inputs of one lane and one schema version, and gives one segment that is within the
 * policy's rows and bytes, unless one input alone is larger. (2) A row is written at most once as L0, once as L1 and
 * once as L2, but for stragglers, whose files grow eightfold with each merge; so the segments' share of write
 * amplification is at most 3. (3) Segments of full size are never merged. (4) While the wall clock cannot be
 * believed no lane closes.
 */
import type { SegmentMeta } from "../manifest/manifest.ts";
import { segmentRowsMax } from "../segment/encoder.ts";

export interface CompactionPolicy {
  /** L0s of an open lane that merge: fewer are left to wait, for each merge writes its rows once more. */
  readonly gatherCount: number;
  /** Most rows that one merge takes: at most `segmentRowsMax`. */
  readonly unitRowsMax: number;
  /** Most encoded bytes that one merge takes, so that its sort fits memory and spill. */
  readonly unitBytesMax: number;
  /** Most files that one merge opens. */
  readonly unitFilesMax: number;
  /** Time after its end at which a lane closes, and for which stragglers must have been quiet: longer than a flush waits. */
  readonly closeAfterMs: number;
  /** Stable segments of like size that merge. */
  readonly stableGatherCount: number;
}

export const defaultCompactionPolicy: CompactionPolicy = {
  gatherCount: 32,
  unitRowsMax: segmentRowsMax,
  unitBytesMax: 96 * 1024 * 1024,
  unitFilesMax: 64,
  closeAfterMs: 10 * 60_000,
  stableGatherCount: 8,
};

export interface CompactionTime {
  readonly nowNs: bigint;
  /** Whether the wall clock can be believed (core/budget/wall-clock.ts). */
  readonly isSynced: boolean;
}

/** One merge: these segments become one. */
export interface CompactionUnit {
  readonly inputs: readonly SegmentMeta[];
  /** Of the output: 1 is written while its lane is open, 2 for good. */
  readonly level: 1 | 2;
  readonly why: "gathered" | "full" | "closed" | "stragglers";
}

/** The merges that are due, those that save readers most files first. No segment is in two of them. */
export function planCompaction(
  segments: Iterable<SegmentMeta>,
  policy: CompactionPolicy,
  time: CompactionTime,
): CompactionUnit[] {
  const lanes = new Map<string, SegmentMeta[]>();
  for (const segment of segments) {
    const lane = laneOf(segment);
    const of = lanes.get(lane);
    if (of === undefined) lanes.set(lane, [segment]);
    else of.push(segment);
  }
  const units = [...lanes.values()].flatMap((lane) => planLane(lane, policy, time));
  return units.sort((a, b) => b.inputs.length - a.inputs.length || compareOldest(a.inputs[0], b.inputs[0]));
}

/** Hours of a lane of late rows, which is folded by the day on which they came. */
const hoursOfDay = 24;
const hourNs = 3_600_000_000_000n;

function laneOf({ tenant, signal, schemaVersion, late, hour, origin }: SegmentMeta): string {
  const lane = late ? `late ${Math.floor(hour / hoursOfDay)}` : hour;
  return `${tenant}/${signal}/${schemaVersion}/${lane}/${origin?.nodeId ?? ""}`;
}

function planLane(
  lane: readonly SegmentMeta[],
  policy: CompactionPolicy,
  time: CompactionTime,
): CompactionUnit[] {
  const pending = lane.filter(({ level }) => level < 2).sort(compareOldest);
  if (isClosed(lane[0], policy, time)) {
    const isReady = pending.length >= policy.gatherCount || areQuiet(pending, policy, time);
    return [
      ...isReady ? unitsOf(pending, policy).map((inputs) => unit(inputs, 2, "closed")) : [],
      ...planStragglers(lane, policy),
    ];
  }
  const units: CompactionUnit[] = [];
  const rest: SegmentMeta[] = [];
  for (const inputs of unitsOf(pending, policy)) {
    if (isFull(inputs, policy)) units.push(unit(inputs, 2, "full"));
    else rest.push(...inputs);
  }
  const unsorted = rest.filter(({ level }) => level === 0);
  for (const inputs of unitsOf(unsorted, policy)) {
    if (inputs.length >= policy.gatherCount) units.push(unit(inputs, 1, "gathered"));
  }
  return units;
}

/** Small stable segments of one lane, when enough of like size are there. */
function planStragglers(lane: readonly SegmentMeta[], policy: CompactionPolicy): CompactionUnit[] {
  const tiers = new Map<number, SegmentMeta[]>();
  for (const segment of lane) {
    if (segment.level < 2 || isFull([segment], policy)) continue;
    const tier = Math.floor(Math.log(Math.max(1, segment.bytes)) / Math.log(policy.stableGatherCount));
    tiers.set(tier, [...tiers.get(tier) ?? [], segment]);
  }
  return [...tiers.values()].flatMap((tier) =>
    unitsOf(tier.sort(compareOldest), policy)
      .filter((inputs) => inputs.length >= policy.stableGatherCount)
      .map((inputs) => unit(inputs, 2, "stragglers"))
  );
}

/** Cuts segments into units that each keep within the policy. */
function unitsOf(segments: readonly SegmentMeta[], policy: CompactionPolicy): SegmentMeta[][] {
  const units: SegmentMeta[][] = [];
  let rows = 0, bytes = 0;
  for (const segment of segments) {
    const last = units.at(-1);
    rows += segment.rows;
    bytes += segment.bytes;
    const fits = rows <= policy.unitRowsMax && bytes <= policy.unitBytesMax;
    if (last !== undefined && fits && last.length < policy.unitFilesMax) {
      last.push(segment);
      continue;
    }
    units.push([segment]);
    rows = segment.rows;
    bytes = segment.bytes;
  }
  return units;
}

/** Whether what these give is not worth another merge. */
function isFull(segments: readonly SegmentMeta[], policy: CompactionPolicy): boolean {
  const rows = segments.reduce((sum, segment) => sum + segment.rows, 0);
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  return rows >= policy.unitRowsMax * fullShare || bytes >= policy.unitBytesMax * fullShare;
}

/**
 * A unit ends before the segment that would take it over its bounds; when no segment is larger than a quarter of
 * them, it holds three quarters at least.
 */
const fullShare = 0.75;

function isClosed(
  { late, hour }: SegmentMeta,
  policy: CompactionPolicy,
  { nowNs, isSynced }: CompactionTime,
): boolean {
  const endHour = late ? (Math.floor(hour / hoursOfDay) + 1) * hoursOfDay : hour + 1;
  return isSynced && nowNs >= BigInt(endHour) * hourNs + nsOf(policy.closeAfterMs);
}

function areQuiet(
  pending: readonly SegmentMeta[],
  policy: CompactionPolicy,
  { nowNs }: CompactionTime,
): boolean {
  return pending.every(({ maxIngestNs }) => nowNs - maxIngestNs >= nsOf(policy.closeAfterMs));
}

function unit(
  inputs: readonly SegmentMeta[],
  level: CompactionUnit["level"],
  why: CompactionUnit["why"],
): CompactionUnit {
  return { inputs, level, why };
}

function compareOldest(a: SegmentMeta, b: SegmentMeta): number {
  return (a.origin ?? a).lsnFrom - (b.origin ?? b).lsnFrom || (a.id < b.id ? -1 : 1);
}

function nsOf(ms: number): bigint {
  return BigInt(ms) * 1_000_000n;
}
