/** What the indexer and its worker say to each other: one segment at a time. */
import type { ErrorCode } from "../../core/error.ts";
import type { IndexSource } from "../../core/index/build.ts";
import type { Standing } from "../server/thread-priority.ts";

export interface ToWorker {
  /** Absolute path of the data folder. */
  readonly dataDir: string;
  readonly segment: IndexSource;
  /** Where the thread stands from now on. */
  readonly standing: Standing;
}

export type FromWorker =
  | { readonly kind: "done"; readonly bytes: number }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string; readonly hint?: string };
