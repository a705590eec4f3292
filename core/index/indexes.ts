/**
 * Where a query asks which blocks of a segment it has to read. `SidecarIndexes` (sidecars.ts) is the one that reads
 * the index files.
 */
import type { Signal } from "../model/columns.ts";
import type { BlockSet } from "./blocks.ts";
import type { IndexPredicate } from "./predicate.ts";

/** What an index needs to know of a segment. */
export interface IndexedSegment {
  readonly id: string;
  readonly signal: Signal;
  readonly path: string;
  readonly rows: number;
}

export interface SegmentIndexes {
  /**
   * The blocks that may hold rows which meet the predicate; `undefined` when the segment has no index that can be
   * read, so that all of it has to be.
   */
  candidates(segment: IndexedSegment, predicate: IndexPredicate): Promise<BlockSet | undefined>;
  /** Least and greatest time of each block, in nanoseconds since 1970; `undefined` as above. */
  blockTimes(segment: IndexedSegment): Promise<BlockTimes | undefined>;
}

/** What a store keeps of its indexes beside asking them. */
export interface StoreIndexes extends SegmentIndexes {
  /** Segments whose index could not be used since it was last built, and why: "none" where there is no file. */
  readonly unusable: ReadonlyMap<string, string>;
  /** To be called when a segment's index was written anew, or its files are about to go. */
  forget(id: string): void;
  close(): void;
}

export interface BlockTimes {
  readonly min: BigInt64Array;
  readonly max: BigInt64Array;
}
