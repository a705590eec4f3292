/**
 * Reads rows of segments that are known by number, beside the SQL engine: a hundred rows of all columns cost it the
 * decompression of whole row groups. edge/rows is the one that runs, in a thread of its own.
 */
import type { Chunk } from "../model/chunk.ts";
import type { Signal } from "../model/columns.ts";
import type { FoundPlaces } from "../parquet/read/found.ts";
import type { FindRequest } from "../parquet/read/segment_rows.ts";

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

/** What is looked through for rows: `segment_rows.ts` says what each means. */
export interface FindRowsRequest extends FindRequest {
  readonly signal: Signal;
}

export interface RowReader {
  /**
   * Where rows lie that meet conditions, by the positions of their files; `undefined` as with `read`.
   * @throws what `abort` gives
   */
  find(request: FindRowsRequest, abort: AbortSignal): Promise<FoundPlaces | undefined>;

  /**
   * `undefined` where the rows are to be read by the engine, which says what is wrong with them if something is: they
   * take too much, a file is damaged or of another kind, the thread died or has too much to do.
   */
  read(request: RowsRequest): Promise<RowsRead | undefined>;
  /** Ends the thread; what it was asked is answered with `undefined`. */
  close(): void;
}
