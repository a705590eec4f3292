/**
 * What the encoder and its worker say to each other. One file is encoded at a time.
 *
 *   encoder ─begin─▶ worker      ◀─pull─ wants a batch    ─batch─▶ / ─end─▶ (no more batches)
 *                                ◀─spare─ the buffer of a batch that is encoded, to be filled again
 *                                ◀─bytes─ of the file     ─took─▶  the consumer asks for more
 *                                ◀─done─ or ◀─error─
 *
 * Back-pressure goes both ways: the worker wants a batch when it has encoded the last one, and it goes on writing only after
 * the bytes that it gave last were taken. Buffers are transferred, not copied: all arrays of a batch are views of one.
 */
import type { ErrorCode } from "../../core/error.ts";
import type { Signal } from "../../core/model/columns.ts";
import type { Batch } from "../../core/parquet/slice.ts";

export type ToWorker =
  | { readonly kind: "begin"; readonly signal: Signal; readonly keyValues: Readonly<Record<string, string>> }
  | { readonly kind: "batch"; readonly batch: Batch; readonly buffer: ArrayBuffer }
  | { readonly kind: "end" }
  | { readonly kind: "took" };

export type FromWorker =
  | { readonly kind: "pull" }
  | { readonly kind: "spare"; readonly buffer: ArrayBuffer }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "done" }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string; readonly hint?: string };
