/**
 * The spans of a trace as a tree, each exactly once, whatever is wrong with their parents: a span whose parent is not
 * there is a root of its own (an orphan), a span id that comes twice keeps both, a circle is cut where it is met.
 */
import { OpenWitError } from "../error.ts";
import { timestampNs } from "../model/row.ts";
import type { BuiltStatement } from "./bindings.ts";
import type { JsonRow } from "./page.ts";

/** Most spans of a trace that are answered; also of its logs. */
export const traceRowsMax = 20_000;

export interface TraceSpan {
  readonly row: JsonRow;
  /** 0 for a root. */
  readonly depth: number;
  /** Whether it names a parent that is not in the trace. */
  readonly isOrphan: boolean;
  /** Nanoseconds since the trace's start. */
  readonly offsetNs: bigint;
}

export interface Trace {
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** In the order of the tree: a parent, then its children by their start. */
  readonly spans: readonly TraceSpan[];
}

/** @throws OpenWitError `invalid_argument` */
export function parseTraceId(text: string): string {
  const id = text.toLowerCase();
  if (/^[0-9a-f]{32}$/.test(id) && !/^0+$/.test(id)) return id;
  throw new OpenWitError("invalid_argument", `${JSON.stringify(text.slice(0, 80))} is no trace id`, {
    hint: "a trace id has 32 hexadecimal digits, not all of them 0",
  });
}

export function spansStatement(traceId: string): BuiltStatement {
  return {
    sql: "SELECT * FROM spans WHERE trace_id = $1",
    params: [traceId],
    limit: traceRowsMax,
  };
}

export function traceLogsStatement(traceId: string): BuiltStatement {
  return {
    sql: "SELECT * FROM logs WHERE trace_id = $1 ORDER BY timestamp",
    params: [traceId],
    limit: traceRowsMax,
  };
}

/** @param rows at least one span */
export function traceOf(rows: readonly JsonRow[]): Trace {
  const spans = rows.map((row) => ({ row, startNs: startOf(row), id: String(row.span_id) }))
    .sort((left, right) =>
      left.startNs < right.startNs ? -1 : left.startNs > right.startNs ? 1 : left.id < right.id ? -1 : 1
    );
  const ids = new Set(spans.map(({ id }) => id));
  const childrenOf = Map.groupBy(spans, ({ row }) => String(row.parent_span_id));
  const startNs = spans[0].startNs;
  const ordered: TraceSpan[] = [];
  const placed = new Set<JsonRow>();
  const expanded = new Set<string>();
  // A stack and no recursion: a trace may be a chain of thousands.
  const place = (root: typeof spans[number], isOrphan: boolean) => {
    const stack = [{ span: root, depth: 0 }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { span, depth } = next;
      if (placed.has(span.row)) continue;
      placed.add(span.row);
      ordered.push({
        row: span.row,
        depth,
        isOrphan: isOrphan && depth === 0,
        offsetNs: span.startNs - startNs,
      });
      if (expanded.has(span.id)) continue; // of two spans with one id the first has the children
      expanded.add(span.id);
      for (const child of (childrenOf.get(span.id) ?? []).toReversed()) {
        stack.push({ span: child, depth: depth + 1 });
      }
    }
  };
  for (const span of spans) {
    const parent = String(span.row.parent_span_id);
    if (parent === "" || !ids.has(parent)) place(span, parent !== "");
  }
  for (const span of spans) if (!placed.has(span.row)) place(span, true); // circles have no root
  const endNs = spans.reduce((most, { row }) => endOf(row) > most ? endOf(row) : most, startNs);
  return { startNs, endNs, spans: ordered };
}

function startOf(row: JsonRow): bigint {
  return timestampNs(String(row.start_timestamp));
}

function endOf(row: JsonRow): bigint {
  const durationNs = BigInt(String(row.duration_ns));
  return startOf(row) + (durationNs > 0n ? durationNs : 0n);
}
