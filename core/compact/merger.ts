/** How the rows of several Parquet files become one sorted file; edge/duckdb does it. */
import type { Signal } from "../model/columns.ts";

export interface SegmentMerger {
  /**
   * Writes all rows of `inputs`, in the signal's order (`sortColumnsOf`), into one Parquet file at `output`.
   * The file need not be durable when this resolves; when it rejects, it may exist in part.
   * @throws OpenWitError `overloaded` when memory does not suffice, `io`, `disk_full`; the signal's reason
   */
  merge(request: MergeRequest): Promise<void>;
}

export interface MergeRequest {
  readonly signal: Signal;
  /** Paths in the data folder, of files of one schema version. */
  readonly inputs: readonly string[];
  /** Path in the data folder; its folder exists, the file does not. */
  readonly output: string;
  /** For the footer. */
  readonly keyValues: Readonly<Record<string, string>>;
  readonly abort: AbortSignal;
}

/**
 * What rows are sorted by: like values lie together, which compresses, and a service's or series' rows of a time
 * lie in few blocks, which prunes.
 */
export const sortColumnsOf: Readonly<Record<Signal, readonly string[]>> = {
  logs: ["service_name", "timestamp"],
  spans: ["service_name", "start_timestamp"],
  metrics: ["metric_name", "series_id", "timestamp"],
};
