/**
 * The rows of memory that a mention of a table can need: those of its times that can meet its conditions, or those that
 * were found. Where they are few they are copied to a chunk of their own, for the engine takes a microsecond for all the
 * columns of a row, and a search most often wants none of a hundred thousand.
 */
import type { IndexPredicate } from "../index/predicate.ts";
import { Chunk } from "../model/chunk.ts";
import { columnIndex, columnsOf, timeColumnOf } from "../model/columns.ts";
import { appendValue, type FixedVector } from "../model/vector.ts";
import { sliceVector } from "../parquet/slice.ts";
import { appendSlices } from "../parquet/vectors.ts";
import { clampedTime, type TimeRange } from "./bounds.ts";
import type { FoundRow } from "./find.ts";
import { memoryVerdicts } from "./memory_predicate.ts";
import type { SourceChunk } from "./sources.ts";

export interface MemoryWanted {
  /** Times outside of which no row counts. */
  readonly range: TimeRange;
  readonly predicate: IndexPredicate;
  /** Columns that are needed; all when undefined. */
  readonly columns: ReadonlySet<string> | undefined;
}

/** The chunks without rows that cannot be wanted, as far as leaving them out pays. */
export function narrowedChunks(
  chunks: readonly SourceChunk[],
  { range, predicate, columns }: MemoryWanted,
): SourceChunk[] {
  return chunks.flatMap((source) => {
    const { chunk, rows } = source;
    const verdicts = memoryVerdicts(predicate, chunk, rows);
    const inTime = refuseOutside(verdicts, chunk, rows, range);
    if (inTime === undefined) return [source];
    const kept = rowsWith(inTime, Math.floor(rows * copiedShareMax));
    return kept === undefined ? [source] : kept.length === 0 ? [] : [chosenRows(chunk, kept, columns)];
  });
}

/** Whether a range has the time of the row that came last: then rows to come are asked about as well. */
export function seesNewest(chunks: readonly SourceChunk[], { minNs, maxNs }: TimeRange): boolean {
  const newest = chunks.findLast(({ rows }) => rows > 0);
  if (newest === undefined) return false;
  const { signal, vectors } = newest.chunk;
  const times = vectors[columnIndex(signal, timeColumnOf[signal])] as FixedVector;
  const timeNs = times.bigints()[newest.rows - 1];
  return (minNs === undefined || minNs <= timeNs) && (maxNs === undefined || timeNs <= maxNs);
}

/** Copying more than this of a chunk takes longer than to have the engine go through it. */
const copiedShareMax = 1 / 4;

/** Rows that were found by place, in the order in which they came. */
export function chosenFrom(
  chunks: readonly SourceChunk[],
  found: readonly FoundRow[],
  columns: ReadonlySet<string> | undefined,
): SourceChunk[] {
  return chunks.flatMap(({ chunk }, at) => {
    const rows = found.filter(({ file }) => file === -1 - at).map(({ row }) => row);
    return rows.length === 0 ? [] : [chosenRows(chunk, Int32Array.from(rows).sort(), columns)];
  });
}

/** Some rows of a chunk as one of their own. @param rows by number, ascending */
function chosenRows(
  source: Chunk,
  rows: Int32Array,
  columns: ReadonlySet<string> | undefined,
): SourceChunk {
  const chunk = new Chunk(source.signal);
  const wanted = [...columnsOf[source.signal].entries()].filter(([, { name }]) =>
    columns === undefined || columns.has(name)
  );
  if (rows.length <= copiedSinglyMax) {
    for (const [at] of wanted) {
      for (const row of rows) appendValue(chunk.vectors[at], source.vectors[at], row);
    }
    chunk.rows = rows.length;
  } else {
    const slices = wanted.map(([at, { name }]) => [name, sliceVector(source.vectors[at], rows)] as const);
    appendSlices(chunk, rows.length, new Map(slices));
  }
  return { chunk, rows: rows.length };
}

/** Of more rows than these it pays to look up each value of a dictionary once. */
const copiedSinglyMax = 256;

/** Takes the verdict of rows outside of a range. */
function refuseOutside(
  verdicts: Uint8Array | undefined,
  chunk: Chunk,
  rows: number,
  { minNs, maxNs }: TimeRange,
): Uint8Array | undefined {
  if (minNs === undefined && maxNs === undefined || verdicts?.includes(1) === false) return verdicts;
  const { words } = chunk.vectors[columnIndex(chunk.signal, timeColumnOf[chunk.signal])] as FixedVector;
  const left = verdicts ?? new Uint8Array(rows).fill(1);
  const min = wordsOf(clampedTime(minNs ?? -(2n ** 63n))), max = wordsOf(clampedTime(maxNs ?? 2n ** 63n));
  for (let row = 0; row < rows; row++) {
    const low = words[row * 2] >>> 0, high = words[row * 2 + 1];
    const isBefore = high < min.high || high === min.high && low < min.low;
    if (isBefore || high > max.high || high === max.high && low > max.low) left[row] = 0;
  }
  return left;
}

function wordsOf(timeNs: bigint): { readonly low: number; readonly high: number } {
  return { low: Number(BigInt.asUintN(32, timeNs)), high: Number(BigInt.asIntN(32, timeNs >> 32n)) };
}

/** The rows with a verdict of 1; `undefined` where there are more than so many. */
function rowsWith(verdicts: Uint8Array, rowsMax: number): Int32Array | undefined {
  let count = 0;
  for (let row = 0; row < verdicts.length; row++) count += verdicts[row];
  if (count > rowsMax) return undefined;
  const rows = new Int32Array(count);
  for (let row = verdicts.indexOf(1), at = 0; row >= 0; row = verdicts.indexOf(1, row + 1)) rows[at++] = row;
  return rows;
}
