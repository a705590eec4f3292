/** How the rows of several Parquet files become one sorted file: time_merger.ts does it, and edge/duckdb for what that leaves. */
import type { IndexSource } from "../index/build.ts";
import type { Signal } from "../model/columns.ts";

export interface SegmentMerger {
  /**
   * Writes all rows of `inputs` into one Parquet file at `output`, in the signal's order: `sortColumnsOf`, and failures behind
   * all others (../segment/failures.ts).
   * The file need not be durable when this resolves; when it rejects, it may exist in part. The index is durable, or there is none.
   * @throws OpenWitError `overloaded` when memory does not suffice, `io`, `disk_full`; the signal's reason
   */
  merge(request: MergeRequest): Promise<Merged>;
  /** What a merge would give, without writing it. @throws as `merge` */
  measure(
    request: Pick<MergeRequest, "signal" | "inputs" | "severityAbove" | "abort">,
  ): Promise<MergeMeasure>;
}

export interface Merged {
  /** Bytes of the index; absent where none was written, and who wants one has it built. */
  readonly indexBytes?: number;
}

/** Times are 0 when there are no rows. */
export interface MergeMeasure {
  readonly rows: number;
  readonly minTimeNs: bigint;
  readonly maxTimeNs: bigint;
  readonly minIngestNs: bigint;
  readonly maxIngestNs: bigint;
}

export interface MergeRequest {
  readonly signal: Signal;
  /** Paths in the data folder, of files of one schema version. */
  readonly inputs: readonly string[];
  /** Path in the data folder; its folder exists, the file does not. */
  readonly output: string;
  /** For the footer. */
  readonly keyValues: Readonly<Record<string, string>>;
  /** The segment that the output is to be, when its index is wanted as well: who has the rows in hand builds it of them. */
  readonly index?: IndexSource;
  /**
   * Of logs: leaves out records of severities from 1 to this; those without a severity stay. The inputs are one file
   * then, which is sorted already: it is read and written in its order, without room for a sort.
   */
  readonly severityAbove?: number;
  readonly abort: AbortSignal;
}

/**
 * What rows are sorted by. Logs and spans by time alone: a trace lies in one or two blocks then, the newest rows in
 * the last ones, and neighbours share their ids, which makes files a fifth smaller than by service
 * (docs/decisions/008-time-order.md). Points by series, whose values and attributes are alike.
 */
export const sortColumnsOf: Readonly<Record<Signal, readonly string[]>> = {
  logs: ["timestamp"],
  spans: ["start_timestamp"],
  metrics: ["metric_name", "series_id", "timestamp"],
};
