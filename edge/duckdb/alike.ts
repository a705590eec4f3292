/**
 * Files of which the same is read stand in one list, each other read is a select of its own.
 *
 * A select takes a millisecond to plan and 250 KiB until the statement ends, for DuckDB 1.5 lets go of a scan with the
 * pipeline it stands in: a text that a block of each of 720 hours has took 200 MiB by 720 selects, more than a statement
 * gets of 512 MiB, and 30 in 17 lists.
 */
import type { FileRead, RowRange } from "../../core/query/engine.ts";

/** Files by position, of which the same is read. */
export interface AlikeReads {
  readonly files: readonly number[];
  /** `undefined` is all rows. */
  readonly rows: readonly RowRange[] | undefined;
}

/**
 * The reads, alike ones together: every row of them once. Where too many are left, the ranges of a file are read apart:
 * as blocks of some thousand rows they are few different ones, their combinations are many.
 */
export function alikeReads(files: readonly FileRead[]): AlikeReads[] {
  const byFile = gathered(files, (rows) => [rows]);
  if (byFile.length <= selectsMax) return byFile;
  const byRange = gathered(files, rangesApart);
  return byRange.length < byFile.length ? byRange : byFile;
}

function gathered(
  files: readonly FileRead[],
  parts: (rows: readonly RowRange[]) => readonly (readonly RowRange[])[],
): AlikeReads[] {
  const groups = new Map<
    string,
    { readonly files: number[]; readonly rows: readonly RowRange[] | undefined }
  >();
  const add = (index: number, kind: string, rows: readonly RowRange[] | undefined) => {
    const key = `${kind} ${rows === undefined ? "all" : rows.map(rangeName).join(",")}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { files: [index], rows });
    else group.files.push(index);
  };
  for (const [index, { rows, timeNs, isInWindow }] of files.entries()) {
    const kind = timeNs !== undefined ? "time known" : isInWindow === true ? "in window" : "";
    if (rows === undefined) add(index, kind, undefined);
    else for (const part of parts(rows)) add(index, kind, part);
  }
  return [...groups.values()];
}

/** Each range alone, and what are single rows together. */
function rangesApart(rows: readonly RowRange[]): RowRange[][] {
  const single = rows.filter((range) => rowsOf(range) === 1);
  const ranges = rows.filter((range) => rowsOf(range) > 1).map((range) => [range]);
  return single.length === 0 ? ranges : [single, ...ranges];
}

/** Equal for ranges that are the same condition of any file: the end of a file is one, wherever it is. */
function rangeName({ from, end, isToEnd }: RowRange): string {
  return isToEnd === true ? `${from}-` : `${from}-${end}`;
}

function rowsOf({ from, end }: RowRange): number {
  return end - from;
}

/** Selects of one table, of which more are spared where reading a file twice does it. */
const selectsMax = 64;
