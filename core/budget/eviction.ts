/**
 * Plans which segments go: by age, by what one stream may hold, and, when the disk's budget is used up, the oldest.
 * Pure; budget.ts does it.
 *
 * - Age is that of a segment's newest row. In the late lane, and for events from the future, it counts from ingest.
 * - Over the budget whole hours are gone through from the oldest: what is uploaded before what is not, and within
 *   an hour what was received first. It stops as soon as enough is gone, in the middle of an hour too: a box
 *   that fills up within one hour keeps the newest part of it.
 * - While the time is not synced nothing goes by age: a clock at 2100 would empty the box.
 */
import type { SegmentMeta } from "../manifest/manifest.ts";
import type { Signal } from "../model/columns.ts";

/** A segment, and whether the bucket has it; nothing is uploaded yet. */
export type EvictionCandidate = SegmentMeta & { readonly uploaded?: boolean };

export type WhenFull = "evict-oldest" | "refuse";

export interface EvictionPolicy {
  /** Milliseconds that rows are kept at least and segments hardly longer; `undefined` for as long as there is room. */
  readonly retentionMs?: number;
  /** Overrides `retentionMs`. */
  readonly retentionMsOf?: Readonly<Partial<Record<Signal, number>>>;
  /** Bytes that the segments of one tenant and signal may take. */
  readonly streamBytesMax?: number;
  readonly whenFull: WhenFull;
  /** Bounds of a tenant's own, beside those above: the narrower ones hold. */
  readonly tenants?: Readonly<Record<string, TenantPolicy>>;
}

export interface TenantPolicy {
  readonly retentionMs?: number;
  /** Of each of its streams. */
  readonly streamBytesMax?: number;
}

export type EvictionReason = "age" | "stream_bytes" | "budget";

export interface Eviction {
  readonly segment: EvictionCandidate;
  readonly reason: EvictionReason;
}

/**
 * Which segments go, in the order in which they should.
 * @param excessBytes what must go for the disk's sake, in allocated bytes; 0 when nothing must
 * @param now the wall clock, and whether to believe it (wall-clock.ts)
 */
export function planEviction(
  segments: Iterable<EvictionCandidate>,
  excessBytes: number,
  policy: EvictionPolicy,
  now: { readonly ns: bigint; readonly isSynced: boolean },
): Eviction[] {
  const oldestFirst = [...segments].sort(byEvictionOrder);
  const evictions: Eviction[] = [];
  const gone = new Set<string>();
  const evict = (segment: EvictionCandidate, reason: EvictionReason) => {
    gone.add(segment.id);
    evictions.push({ segment, reason });
  };
  if (now.isSynced) {
    for (const segment of oldestFirst) if (isExpired(segment, policy, now.ns)) evict(segment, "age");
  }
  const kept = oldestFirst.filter(({ id }) => !gone.has(id));
  for (const segment of overStreamBytes(kept, policy)) evict(segment, "stream_bytes");
  if (policy.whenFull === "evict-oldest") {
    let excess = excessBytes;
    for (const { segment } of evictions) excess -= allocatedBytesOf(segment);
    for (const segment of oldestFirst) {
      if (excess <= 0) break;
      if (gone.has(segment.id)) continue;
      evict(segment, "budget");
      excess -= allocatedBytesOf(segment);
    }
  }
  return evictions;
}

/** What a segment's file takes on a volume with blocks of 4 KiB. */
export function allocatedBytesOf({ bytes }: { readonly bytes: number }): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

const blockBytes = 4096;
const hourNs = 3_600_000_000_000n;

function isExpired(segment: EvictionCandidate, policy: EvictionPolicy, nowNs: bigint): boolean {
  const retentionMs = narrower(
    policy.retentionMsOf?.[segment.signal] ?? policy.retentionMs,
    policy.tenants?.[segment.tenant]?.retentionMs,
  );
  if (retentionMs === undefined) return false;
  return newestNs(segment) < nowNs - BigInt(Math.round(retentionMs)) * 1_000_000n;
}

function newestNs({ late, maxTimeNs, maxIngestNs }: EvictionCandidate): bigint {
  return late || maxTimeNs > maxIngestNs ? maxIngestNs : maxTimeNs;
}

/** The late lane's hour is that of its ingest already; an hour of the future is when it was received. */
function hourOf({ hour, maxIngestNs }: EvictionCandidate): number {
  return Math.min(hour, Number(maxIngestNs / hourNs));
}

function byEvictionOrder(a: EvictionCandidate, b: EvictionCandidate): number {
  return Number(b.uploaded ?? false) - Number(a.uploaded ?? false) ||
    hourOf(a) - hourOf(b) ||
    Number(a.maxIngestNs - b.maxIngestNs) ||
    (a.id < b.id ? -1 : 1);
}

/** The newest segment of a stream stays: merged, it may alone be larger than the bound, and be all there is. */
function overStreamBytes(
  oldestFirst: readonly EvictionCandidate[],
  policy: EvictionPolicy,
): EvictionCandidate[] {
  const isBounded = ({ tenant }: EvictionCandidate) =>
    policy.streamBytesMax !== undefined || policy.tenants?.[tenant]?.streamBytesMax !== undefined;
  const streams = Map.groupBy(oldestFirst.filter(isBounded), ({ tenant, signal }) => `${tenant}/${signal}`);
  const over: EvictionCandidate[] = [];
  for (const segments of streams.values()) {
    const own = policy.tenants?.[segments[0].tenant]?.streamBytesMax;
    const streamBytesMax = narrower(policy.streamBytesMax, own)!;
    let bytes = segments.reduce((sum, segment) => sum + allocatedBytesOf(segment), 0);
    for (const segment of segments.slice(0, -1)) {
      if (bytes <= streamBytesMax) break;
      over.push(segment);
      bytes -= allocatedBytesOf(segment);
    }
  }
  return over;
}

function narrower(bound: number | undefined, own: number | undefined): number | undefined {
  return bound === undefined || own === undefined ? bound ?? own : Math.min(bound, own);
}
