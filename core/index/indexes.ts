/**
 * Where a query asks which blocks of a segment it has to read. `SidecarIndexes` (sidecars.ts) is the one that reads
 * the index files; a server has it in a thread of its own (edge/index/lookup-thread.ts).
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
   * For each of these segments, all of one tenant and signal, the blocks that may hold rows which meet the predicate;
   * `undefined` where it has no index that can be read, so that all of it has to be. Hundreds are best asked at once: a
   * look into one takes microseconds, a question and its answer a hundred.
   * @param seesNewest whether rows that no segment has yet are asked about as well
   */
  candidatesOf(
    segments: readonly IndexedSegment[],
    predicate: IndexPredicate,
    seesNewest?: boolean,
  ): Promise<readonly (BlockSet | undefined)[]>;
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

/** Of a store that answers no queries; one that does would read every segment whole. */
export const noIndexes: StoreIndexes = {
  candidatesOf: async (segments) => segments.map(() => undefined),
  blockTimes: async () => undefined,
  unusable: new Map(),
  forget() {},
  close() {},
};
