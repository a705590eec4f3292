/**
 * `GET /api/v1/tail`: records as they become durable, as server-sent events (WHATWG HTML, "text/event-stream").
 *
 * Parameters: `signal` (logs, spans, metrics), `service`, `severity` (least severity number), `grep` (text in the
 * body, span or metric name). Events: `row` with one JSON row; `dropped` with how many rows a slow reader missed.
 */
import { Hono } from "hono";
import { OpenWitError } from "../../core/error.ts";
import { parseTenant } from "../../core/tenant.ts";
import type { Chunk } from "../../core/model/chunk.ts";
import { columnIndex, type Signal } from "../../core/model/columns.ts";
import { rowOf } from "../../core/model/row.ts";
import type { DictionaryVector, FixedVector, Utf8Vector } from "../../core/model/vector.ts";
import type { Node } from "../server/node.ts";
import { parseSignal, textColumnOf } from "./signal.ts";

/** Events that may wait for a slow reader; what comes while they do is counted, not kept. */
const waitingMax = 10_000;

/** A comment is sent this often, so that a connection which is gone is noticed. */
const heartbeatMs = 15_000;

export interface TailFilter {
  readonly service?: string;
  readonly severityMin?: number;
  readonly grep?: string;
}

export function tailRoutes(node: Node): Hono {
  const app = new Hono();
  app.get("/api/v1/tail", (context) => {
    const signal = parseSignal(context.req.query("signal") ?? "logs");
    const tenant = parseTenant(context.req.header("X-Scope-OrgID"));
    const severity = context.req.query("severity");
    if (severity !== undefined && !/^\d{1,2}$/.test(severity)) {
      throw new OpenWitError("invalid_argument", `severity is ${severity}; expected a number from 0 to 24`);
    }
    const filter: TailFilter = {
      service: context.req.query("service"),
      severityMin: severity === undefined ? undefined : Number(severity),
      grep: context.req.query("grep"),
    };
    return new Response(eventStream(node, tenant, signal, filter), {
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" },
    });
  });
  return app;
}

/** Whether a row passes a filter: read from the vectors, so that most rows are never made objects. */
export function passes(filter: TailFilter, chunk: Chunk, row: number): boolean {
  const vector = (name: string) => chunk.vectors[columnIndex(chunk.signal, name)];
  if (
    filter.service !== undefined && (vector("service_name") as DictionaryVector).text(row) !== filter.service
  ) {
    return false;
  }
  if (filter.severityMin !== undefined && chunk.signal === "logs") {
    if ((vector("severity_number") as FixedVector).words[row] < filter.severityMin) return false;
  }
  if (filter.grep !== undefined) {
    return ((vector(textColumnOf[chunk.signal]) as Utf8Vector | DictionaryVector).text(row) ?? "").includes(
      filter.grep,
    );
  }
  return true;
}

function eventStream(
  node: Node,
  tenant: string,
  signal: Signal,
  filter: TailFilter,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const waiting: string[] = [];
  let dropped = 0;
  let wake: (() => void) | undefined;
  let ended = false;
  const unsubscribe = node.store().subscribe(tenant, signal, (chunk, fromRow, endRow) => {
    for (let row = fromRow; row < endRow; row++) {
      if (!passes(filter, chunk, row)) continue;
      if (waiting.length >= waitingMax) dropped++;
      else waiting.push(`event: row\ndata: ${JSON.stringify(rowOf(chunk, row))}\n\n`);
    }
    wake?.();
  });
  const end = () => {
    ended = true;
    unsubscribe();
    wake?.();
  };
  node.stopping.addEventListener("abort", end, { once: true });
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(": tailing\n\n")),
    async pull(controller) {
      while (waiting.length === 0 && !ended) {
        const timer = setTimeout(() => {
          waiting.push(": still here\n\n");
          wake?.();
        }, heartbeatMs);
        await new Promise<void>((resolve) => wake = resolve);
        clearTimeout(timer);
      }
      if (ended) return controller.close();
      if (dropped > 0) {
        waiting.push(`event: dropped\ndata: ${JSON.stringify({ rows: dropped })}\n\n`);
        dropped = 0;
      }
      controller.enqueue(encoder.encode(waiting.splice(0).join("")));
    },
    cancel: end,
  });
}
