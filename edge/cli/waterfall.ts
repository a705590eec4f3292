/**
 * A trace as a waterfall: a line a span, its place in the tree at the left, its time as a bar to scale, how long it
 * took at the right. Events and logs stand under their span. Pure: rows in, text out.
 */
import { timestampNs } from "../../core/model/row.ts";
import type { JsonRow } from "../../core/search/page.ts";
import { levelOf } from "../../core/search/severity.ts";
import type { Style } from "./style.ts";
import { cutText, onOneLine, padEndTo, padStartTo, textWidth } from "./width.ts";

/** The document of `GET /api/v1/traces/{id}`. */
export interface TraceDocument {
  readonly trace_id: string;
  readonly start?: string;
  readonly duration_ns?: string;
  readonly services?: readonly string[];
  readonly errors?: number;
  readonly spans: readonly JsonRow[];
  readonly logs?: readonly JsonRow[];
}

export interface WaterfallOptions {
  readonly width: number;
  readonly events: boolean;
}

export function renderWaterfall(trace: TraceDocument, options: WaterfallOptions, style: Style): string {
  const { spans, logs = [] } = trace;
  if (spans.length === 0) {
    return `${headline(trace, style)}\n\n${logs.map((log) => looseLog(log, options.width, style)).join("")}`;
  }
  const layout = layoutOf(spans, options.width, options.events || logs.length > 0);
  const scale: Scale = {
    startNs: timestampNs(trace.start!),
    totalNs: Number(trace.duration_ns),
    cells: layout.bars,
  };
  const logsOf = Map.groupBy(logs, (log) => String(log.span_id));
  const lines = [headline(trace, style), "", axis(scale, layout, style)];
  const rails = railsOf(spans);
  const drawn = new Set<string>();
  for (const [at, span] of spans.entries()) {
    lines.push(spanLine(span, rails[at].before, scale, layout, style));
    const below = fitRails(rails[at].below, Number(span.depth), layout);
    const message = String(span.status_message);
    if (span.status_code === 2 && message !== "") {
      const room = layout.name + gap.length + roomBeside(layout) - textWidth(below);
      lines.push(noteLine(style.bad(cutText(onOneLine(message), room)), below, "", layout, style));
    }
    if (options.events) {
      for (const event of span.events as readonly JsonRow[]) {
        lines.push(eventLine(event, below, scale, layout, style));
      }
    }
    const id = String(span.span_id);
    if (drawn.has(id)) continue; // of two spans with one id the first has the logs
    drawn.add(id);
    for (const log of logsOf.get(id) ?? []) lines.push(logLine(log, below, scale, layout, style));
  }
  const loose = logs.filter((log) => !drawn.has(String(log.span_id)));
  if (loose.length > 0) {
    lines.push("", style.dim("logs of the trace that name none of these spans"));
    for (const log of loose) lines.push(logLine(log, "", scale, layout, style));
  }
  return `${lines.join("\n")}\n`;
}

/** `214 ms`, `12.4 ms`, `850 µs`, `1.25 s`, `2 min 3 s`. */
export function durationText(ns: number): string {
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  if (ns < 1e6) return `${significant(ns / 1e3)} µs`;
  if (ns < 1e9) return `${significant(ns / 1e6)} ms`;
  if (ns < 60e9) return `${significant(ns / 1e9)} s`;
  const seconds = Math.round(ns / 1e9);
  return seconds < 3_600
    ? `${Math.floor(seconds / 60)} min ${seconds % 60} s`
    : `${Math.floor(seconds / 3_600)} h ${Math.floor(seconds % 3_600 / 60)} min`;
}

/** Three digits that say something; never a fourth. */
function significant(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Columns of each part of a line. */
interface Layout {
  readonly service: number;
  readonly name: number;
  readonly bars: number;
  readonly duration: number;
}

interface Scale {
  readonly startNs: bigint;
  readonly totalNs: number;
  readonly cells: number;
}

const gap = "  ";

const noteWidthMin = 28;

/** @param hasNotes whether lines stand under spans, which need room for their name and time */
function layoutOf(spans: readonly JsonRow[], width: number, hasNotes: boolean): Layout {
  const room = Math.max(48, width - 1); // the last column stays free: some terminals wrap when it is written
  const duration = Math.max(...spans.map((span) => textWidth(durationText(Number(span.duration_ns)))));
  const widest = (of: (span: JsonRow) => number, most: number) =>
    Math.min(most, Math.max(4, ...spans.map(of)));
  const service = widest((span) => textWidth(String(span.service_name)), room >= 100 ? 20 : 14);
  const left = room - service - duration - gap.length * 3;
  const name = Math.max(
    Math.min(hasNotes ? noteWidthMin : 0, Math.floor(left * 0.6)),
    widest(
      (span) => Math.min(Number(span.depth), depthShown(left)) * 2 + textWidth(String(span.name)) + 3,
      Math.floor(left * 0.5),
    ),
  );
  return { service, name, bars: left - name, duration };
}

/** Levels of the tree that are drawn; deeper ones are told by number. */
function depthShown(left: number): number {
  return Math.floor(left * 0.5 / 4);
}

function headline(trace: TraceDocument, style: Style): string {
  const { spans, services = [], errors = 0, logs } = trace;
  const count = (number: number, one: string, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
  const parts = [
    ...(trace.start === undefined ? [] : [trace.start.replace("T", " ").slice(0, 23)]),
    ...(trace.duration_ns === undefined ? [] : [style.bold(durationText(Number(trace.duration_ns)))]),
    count(spans.length, "span"),
    count(services.length, "service"),
    ...(errors > 0 ? [style.bad(count(errors, "error"))] : []),
    ...(logs === undefined ? [] : [count(logs.length, "log")]),
  ];
  return `${style.dim("trace")} ${style.bold(trace.trace_id)}\n${parts.join(style.dim(" · "))}`;
}

/** Times at the start, the quarters and the end, as far as there is room for them. */
function axis(scale: Scale, layout: Layout, style: Style): string {
  const parts = scale.cells >= 60 ? 4 : scale.cells >= 30 ? 2 : 1;
  let line = "";
  for (let part = 0; part <= parts; part++) {
    const text = part === 0 ? "0" : durationText(scale.totalNs * part / parts);
    const at = Math.round(scale.cells * part / parts);
    const from = part === parts
      ? scale.cells - textWidth(text)
      : part === 0
      ? 0
      : at - Math.floor(textWidth(text) / 2);
    line = padEndTo(line, from) + text;
  }
  return style.dim(" ".repeat(layout.service + layout.name + gap.length * 2) + line);
}

interface Rails {
  /** What stands before the span's name. */
  readonly before: string;
  /** What stands before lines under it. */
  readonly below: string;
}

/** Levels of the tree beyond these are not drawn: no column is wide enough. */
const levelsMax = 100;

/** The lines of the tree at each span; from the last span back it is known whether a branch goes on below. */
function railsOf(spans: readonly JsonRow[]): Rails[] {
  const goesOn: boolean[] = [];
  const rails: Rails[] = [];
  for (let at = spans.length - 1; at >= 0; at--) {
    const depth = Number(spans[at].depth);
    const outer = Array.from(
      { length: Math.max(0, Math.min(levelsMax, depth - 1)) },
      (_, level) => goesOn[level + 1] === true ? "│ " : "  ",
    ).join("");
    const isLast = goesOn[depth] !== true;
    const hasChildren = at + 1 < spans.length && Number(spans[at + 1].depth) > depth;
    rails[at] = {
      before: outer + (depth === 0 ? "" : isLast ? "└─" : "├─"),
      below: outer + (depth === 0 ? "" : isLast ? "  " : "│ ") + (hasChildren ? "│ " : "  "),
    };
    goesOn.length = depth;
    goesOn[depth] = true;
  }
  return rails;
}

function spanLine(span: JsonRow, rails: string, scale: Scale, layout: Layout, style: Style): string {
  const service = String(span.service_name);
  const isError = span.status_code === 2;
  const before = fitRails(rails, Number(span.depth), layout);
  const mark = isError ? "✗ " : span.orphan === true ? "? " : "";
  const name = cutText(onOneLine(String(span.name)), layout.name - textWidth(before) - mark.length - 1);
  const fill = " ".repeat(Math.max(0, layout.name - textWidth(before) - mark.length - textWidth(name)));
  const startNs = Number(timestampNs(String(span.start_timestamp)) - scale.startNs);
  const bar = barOf(startNs, Math.max(0, Number(span.duration_ns)), scale);
  const paint = isError ? style.bad : (text: string) => style.service(service, text);
  return style.service(service, padEndTo(cutText(onOneLine(service), layout.service), layout.service)) + gap +
    style.dim(before) + style.bad(isError ? mark : "") + style.warning(isError ? "" : mark) +
    (isError ? style.bad(name) : name) + fill + gap +
    " ".repeat(bar.offset) + paint(bar.text) +
    " ".repeat(Math.max(0, scale.cells - bar.offset - textWidth(bar.text))) +
    gap + padStartTo(durationText(Number(span.duration_ns)), layout.duration);
}

/** A tree that is too deep for its column ends in the span's depth. */
function fitRails(before: string, depth: number, layout: Layout): string {
  const most = Math.floor(layout.name / 2);
  if (before.length <= most) return before;
  const tail = `…${depth} `;
  return before.slice(0, Math.max(0, most - tail.length)) + tail;
}

/** A bar in halves of a cell; what is shorter than one is one. */
export function barOf(
  startNs: number,
  durationNs: number,
  { totalNs, cells }: Scale,
): { offset: number; text: string } {
  const halves = cells * 2;
  const place = (ns: number) => totalNs === 0 ? 0 : ns / totalNs * halves;
  const from = Math.min(halves - 1, Math.max(0, Math.round(place(startNs))));
  const to = Math.min(halves, Math.max(from + 1, Math.round(place(startNs + durationNs))));
  let text = "";
  for (let cell = Math.floor(from / 2); cell * 2 < to; cell++) {
    const left = cell * 2 >= from && cell * 2 < to, right = cell * 2 + 1 >= from && cell * 2 + 1 < to;
    text += left && right ? "█" : left ? "▌" : "▐";
  }
  return { offset: Math.floor(from / 2), text };
}

function eventLine(event: JsonRow, below: string, scale: Scale, layout: Layout, style: Style): string {
  const attributes = Object.entries((event.attributes ?? {}) as Record<string, unknown>);
  // The short ones first: a stack trace would leave no room for what it is of.
  const values = attributes.map(([key, value]) => `${key}=${value}`)
    .sort((left, right) => left.length - right.length).join(" ");
  const left = cutText(
    `◆ ${onOneLine(String(event.name))} ${offsetText(event.timestamp, scale)}`,
    layout.name - below.length,
  );
  const painted = event.name === "exception" ? style.bad(left) : left;
  return noteLine(painted, below, style.dim(cutText(onOneLine(values), roomBeside(layout))), layout, style);
}

function logLine(log: JsonRow, below: string, scale: Scale, layout: Layout, style: Style): string {
  const level = levelOf(Number(log.severity_number));
  const label = (level === "unset" ? "log" : level.toUpperCase()).padEnd(5);
  const offset = cutText(` ${offsetText(log.timestamp, scale)}`, layout.name - below.length - label.length);
  const body = cutText(onOneLine(String(log.body ?? "")), roomBeside(layout));
  return noteLine(style.level(level, label) + style.dim(offset), below, body, layout, style);
}

/** `+12.3 ms` since the trace's start. */
function offsetText(time: unknown, { startNs }: Scale): string {
  if (typeof time !== "string") return "";
  const ns = Number(timestampNs(time) - startNs);
  return `${ns < 0 ? "-" : "+"}${durationText(Math.abs(ns))}`;
}

/** Columns of the bars and the durations together. */
function roomBeside({ bars, duration }: Layout): number {
  return bars + gap.length + duration;
}

/** A line under a span. @param text painted already, at most as wide as the column; `beside` too */
function noteLine(text: string, below: string, beside: string, layout: Layout, style: Style): string {
  const used = Bun.stringWidth(text) + textWidth(below);
  const line = " ".repeat(layout.service) + gap + style.dim(below) + text +
    " ".repeat(Math.max(0, layout.name - used)) + gap + beside;
  return line.trimEnd();
}

function looseLog(log: JsonRow, width: number, style: Style): string {
  const level = levelOf(Number(log.severity_number));
  const head = `${String(log.timestamp).replace("T", " ").slice(0, 23)} `;
  const body = cutText(onOneLine(String(log.body ?? "")), width - head.length - 8);
  return `${style.dim(head)}${style.level(level, level.toUpperCase().padEnd(5))} ${body}\n`;
}
