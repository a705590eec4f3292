/**
 * Records as lines that a person reads: time, level, service and text in columns, what was searched for marked.
 * A day is told once, where it begins; where nobody looks at a terminal, each line has its whole time instead.
 */
import type { JsonRow } from "../../core/search/page.ts";
import { type Level, levelOf } from "../../core/search/severity.ts";
import { type Finder, finderOf, patternsOf, type TextRange } from "../../core/text/find.ts";
import { parseMatchQuery } from "../../core/text/query.ts";
import type { Style } from "./style.ts";
import { cutText, onOneLine, padEndTo, textWidth, wrapText } from "./width.ts";
import { durationText } from "./waterfall.ts";

export interface RecordLook {
  readonly style: Style;
  /** Whether the time of a line is that of the day, which stands above it. */
  readonly shortTimes: boolean;
  /** Whether a sign before each record tells what was found from what is around it. */
  readonly gutter: boolean;
  /** Whether attributes stand under each record. */
  readonly attributes: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  readonly finders: readonly Finder[];
}

/** Finders of what a query looks for, to mark it. @throws OpenWitError `invalid_argument` */
export function findersOf(query: string | undefined): Finder[] {
  const text = query?.trim() ?? "";
  return text === "" || text === "*" ? [] : patternsOf(parseMatchQuery(text)).map(finderOf);
}

/** Renders records one by one, in the order in which they are shown. */
export class RecordPrinter {
  #day = "";
  #serviceWidth = 8;

  constructor(readonly look: RecordLook) {}

  /** Makes room for the names of the services to come. */
  expect(rows: readonly JsonRow[]): void {
    const widest = rows.reduce((most, row) => Math.max(most, textWidth(serviceOf(row))), this.#serviceWidth);
    this.#serviceWidth = Math.min(serviceWidthMax, widest);
  }

  /** @param isContext whether it stands there only for what is around it */
  lines(row: JsonRow, isContext = false): string {
    const { style, shortTimes } = this.look;
    const time = timeOf(row);
    let text = "";
    if (shortTimes && time.slice(0, 10) !== this.#day) {
      this.#day = time.slice(0, 10);
      text += style.dim(`── ${this.#day} UTC ──\n`);
    }
    const shown = shortTimes ? time.slice(11, 23) : time;
    const service = cutText(onOneLine(serviceOf(row)), this.#serviceWidth);
    const head = [shown, ...labelsOf(row), padEndTo(service, this.#serviceWidth)].join("  ") + "  ";
    const body = textOf(row);
    const gutter = !this.look.gutter ? "" : isContext ? "  " : "▶ ";
    const indent = textWidth(gutter + head);
    const paintedHead = `${style.warning(gutter)}${style.dim(shown)}  ${
      labelsOf(row).map((label) => paintLabel(row, label, style) + "  ").join("")
    }${style.service(serviceOf(row), padEndTo(service, this.#serviceWidth))}  `;
    const lines = body.split(/\r\n|\r|\n/).flatMap((line) =>
      this.#bodyLines(onOneLine(line), indent, isContext)
    );
    text += `${paintedHead}${lines.join(`\n${" ".repeat(indent)}`)}\n`;
    if (this.look.attributes) text += this.#attributes(row, indent);
    return text;
  }

  /** On a terminal long lines are broken so that they stay in their column; elsewhere they are whole. */
  #bodyLines(line: string, indent: number, isContext: boolean): string[] {
    const { style, shortTimes, width, finders } = this.look;
    const found = isContext ? [] : placesOf(line, finders, style);
    const isWrapped = shortTimes && width - indent >= bodyWidthMin;
    return (isWrapped ? wrapText(line, width - indent - 1) : [{ start: 0, end: line.length }]).map((part) =>
      isContext ? style.dim(line.slice(part.start, part.end)) : markRanges(line, part, found, style)
    );
  }

  #attributes(row: JsonRow, indent: number): string {
    const entries = Object.entries((row.attributes ?? {}) as Record<string, unknown>);
    const ids = ["trace_id", "span_id"].filter((name) => row[name]).map((name) => [name, row[name]] as const);
    const parts = [...entries, ...ids].map(([key, value]) => onOneLine(`${key}=${value}`));
    if (parts.length === 0) return "";
    const room = Math.max(40, this.look.width - indent);
    const lines: string[] = [];
    for (const part of parts) {
      const last = lines.at(-1);
      if (last !== undefined && textWidth(last) + 2 + textWidth(part) <= room) {
        lines[lines.length - 1] = `${last}  ${part}`;
      } else lines.push(part);
    }
    return lines.map((line) => `${" ".repeat(indent)}${this.look.style.dim(line)}\n`).join("");
  }
}

const serviceWidthMax = 20;

/** Narrower columns are left to the terminal to break. */
const bodyWidthMin = 36;

/** Every place that a finder finds, from left to right; places that overlap are one. */
function placesOf(text: string, finders: readonly Finder[], style: Style): TextRange[] {
  if (!style.isOn || finders.length === 0) return [];
  const merged: TextRange[] = [];
  const all = finders.flatMap((finder) => finder.all(text)).sort((left, right) => left.start - right.start);
  for (const range of all) {
    const last = merged.at(-1);
    if (last !== undefined && range.start <= last.end) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
    } else merged.push(range);
  }
  return merged;
}

/** A part of a text with the places in it marked. */
function markRanges(text: string, part: TextRange, places: readonly TextRange[], style: Style): string {
  let marked = "", at = part.start;
  for (const { start, end } of places) {
    const from = Math.max(at, start), to = Math.min(part.end, end);
    if (from >= to) continue;
    marked += text.slice(at, from) + style.found(text.slice(from, to));
    at = to;
  }
  return marked + text.slice(at, part.end);
}

/** A hit with what is around it, oldest first; `isHit` tells them apart. */
export interface ContextLine {
  readonly row: JsonRow;
  readonly isHit: boolean;
}

/**
 * Groups of lines to show with a rule between them: records of one process whose surroundings touch are one group,
 * and no line stands twice in it.
 * @param hits with `before` and `after`, in the order of the search
 */
export function contextGroups(hits: readonly JsonRow[]): ContextLine[][] {
  const groups: { lines: Map<string, ContextLine>; stream: string }[] = [];
  for (const { before, after, ...hit } of hits) {
    const lines = [
      ...((before ?? []) as readonly JsonRow[]).map((row) => ({ row, isHit: false })),
      { row: hit, isHit: true },
      ...((after ?? []) as readonly JsonRow[]).map((row) => ({ row, isHit: false })),
    ];
    const keyed = lines.map((line) => [JSON.stringify(line.row), line] as const);
    const stream = `${hit.service_name}\n${hit.resource_attributes}`;
    const last = groups.at(-1);
    if (last?.stream === stream && keyed.some(([key]) => last.lines.has(key))) {
      for (const [key, line] of keyed) if (line.isHit || !last.lines.has(key)) last.lines.set(key, line);
    } else groups.push({ lines: new Map(keyed), stream });
  }
  return groups.map(({ lines }) =>
    [...lines.values()].sort((left, right) =>
      timeOf(left.row) < timeOf(right.row) ? -1 : timeOf(left.row) > timeOf(right.row) ? 1 : 0
    )
  );
}

function timeOf(row: JsonRow): string {
  return String(row.timestamp ?? row.start_timestamp);
}

function serviceOf(row: JsonRow): string {
  return String(row.service_name ?? "");
}

/** Level of a log, duration of a span. */
function labelsOf(row: JsonRow): string[] {
  if (row.body !== undefined) return [levelText(row).padEnd(5)];
  if (row.duration_ns !== undefined) return [durationText(Number(row.duration_ns)).padStart(8)];
  return [];
}

function paintLabel(row: JsonRow, label: string, style: Style): string {
  if (row.body !== undefined) return style.level(levelNamed(row), label);
  return row.status_code === 2 ? style.bad(label) : label;
}

function textOf(row: JsonRow): string {
  if (row.body !== undefined) return String(row.body ?? row.event_name ?? "");
  if (row.duration_ns !== undefined) {
    return `${row.name}${row.status_code === 2 ? `  ✗ ${row.status_message}` : ""}  ${row.trace_id}`;
  }
  return `${row.metric_name} ${row.value ?? row.sum ?? ""} ${row.unit}`;
}

/** The level by its number; as the source wrote it where there is no number. */
function levelText(row: JsonRow): string {
  const level = levelNamed(row);
  return level === "unset" ? cutText(onOneLine(String(row.severity_text || "-")), 5) : level.toUpperCase();
}

function levelNamed(row: JsonRow): Level {
  return levelOf(Number(row.severity_number));
}
