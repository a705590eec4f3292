/** What the merger and its worker say to each other: one merge or measurement at a time. */
import type { MergeMeasure, MergeRequest } from "../../core/compact/merger.ts";
import type { ErrorCode } from "../../core/error.ts";
import type { Standing } from "../server/thread-priority.ts";

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

/** Where the thread stands from now on; a thread cannot be told to come forward. */
export interface GoWorker {
  readonly kind: "go";
  readonly standing: Standing;
}

export type ToWorker =
  | OpenWorker
  | GoWorker
  | Question
  /** What is under way is wanted no more; it still answers, when its files are closed. */
  | { readonly kind: "abort" };

export type FromWorker =
  | { readonly kind: "done"; readonly measure?: MergeMeasure }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string; readonly hint?: string };
