/**
 * How the pages of a file are cut and compressed.
 *
 * Texts lie in pages of some hundred rows, for a statement that takes scattered rows decompresses a page for each of them,
 * and a page of a whole row group is megabytes of bodies. A flush writes what is merged within the hour, and what is asked
 * for most while it is there: smaller pages, and the fastest compression. A merge writes what is kept: what pages lose, a
 * compressor that looks further finds again. Measured: docs/decisions/002-blocks-and-row-groups.md.
 */
import { constants, zstdCompressSync } from "node:zlib";
import { blockRows } from "../segment/encoder.ts";
import type { Leaf } from "./schema.ts";

export interface Layout {
  /**
   * Rows of a page of texts that no dictionary codes; `undefined` for one page a row group.
   * @param rows of the row group
   * @param bytes that its texts take
   */
  textPageRows(rows: number, bytes: number): number | undefined;
  compress(leaf: Leaf, page: Uint8Array): Uint8Array;
  /** Whether the file says where each page lies (parquet.thrift, OffsetIndex). */
  readonly hasOffsetIndex: boolean;
}

export const freshLayout: Layout = {
  textPageRows: (rows, bytes) => pageRowsOf(rows, bytes, freshPageBytesMax),
  compress: (_leaf, page) => Bun.zstdCompressSync(page, { level: 1 }),
  hasOffsetIndex: true,
};

export const mergedLayout: Layout = {
  textPageRows: (rows, bytes) => pageRowsOf(rows, bytes, pageBytesMax),
  compress(leaf, page) {
    if (!leaf.isProse) return Bun.zstdCompressSync(page, { level: 1 });
    return zstdCompressSync(page, { params: proseParams });
  },
  hasOffsetIndex: true,
};

/**
 * Most bytes of texts in a page, on average; a block is a whole number of pages. Of smaller pages an engine that reads all
 * pays for their number: with 96 KiB a LIKE over all bodies takes a tenth more CPU.
 */
export const pageBytesMax = 192 * 1024;

/** Rows of fresh segments are taken in half the time of pages of a row group, and stored in a tenth more bytes. */
const freshPageBytesMax = 128 * 1024;

/** Fewer rows have nothing in common that could be found: large texts that are alike would be stored each as a whole. */
const pageRowsMin = 64;

function pageRowsOf(rows: number, bytes: number, bytesMax: number): number | undefined {
  if (bytes <= bytesMax) return undefined;
  let pageRows = blockRows;
  while (pageRows > pageRowsMin && pageRows * bytes > bytesMax * rows) pageRows /= 2;
  return pageRows;
}

/**
 * A level means other parameters for inputs of other sizes, and those for pages compress texts 8% worse than those for
 * whole row groups. These find nearly all of it again, and what they give decompresses as fast as level 1.
 */
const proseParams = {
  [constants.ZSTD_c_compressionLevel]: 5,
  [constants.ZSTD_c_strategy]: constants.ZSTD_lazy2,
  [constants.ZSTD_c_hashLog]: 16,
  [constants.ZSTD_c_chainLog]: 16,
  [constants.ZSTD_c_searchLog]: 3,
  [constants.ZSTD_c_minMatch]: 6,
};
