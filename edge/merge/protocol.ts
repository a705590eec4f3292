/** What the merger and its worker say to each other: one merge or measurement at a time. */
import type { MergeMeasure, MergeRequest } from "../../core/compact/merger.ts";
import type { ErrorCode } from "../../core/error.ts";

export type ToWorker =
  | {
    readonly kind: "merge";
    /** Absolute path of the data folder. */
    readonly dataDir: string;
    readonly request: Omit<MergeRequest, "abort">;
  }
  | {
    readonly kind: "measure";
    readonly dataDir: string;
    readonly request: Omit<MergeRequest, "abort" | "output" | "keyValues">;
  }
  /** What is under way is wanted no more; it still answers, when its files are closed. */
  | { readonly kind: "abort" };

export type FromWorker =
  | { readonly kind: "done"; readonly measure?: MergeMeasure }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string; readonly hint?: string };
