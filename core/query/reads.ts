/** What is read of files (engine.ts): how much it is, and reads of exactly the rows that were found. */
import { blockRows } from "../segment/encoder.ts";
import type { FileRead, RowRange } from "./engine.ts";
import type { FoundRow } from "./find.ts";
import type { SourceFile } from "./sources.ts";

/** Blocks that are read. */
export function blocksRead(reads: readonly FileRead[], files: readonly SourceFile[]): number {
  const byPath = filesOf(reads, files);
  return reads.reduce((sum, { path, rows }) => {
    if (rows === undefined) return sum + Math.ceil(byPath.get(path)!.rows / blockRows);
    return sum + rows.reduce((blocks, { from, end }) => blocks + Math.ceil((end - from) / blockRows), 0);
  }, 0);
}

/** The files that are read, which are few of them. */
export function filesOf(
  reads: readonly FileRead[],
  files: readonly SourceFile[],
): ReadonlyMap<string, SourceFile> {
  const paths = new Set(reads.map(({ path }) => path));
  return new Map(files.filter(({ path }) => paths.has(path)).map((file) => [file.path, file]));
}

/** About how many bytes of the files that are, all columns of them. */
export function encodedBytes(reads: readonly FileRead[], files: readonly SourceFile[]): number {
  const byPath = filesOf(reads, files);
  return reads.reduce((sum, { path, rows }) => {
    const file = byPath.get(path)!;
    if (rows === undefined) return sum + file.bytes;
    const blocks = new Set(
      rows.flatMap(({ from, end }) => [Math.floor(from / blockRows), Math.floor((end - 1) / blockRows)]),
    );
    const share = Math.min(1, Math.max(blocks.size, rowsIn(rows) / blockRows) * blockRows / file.rows);
    return sum + Math.round(file.bytes * share);
  }, 0);
}

export function rowsIn(ranges: readonly RowRange[]): number {
  return ranges.reduce((sum, { from, end }) => sum + end - from, 0);
}

/** The rows by number. */
export function numbersOf(ranges: readonly RowRange[]): Int32Array {
  const rows = new Int32Array(rowsIn(ranges));
  let at = 0;
  for (const { from, end } of ranges) for (let row = from; row < end; row++) rows[at++] = row;
  return rows;
}

/** Reads of exactly these rows. @param paths of the files that they name by position */
export function exactReads(paths: readonly string[], found: readonly FoundRow[]): FileRead[] {
  const byFile = new Map<number, number[]>();
  for (const { file, row } of found) {
    const rows = byFile.get(file);
    if (rows === undefined) byFile.set(file, [row]);
    else rows.push(row);
  }
  return [...byFile].map(([file, rows]) => ({ path: paths[file], rows: rangesOf(rows) }));
}

function rangesOf(rows: readonly number[]): RowRange[] {
  const ranges: { from: number; end: number }[] = [];
  for (const row of rows.toSorted((left, right) => left - right)) {
    const last = ranges.at(-1);
    if (last?.end === row) last.end++;
    else ranges.push({ from: row, end: row + 1 });
  }
  return ranges;
}
