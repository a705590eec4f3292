/**
 * What `lookupThread` and its worker say to each other. Every question has an answer, in order.
 *
 *   ─ask─▶  segments and a predicate, or one segment whose times are wanted     ◀─answer─
 *   ─forget─▶  a segment whose index was written anew, or goes
 */
import type { IndexedSegment } from "../../core/index/indexes.ts";
import type { IndexPredicate } from "../../core/index/predicate.ts";

export type ToLookup =
  | {
    readonly kind: "candidates";
    readonly ask: number;
    readonly segments: readonly IndexedSegment[];
    readonly predicate: IndexPredicate;
  }
  | { readonly kind: "times"; readonly ask: number; readonly segment: IndexedSegment }
  | { readonly kind: "forget"; readonly id: string };

export interface FromLookup {
  readonly ask: number;
  /** For each segment its number of blocks and their bits; null where it has no index that can be used. */
  readonly blocks?: readonly ({ readonly count: number; readonly words: Uint32Array } | null)[];
  readonly times?: { readonly min: BigInt64Array; readonly max: BigInt64Array } | null;
  /** Indexes that could not be used since the last answer, and why. */
  readonly unusable: readonly (readonly [id: string, why: string])[];
  /** Of those, what is worth a line in the log. */
  readonly warnings: readonly { readonly message: string; readonly fields: Record<string, unknown> }[];
}
