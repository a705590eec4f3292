/**
 * What an answer could see: the time range, the tiers that it was read from, and what is missing of them.
 *
 * An answer is *partial* when a segment that belongs to it cannot be read, or when a limit that nobody asked for cut
 * its rows off. Both are said in each form of answer, so that nothing incomplete looks whole.
 */
import { isoTimestamp } from "../model/row.ts";
import type { Signal } from "../model/columns.ts";
import { pruneFiles, type TimeRange } from "./bounds.ts";
import type { Json } from "./format.ts";
import { type SourceFile, type TableSource, totalsOf } from "./sources.ts";

/** A segment that the manifest names and that cannot be read. */
export interface MissingSegment extends SourceFile {
  readonly id: string;
  readonly signal: Signal;
  readonly why: string;
}

export interface Coverage {
  /** The earliest time that could be seen: asked for, or that of the oldest segment; `undefined` where there is none. */
  readonly sinceNs?: bigint;
  /** The latest time that was asked for; without one everything up to now. */
  readonly untilNs?: bigint;
  readonly segments: number;
  readonly memtableRows: number;
  readonly missing: readonly MissingSegment[];
}

/**
 * @param tables what was pinned for the tables that the statement names
 * @param missing of the same tenant; those of other tables, or outside the window, take nothing from the answer
 */
export function coverageOf(
  tables: readonly TableSource[],
  window: TimeRange,
  missing: readonly MissingSegment[],
): Coverage {
  const seen = tables.map((table) => seenOf(table, window));
  const signals = new Set(tables.map(({ signal }) => signal));
  return {
    sinceNs: window.minNs ?? leastOf(seen.map(({ oldestNs }) => oldestNs)),
    untilNs: window.maxNs,
    segments: seen.reduce((sum, { files }) => sum + files, 0),
    memtableRows: tables.flatMap(({ chunks }) => chunks).reduce((sum, { rows }) => sum + rows, 0),
    missing: pruneFiles(missing.filter(({ signal }) => signals.has(signal)), window) as MissingSegment[],
  };
}

/** Files of a table within the window, and the least of their times. */
function seenOf(table: TableSource, window: TimeRange): { files: number; oldestNs?: bigint } {
  const isOpen = window.minNs === undefined && window.maxNs === undefined;
  const files = isOpen ? table.files : pruneFiles(table.files, window);
  // Where a time is asked for it is told, and not the oldest one.
  const oldestNs = window.minNs === undefined
    ? (isOpen && table.totals || totalsOf(files)).oldestNs
    : undefined;
  return { files: files.length, ...(oldestNs === undefined ? {} : { oldestNs }) };
}

function leastOf(times: readonly (bigint | undefined)[]): bigint | undefined {
  return times.reduce(
    (least, time) => time !== undefined && (least === undefined || time < least) ? time : least,
    undefined,
  );
}

/** What several statements of one answer could see together. */
export function joinCoverage(parts: readonly Coverage[]): Coverage {
  const least = (times: readonly (bigint | undefined)[]) =>
    times.reduce((best, time) => best === undefined || time === undefined || time < best ? time : best);
  const missing = new Map(parts.flatMap((part) => part.missing.map((each) => [each.id, each] as const)));
  return {
    sinceNs: least(parts.map(({ sinceNs }) => sinceNs)),
    untilNs: parts.some(({ untilNs }) => untilNs === undefined)
      ? undefined
      : parts.map(({ untilNs }) => untilNs!).reduce((most, time) => time > most ? time : most),
    segments: Math.max(...parts.map(({ segments }) => segments)),
    memtableRows: Math.max(...parts.map(({ memtableRows }) => memtableRows)),
    missing: [...missing.values()],
  };
}

/** As it stands in a JSON answer. @param limited which limit cut rows off */
export function coverageJson(coverage: Coverage, limited: "rows" | "bytes" | undefined): Json {
  return {
    since: timeJson(coverage.sinceNs),
    until: timeJson(coverage.untilNs),
    tiers: { memory: { rows: coverage.memtableRows }, hot: { segments: coverage.segments } },
    missing: coverage.missing.map(({ id, signal, rows, minTimeNs, maxTimeNs, why }) => ({
      segment: id,
      signal,
      rows,
      since: timeJson(minTimeNs),
      until: timeJson(maxTimeNs),
      why,
    })),
    limited: limited ?? false,
  };
}

/** What is missing, in words for a person. */
export function coverageWarnings({ missing }: Coverage): string[] {
  return missing.map(({ why }) => `a segment is missing from this answer: ${why}`);
}

function timeJson(ns: bigint | undefined): string | null {
  return ns === undefined ? null : isoTimestamp(ns);
}
