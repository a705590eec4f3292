/** What the merger and its worker say to each other: one merge or measurement at a time. */
import type { MergeMeasure, MergeRequest } from "../../core/compact/merger.ts";
import type { ErrorCode } from "../../core/error.ts";

/** What a thread is told first. */
export interface OpenWorker {
  readonly kind: "open";
  /** Absolute path of the data folder. */
  readonly dataDir: string;
  /** Where the thread keeps what it has, in KiB: one word, written by it alone. */
  readonly held: Int32Array;
}

export type Question =
  | { readonly kind: "merge"; readonly request: Omit<MergeRequest, "abort"> }
  | { readonly kind: "measure"; readonly request: Omit<MergeRequest, "abort" | "output" | "keyValues"> };

export type ToWorker =
  | OpenWorker
  | Question
  /** What is under way is wanted no more; it still answers, when its files are closed. */
  | { readonly kind: "abort" };

export type FromWorker =
  | { readonly kind: "done"; readonly measure?: MergeMeasure }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string; readonly hint?: string };
