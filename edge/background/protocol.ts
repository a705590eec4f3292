/** What the background thread and the server say to each other. Jobs have numbers; several may be under way. */
import type { Merged, MergeMeasure, MergeRequest } from "../../core/compact/merger.ts";
import type { ErrorCode } from "../../core/error.ts";
import type { IndexSource } from "../../core/index/build.ts";
import type { Standing } from "./standing.ts";

/** What a thread is told first. */
export interface OpenWorker {
  readonly kind: "open";
  /** Absolute path of the data folder. */
  readonly dataDir: string;
  /** Where the thread keeps what it has, in KiB: one word, written by it alone. */
  readonly held: Int32Array;
}

/** Where the thread stands from now on; a thread cannot be told to come forward. */
export interface GoWorker {
  readonly kind: "go";
  readonly standing: Standing;
}

export type Job =
  | { readonly kind: "index"; readonly segment: IndexSource }
  | { readonly kind: "merge"; readonly request: Omit<MergeRequest, "abort"> }
  | { readonly kind: "measure"; readonly request: Omit<MergeRequest, "abort" | "output" | "keyValues"> };

export type ToWorker =
  | OpenWorker
  | GoWorker
  /** One that is urgent has the thread, and what is not waits until it is done. */
  | { readonly kind: "job"; readonly id: number; readonly isUrgent: boolean; readonly job: Job }
  /** A job is wanted no more; it is still answered, when its files are closed. */
  | { readonly kind: "abort"; readonly id: number };

export interface Done {
  /** Of an index file. */
  readonly bytes?: number;
  readonly merged?: Merged;
  readonly measure?: MergeMeasure;
}

export type FromWorker =
  | { readonly kind: "done"; readonly id: number; readonly result: Done }
  | {
    readonly kind: "error";
    readonly id: number;
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint?: string;
  };
