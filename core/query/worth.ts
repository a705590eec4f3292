/**
 * Whether it is worth to leave out blocks of a file: what that spares, against what ranges of rows cost, which are a
 * subquery of their own. Figures are of two cores (docs/decisions/007); they decide about time alone.
 */
import { columnsOf, type ColumnType, type Signal } from "../model/columns.ts";

/** A subquery for ranges of rows of one file; less where other files have the same ranges (edge/duckdb/alike.ts). */
const subqueryMs = 0.8;

/** Scanning a block of one column. */
const scanMs: Readonly<Partial<Record<ColumnType["kind"], number>>> = {
  utf8: 0.4,
  map: 1.5,
  list: 1,
  struct: 1,
};
/** Of numbers, times, and what a dictionary shares. */
const narrowScanMs = 0.05;

/** About how long a block of these columns takes to scan. @param columns `undefined` for all */
export function blockScanMs(signal: Signal, columns: ReadonlySet<string> | undefined): number {
  return columnsOf[signal].filter(({ name }) => columns === undefined || columns.has(name))
    .reduce((sum, { type }) => sum + (scanMs[type.kind] ?? narrowScanMs), 0);
}

/** Whether reading these blocks of a file alone spares more than it costs. */
export function isWorthRanges(blocksLeft: number, blocks: number, blockMs: number): boolean {
  return (blocks - blocksLeft) * blockMs > subqueryMs;
}
