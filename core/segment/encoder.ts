/** How a flush turns rows into the bytes of one Parquet file; edge/parquet does it in a worker. */
import type { Signal } from "../model/columns.ts";
import type { Chunk } from "../model/chunk.ts";

export interface SegmentEncoder {
  /**
   * Encodes rows into one Parquet file, in row groups of `rowGroupRows`.
   * The chunks must not be truncated below their row counts until the last part has been taken.
   * @param parts what to encode, in order: chunks of one signal, and which of their rows.
   * @param keyValues the footer's key-value metadata.
   * @returns the file's bytes, in order.
   */
  encode(
    signal: Signal,
    parts: readonly SegmentPart[],
    keyValues: Readonly<Record<string, string>>,
  ): AsyncIterable<Uint8Array>;
}

export interface SegmentPart {
  readonly chunk: Chunk;
  /** Rows to take, in this order; all of the first `rowCount` when absent. */
  readonly rows?: Int32Array;
  readonly rowCount: number;
}

/** The unit of every index: design decision 2 in docs/decisions. */
export const blockRows = 8_192;

/** Two blocks: no dearer in size or scan than large groups, and a five-row SELECT * reads little. */
export const rowGroupRows = 2 * blockRows;

/** Most rows that one segment may hold: 120 blocks, so that a bitmap of its blocks fits 15 bytes. */
export const segmentRowsMax = 120 * blockRows;
