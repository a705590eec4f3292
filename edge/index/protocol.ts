/** What the indexer and its worker say to each other: one segment at a time. */
import type { ErrorCode } from "../../core/error.ts";
import type { IndexSource } from "../../core/index/build.ts";

export interface ToWorker {
  /** Absolute path of the data folder. */
  readonly dataDir: string;
  readonly segment: IndexSource;
  /** Whether the thread goes behind the others, from now on. */
  readonly isBackground: boolean;
}

export type FromWorker =
  | { readonly kind: "done"; readonly bytes: number }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string; readonly hint?: string };
