/**
 * What a query reads: the files and the memtable rows of one tenant, pinned by the store in one synchronous
 * turn, so that no row is seen twice or not at all.
 */
import type { Chunk } from "../model/chunk.ts";
import type { Signal } from "../model/columns.ts";
import { blockRows } from "../segment/encoder.ts";

/** A Parquet file. Without both times it is never pruned. */
export interface SourceFile {
  /** Of the segment, by which its index is found; absent where it has none. */
  readonly id?: string;
  /** Absolute, or relative to the data folder. */
  readonly path: string;
  /** Least and greatest value of the signal's time column, in nanoseconds since 1970. */
  readonly minTimeNs?: bigint;
  readonly maxTimeNs?: bigint;
  readonly rows: number;
  readonly bytes: number;
}

/** The first `rows` rows of a chunk. */
export interface SourceChunk {
  readonly chunk: Chunk;
  readonly rows: number;
}

/** What a tenant's query of one signal sees. */
export interface TableSource {
  readonly signal: Signal;
  readonly files: readonly SourceFile[];
  readonly chunks: readonly SourceChunk[];
  /** Of these files, where it is known already. */
  readonly totals?: FileTotals;
}

/** What holds of files together. */
export interface FileTotals {
  readonly blocks: number;
  /** Of those whose times are known; absent where there is none. */
  readonly oldestNs?: bigint;
}

export function totalsOf(files: readonly SourceFile[]): FileTotals {
  let blocks = 0, oldestNs: bigint | undefined;
  for (const { rows, minTimeNs } of files) {
    blocks += Math.ceil(rows / blockRows);
    if (minTimeNs !== undefined && (oldestNs === undefined || minTimeNs < oldestNs)) oldestNs = minTimeNs;
  }
  return { blocks, ...(oldestNs === undefined ? {} : { oldestNs }) };
}

export type QuerySources = Readonly<Record<Signal, TableSource>> & {
  /** Lets the store delete what was pinned; called once, when the query has ended. */
  release(): void;
};
