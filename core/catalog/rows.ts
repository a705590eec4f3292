/** What the catalog keeps of a batch, a run of maintenance and a segment, and how each is known when it comes again. */
import type { TaskRun } from "../janitor/janitor.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import { segmentMadeAtNs } from "../segment/path.ts";
import type { BatchRecord } from "../system/batches.ts";

export const historyTables = ["batch_history", "task_history", "segment_history"] as const;
export type HistoryTable = (typeof historyTables)[number];

/** Values by column of schema.ts; 64-bit times are text, as JSON's numbers cannot hold them. */
export type HistoryRow = Readonly<Record<string, string | number | readonly string[] | null>>;

/** How a segment left the data; the catalog itself writes `unknown` where nobody noted it. */
type Removal = "merged" | "evicted";

export function batchRow(record: BatchRecord): HistoryRow {
  return {
    tenant: record.tenant,
    signal: record.signal,
    lsn_from: record.lsnFrom,
    lsn_to: record.lsnTo,
    rows: record.rows,
    bytes: record.bytes,
    segments: record.segments,
    received_ns: String(record.receivedNs),
    ingested_ns: String(record.ingestedNs),
    stored_ns: String(record.storedNs),
    evicted_ns: record.evictedNs === undefined ? null : String(record.evictedNs),
    retries: record.retries,
    error: clean(record.error),
  };
}

export function taskRow({ task, startedNs, durationMs, outcome, did, error }: TaskRun): HistoryRow {
  return {
    task,
    started_ns: String(startedNs),
    duration_ms: durationMs,
    outcome,
    did: clean(did) ?? "",
    error: clean(error?.message),
  };
}

export function segmentRow(segment: SegmentMeta, nowNs: bigint): HistoryRow {
  const { id, tenant, signal, level, path, rows, bytes, lsnFrom, lsnTo } = segment;
  return {
    id,
    tenant,
    signal,
    level,
    path,
    rows,
    bytes,
    min_time_ns: String(segment.minTimeNs),
    max_time_ns: String(segment.maxTimeNs),
    min_ingest_ns: String(segment.minIngestNs),
    max_ingest_ns: String(segment.maxIngestNs),
    lsn_from: lsnFrom,
    lsn_to: lsnTo,
    removed_ns: null,
    removed_by: null,
    replaced_by: null,
    seen_ns: String(nowNs),
  };
}

/** A segment left the data: into its successors, or for good when there are none. */
export function removalRow(id: string, successors: readonly SegmentMeta[], nowNs: bigint): HistoryRow {
  const by: Removal = successors.length > 0 ? "merged" : "evicted";
  return { id, removed_ns: String(nowNs), removed_by: by, replaced_by: successors.map((each) => each.id) };
}

/** The batches whose segments are still as they were flushed; those of one flush share its requests. */
export function batchesOfSegments(segments: Iterable<SegmentMeta>): HistoryRow[] {
  const groups = new Map<string, SegmentMeta[]>();
  for (const segment of segments) {
    if (segment.level !== 0) continue;
    const key = `${segment.tenant}/${segment.signal}/${segment.lsnTo}`;
    groups.set(key, [...groups.get(key) ?? [], segment]);
  }
  return [...groups.values()].map((of) => ({
    tenant: of[0].tenant,
    signal: of[0].signal,
    lsn_from: of[0].lsnFrom,
    lsn_to: of[0].lsnTo,
    rows: of.reduce((sum, { rows }) => sum + rows, 0),
    bytes: of.reduce((sum, { bytes }) => sum + bytes, 0),
    segments: of.length,
    received_ns: String(of.map(({ minIngestNs }) => minIngestNs).reduce((a, b) => a < b ? a : b)),
    ingested_ns: null,
    stored_ns: String(
      of.map(({ id, maxIngestNs }) => segmentMadeAtNs(id) ?? maxIngestNs).reduce((a, b) => a > b ? a : b),
    ),
    evicted_ns: null,
    retries: null,
    error: null,
  }));
}

/** PostgreSQL's text has no zero byte, and JSON for it no half of a surrogate pair. */
function clean(text: string | undefined): string | null {
  return text?.toWellFormed().replaceAll("\0", "\ufffd") ?? null;
}
