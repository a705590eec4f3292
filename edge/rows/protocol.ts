/** What `rowThread` and its worker say to each other. Every question has an answer, in order. */
import type { Signal } from "../../core/model/columns.ts";
import type { FoundPlaces } from "../../core/parquet/read/found.ts";
import type { Batch } from "../../core/parquet/slice.ts";
import type { FileRows, FindRowsRequest } from "../../core/query/row_reader.ts";

export type ToRows =
  | {
    readonly kind: "read";
    readonly ask: number;
    readonly signal: Signal;
    readonly files: readonly FileRows[];
    readonly columns: readonly string[];
  }
  | { readonly kind: "find"; readonly ask: number; readonly request: FindRowsRequest };

/** Without any of these the rows cannot be read or found. Buffers are transferred. */
export interface FromRows {
  readonly ask: number;
  readonly read?: {
    /** The wanted columns in the order of the table. */
    readonly batch: Batch;
    readonly inflatedBytes: number;
  };
  readonly found?: FoundPlaces;
}
