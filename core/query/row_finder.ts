/**
 * Finds rows of a mention before its statement runs: on pages and in memory where its conditions are comparisons
 * (row_filter.ts), else by a statement of the engine (find.ts).
 */
import { columnIndex } from "../model/columns.ts";
import { looksInto, matchingRows, type RowFilter } from "../parquet/read/filter.ts";
import { type FoundPlaces, FoundSink } from "../parquet/read/found.ts";
import { allRows } from "../parquet/read/rows.ts";
import { sliceVector } from "../parquet/slice.ts";
import type { TimeRange } from "./bounds.ts";
import type { FileRead, SqlEngine } from "./engine.ts";
import { findRows, type FoundRow } from "./find.ts";
import type { OwnConditions } from "./needs.ts";
import type { PreparedMention } from "./prepare.ts";
import { rowsIn } from "./reads.ts";
import { type OwnFilter, rowFilterOf, withinRange } from "./row_filter.ts";
import type { RowReader } from "./row_reader.ts";
import type { SourceChunk } from "./sources.ts";

export interface FindEnv {
  readonly engine: SqlEngine;
  readonly rowReader?: RowReader;
  readonly tenant: string;
  readonly signal: AbortSignal;
}

/** What is looked through. */
export interface FindSource {
  readonly files: readonly FileRead[];
  readonly chunks: readonly SourceChunk[];
  readonly window?: TimeRange;
}

/** Rows of memory that are looked through in this thread: a millisecond or two. */
const memoryRowsMax = 200_000;
/** The same of texts that are looked into: half a millisecond a mebibyte. */
const memoryTextBytesMax = 4 * 1024 * 1024;

/**
 * Rows of files that are looked through on pages. Their numbers are four bytes each: of the 74 million rows of a last
 * slice of time they took more memory than a small box has.
 */
export const pageRowsMax = 4_000_000;

/**
 * Rows that pass the tests of some of the conditions, and are for the statement to try the others on: of more than
 * these it is quicker to have the engine look for those that meet all.
 */
const passingRowsMax = 200;

export class RowFinder {
  readonly #own: OwnFilter;
  /** How rows were found last. */
  foundBy: "pages" | "engine" = "pages";

  /** @param isDescending by time: the first rows by this order are found; any when undefined */
  constructor(
    readonly prepared: PreparedMention,
    own: OwnConditions,
    readonly isDescending: boolean | undefined,
    readonly env: FindEnv,
  ) {
    this.#own = rowFilterOf(prepared.mention, own);
  }

  /** Whether rows are found by looking into texts, which takes the engine several times as long. */
  get looksIntoTexts(): boolean {
    return this.#own.filter.columns.some(looksInto);
  }

  /** At most `rowsMax` rows. @param rowsOf rows of a file that is read whole @throws OpenWitError */
  async find(source: FindSource, rowsMax: number, rowsOf: (path: string) => number): Promise<FoundRow[]> {
    const found = await this.findOnPages(source, rowsMax, rowsOf);
    if (found !== undefined) return found;
    this.foundBy = "engine";
    const { prepared, isDescending, env } = this;
    const { name, signal } = prepared.mention;
    const table = { name, signal, conditions: await prepared.conditions, ...source };
    return await findRows(env.engine, await prepared.find(isDescending), table, rowsMax, env);
  }

  /**
   * The same without the engine; `undefined` where that is needed. In no order, rows may be among them that meet the texts
   * alone which are looked for.
   */
  async findOnPages(
    { files, chunks, window }: FindSource,
    rowsMax: number,
    rowsOf: (path: string) => number,
  ): Promise<FoundRow[] | undefined> {
    const { prepared: { mention: { signal } }, isDescending, env: { rowReader } } = this;
    const { isWhole } = this.#own;
    if (rowReader === undefined || !isWhole && (isDescending !== undefined || !this.looksIntoTexts)) {
      return undefined;
    }
    const filter = withinRange(this.#own.filter, window);
    if (files.length === 0) {
      const rows = chunks.reduce((sum, { rows }) => sum + rows, 0);
      return rows > memoryRowsMax || textBytes(filter, chunks) > memoryTextBytesMax
        ? undefined
        : foundRows(findInMemory(filter, chunks, rowsMax, isDescending));
    }
    if (chunks.length > 0) return undefined;
    const wanted = files.map(({ path, rows }) => ({
      path,
      ranges: rows ?? [{ from: 0, end: rowsOf(path) }],
    }));
    const rows = wanted.reduce((sum, { ranges }) => sum + rowsIn(ranges), 0);
    if (rows > pageRowsMax) return undefined;
    const found = await rowReader.find({
      signal,
      files: wanted,
      filter,
      rowsMax: isWhole ? rowsMax : Math.min(rowsMax, passingRowsMax + 1),
      ...(isDescending === undefined ? {} : { isDescending }),
    }, this.env.signal);
    if (found === undefined || !isWhole && found.rows.length > passingRowsMax) return undefined;
    return foundRows(found);
  }
}

/** Bytes of texts that a filter looks into. */
function textBytes({ columns }: RowFilter, chunks: readonly SourceChunk[]): number {
  let bytes = 0;
  for (const { column } of columns.filter(looksInto)) {
    for (const { chunk, rows } of chunks) {
      const vector = chunk.vectors[columnIndex(chunk.signal, column)];
      if (vector.kind === "utf8") bytes += vector.offsets[rows];
    }
  }
  return bytes;
}

function findInMemory(
  filter: RowFilter,
  chunks: readonly SourceChunk[],
  rowsMax: number,
  isDescending: boolean | undefined,
): FoundPlaces {
  const found = new FoundSink(rowsMax, isDescending);
  for (const [at, { chunk, rows }] of chunks.entries()) {
    const matching = matchingRows(filter, allRows(rows), {
      column: (name, rows) => sliceVector(chunk.vectors[columnIndex(chunk.signal, name)], rows),
    });
    found.add(-1 - at, matching.rows, 0, matching.times);
  }
  return found.finish();
}

function foundRows({ files, rows, times }: FoundPlaces): FoundRow[] {
  return Array.from(files, (file, at) => ({ file, row: rows[at], timeNs: times[at] }));
}
