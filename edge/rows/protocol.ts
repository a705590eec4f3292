/** What `rowThread` and its worker say to each other. Every question has an answer, in order. */
import type { Signal } from "../../core/model/columns.ts";
import type { FileRows } from "../../core/query/row_reader.ts";
import type { Batch } from "../../core/parquet/slice.ts";

export interface ToRows {
  readonly ask: number;
  readonly signal: Signal;
  readonly files: readonly FileRows[];
  readonly columns: readonly string[];
}

export interface FromRows {
  readonly ask: number;
  /** The wanted columns in the order of the table, in one buffer that is transferred; absent where they cannot be read. */
  readonly batch?: Batch;
  readonly inflatedBytes?: number;
}
