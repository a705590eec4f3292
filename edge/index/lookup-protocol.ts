/**
 * What `lookupThread` and its worker say to each other. Every question has an answer, in order.
 *
 *   ─ask─▶  segments and a predicate, or one segment whose times are wanted     ◀─answer─
 *   ─forget─▶  a segment whose index was written anew, or goes
 *
 * A segment is told once, with a number, and is that number from then on: a question about hundreds of them is one
 * array, and so is its answer.
 */
import { BlockSet, blockSetWords } from "../../core/index/blocks.ts";
import type { IndexedSegment } from "../../core/index/indexes.ts";
import type { IndexPredicate } from "../../core/index/predicate.ts";
import type { LogLevel } from "../../core/env/log.ts";
import { blockRows } from "../../core/segment/encoder.ts";

export type ToLookup =
  | Told & {
    readonly kind: "candidates";
    readonly ask: number;
    readonly segments: Uint32Array;
    readonly predicate: IndexPredicate;
  }
  | Told & { readonly kind: "times"; readonly ask: number; readonly segment: number }
  | { readonly kind: "forget"; readonly segment: number };

/** Segments that were not spoken of before. */
export interface Told {
  readonly told: readonly (readonly [number: number, segment: IndexedSegment])[];
}

export interface FromLookup {
  readonly ask: number;
  /** As `encodeBlocks` gives. */
  readonly blocks?: Uint32Array<ArrayBuffer>;
  readonly times?: { readonly min: BigInt64Array; readonly max: BigInt64Array } | null;
  /** Indexes that could not be used since the last answer, and why. */
  readonly unusable: readonly (readonly [id: string, why: string])[];
  /** What is worth a line in the log. */
  readonly lines: readonly {
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: Record<string, unknown>;
  }[];
}

const words = 1 + blockSetWords;

/** For each segment whether it has an index that can be used, and its blocks. */
export function encodeBlocks(found: readonly (BlockSet | undefined)[]): Uint32Array<ArrayBuffer> {
  const encoded = new Uint32Array(found.length * words);
  for (let at = 0; at < found.length; at++) {
    const blocks = found[at];
    if (blocks === undefined) continue;
    encoded[at * words] = 1;
    blocks.write(encoded, at * words + 1);
  }
  return encoded;
}

/** The blocks of the segment of these rows at a place of the question. */
export function decodeBlocks(encoded: Uint32Array, at: number, rows: number): BlockSet | undefined {
  return encoded[at * words] === 0
    ? undefined
    : BlockSet.read(Math.ceil(rows / blockRows), encoded, at * words + 1);
}
