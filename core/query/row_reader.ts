/**
 * Reads rows of segments that are known by number, beside the SQL engine: a hundred rows of all columns cost it the
 * decompression of whole row groups. edge/rows is the one that runs, in a thread of its own.
 */
import type { Chunk } from "../model/chunk.ts";
import type { Signal } from "../model/columns.ts";

/** Rows of a file by number, ascending. */
export interface FileRows {
  /** Absolute, or relative to the data folder. */
  readonly path: string;
  readonly rows: Int32Array;
}

export interface RowsRequest {
  readonly signal: Signal;
  readonly files: readonly FileRows[];
  /** Those that are needed; all when absent. */
  readonly columns?: ReadonlySet<string>;
}

export interface RowsRead {
  /** The rows, file after file; a column that was not needed has no values. */
  readonly chunk: Chunk;
  /** Bytes that were decompressed for them. */
  readonly inflatedBytes: number;
}

export interface RowReader {
  /**
   * `undefined` where the rows are to be read by the engine, which says what is wrong with them if something is: they
   * take too much, a file is damaged or of another kind, the thread died or has too much to do.
   */
  read(request: RowsRequest): Promise<RowsRead | undefined>;
  /** Ends the thread; what it was asked is answered with `undefined`. */
  close(): void;
}
