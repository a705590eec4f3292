/** What the bench of needles measured of a query, as a line of its table. */
import type { BesideTimes } from "./beside.ts";
import type { NeedleQuery } from "./needle-queries.ts";

/** Milliseconds. */
export interface Times {
  readonly p50: number;
  readonly p95: number;
}

export interface Measured {
  readonly name: string;
  readonly rows: number;
  /** The scan's median. */
  readonly plainMs: number;
  readonly ours: Times;
  /** With records arriving and without, by turns. */
  readonly byTurns?: BesideTimes;
  readonly wanted?: NeedleQuery["wanted"];
}

export const needlesHeading: string = columns([
  "query",
  "rows",
  "scan ms",
  "ms",
  "p95",
  "ratio",
  "wanted",
  "",
  "quiet, beside ms",
]);

export function needleRow(query: Measured): string {
  const { name, rows, plainMs, ours, byTurns, wanted } = query;
  return columns([
    name,
    whole(rows),
    plainMs.toFixed(1),
    ours.p50.toFixed(1),
    ours.p95.toFixed(1),
    `${(plainMs / ours.p50).toFixed(1)}×`,
    wantedText(wanted),
    isHeld(query) ? "held" : "MISSED",
    byTurns === undefined ? "" : besideText(byTurns),
  ]);
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Nothing may be slower than the scan by more than a tenth, whatever else is wanted. */
export function isHeld({ plainMs, ours, wanted }: Measured): boolean {
  const ratio = plainMs / ours.p50;
  return ratio >= (wanted?.ratio ?? 0) && ours.p50 <= (wanted?.ms ?? Infinity) && ratio >= 1 / 1.1;
}

function wantedText(wanted: NeedleQuery["wanted"]): string {
  if (wanted?.ratio !== undefined) return `${wanted.ratio}×`;
  return wanted?.ms !== undefined ? `${wanted.ms} ms` : "0.9×";
}

function besideText({ quiet, beside }: BesideTimes): string {
  const ratio = beside.p50 / quiet.p50;
  return `${quiet.p50.toFixed(1)}, ${beside.p50.toFixed(1)} (${ratio.toFixed(1)}×)`;
}

function columns([name, ...cells]: readonly string[]): string {
  const widths = [7, 10, 9, 9, 9, 9, 7, 22];
  return `${name.padEnd(28)}${cells.map((cell, at) => cell.padStart(widths[at])).join("")}`.trimEnd();
}
