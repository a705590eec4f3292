/**
 * `GET /api/v1/logs/tail` and `/api/v1/tail`: records as they become durable, as server-sent events (WHATWG HTML,
 * "text/event-stream"). Events: `row` with one JSON row; `dropped` with how many rows a slow reader missed.
 *
 * Invariants: (1) what waits for a reader is bounded in events and bytes; what comes while that much waits is counted
 * and told, never kept. (2) A reader that goes away, or a node that stops, ends the stream.
 */
import { type Context, Hono } from "hono";
import { OpenWitError } from "../../core/error.ts";
import type { Signal } from "../../core/model/columns.ts";
import { rowOf } from "../../core/model/row.ts";
import type { RowsListener } from "../../core/store/followers.ts";
import { type RowTest, rowTest } from "../../core/search/live.ts";
import type { TailHost } from "./host.ts";
import {
  filterOf,
  filterParameters,
  type Parameters,
  type ParameterTable,
  readParameters,
  tenantOf,
} from "./parameters.ts";
import { nodeRefusals, type RouteDoc } from "./route.ts";
import { text } from "./schema.ts";
import { parseSignal } from "./signal.ts";

/** What may wait for a slow reader. */
const waitingEventsMax = 10_000;
const waitingBytesMax = 8 * 1024 * 1024;

/** Readers at once: each may hold as much as may wait. */
const readersMax = 32;

/** A comment is sent this often, so that a connection which is gone is noticed. */
const heartbeatMs = 15_000;

const anyTable = {
  signal: { type: "text", default: "logs", doc: "`logs`, `spans` (or `traces`) or `metrics`." },
  ...filterParameters,
} as const satisfies ParameterTable;

const answerShape =
  'event: row\ndata: {"timestamp":"…",…}\n\nevent: dropped\ndata: {"rows":120}\n\n: still here';

export const tailDocs: readonly RouteDoc[] = [
  {
    group: "data",
    methods: ["GET"],
    path: "/api/v1/logs/tail",
    summary: "Log records as they become durable, as server-sent events.",
    parameters: filterParameters,
    ofTenant: true,
    answers: { "text/event-stream": text },
    refusals: [...nodeRefusals, "overloaded"],
    answer: answerShape,
    notes:
      `A reader that is slower than the records for longer than ${waitingEventsMax} of them, or 8 MiB, misses ` +
      "those that come meanwhile, and is told how many in an event `dropped` that stands where they would have. At " +
      `most ${readersMax} readers at once.`,
    example: "curl -sN 'http://127.0.0.1:6318/api/v1/logs/tail?severity=error'",
  },
  {
    group: "data",
    methods: ["GET"],
    path: "/api/v1/tail",
    summary: "The same for any signal.",
    parameters: anyTable,
    ofTenant: true,
    answers: { "text/event-stream": text },
    refusals: [...nodeRefusals, "overloaded"],
    answer: answerShape,
    example: "curl -sN 'http://127.0.0.1:6318/api/v1/tail?signal=spans&service=checkout'",
  },
];

export function tailRoutes(host: TailHost): Hono {
  const app = new Hono();
  let readers = 0;
  const follow = (
    context: Context,
    signal: Signal,
    parameters: Parameters<typeof filterParameters>,
  ): Response => {
    const tenant = tenantOf(context);
    const test = rowTest(signal, filterOf(parameters));
    const store = host.store();
    if (readers >= readersMax) {
      throw new OpenWitError("overloaded", `${readers} readers follow already, which is the limit`, {
        hint: "end another tail, or ask /api/v1/logs/search",
      });
    }
    readers++;
    const stream = eventStream(
      test,
      (listener) => store.subscribe(tenant, signal, listener),
      host.stopping,
      () => readers--,
    );
    return new Response(stream, {
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" },
    });
  };
  app.get(
    "/api/v1/logs/tail",
    async (context) => follow(context, "logs", await readParameters(context, filterParameters)),
  );
  app.get("/api/v1/tail", async (context) => {
    const parameters = await readParameters(context, anyTable);
    return follow(context, parseSignal(parameters.text("signal")!), parameters);
  });
  return app;
}

/**
 * @param subscribe calls the listener for rows that become visible, until what it returns is called
 * @param stopping ends the stream
 * @param ended told once
 */
export function eventStream(
  test: RowTest,
  subscribe: (listener: RowsListener) => () => void,
  stopping: AbortSignal,
  ended: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const waiting: string[] = [];
  let waitingBytes = 0, dropped = 0, isEnded = false, isCancelled = false;
  let wake: (() => void) | undefined;
  const unsubscribe = subscribe((chunk, fromRow, endRow) => {
    for (let row = fromRow; row < endRow; row++) {
      if (!test(chunk, row)) continue;
      // Once one is dropped all are until the reader has caught up: what it missed is then in one place.
      if (dropped > 0 || waiting.length >= waitingEventsMax || waitingBytes >= waitingBytesMax) {
        dropped++;
        continue;
      }
      const event = `event: row\ndata: ${JSON.stringify(rowOf(chunk, row))}\n\n`;
      waitingBytes += event.length;
      waiting.push(event);
    }
    wake?.();
  });
  const end = () => {
    if (isEnded) return;
    isEnded = true;
    stopping.removeEventListener("abort", end);
    unsubscribe();
    ended();
    wake?.();
  };
  stopping.addEventListener("abort", end, { once: true });
  if (stopping.aborted) end();
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(": tailing\n\n")),
    async pull(controller) {
      while (waiting.length === 0 && dropped === 0 && !isEnded) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(() => {
          waiting.push(": still here\n\n");
          resolve();
        }, heartbeatMs);
        await promise;
        clearTimeout(timer);
      }
      if (isCancelled) return;
      if (isEnded) return controller.close();
      if (dropped > 0) {
        waiting.push(`event: dropped\ndata: ${JSON.stringify({ rows: dropped })}\n\n`);
        dropped = 0;
      }
      waitingBytes = 0;
      controller.enqueue(encoder.encode(waiting.splice(0).join("")));
    },
    cancel() {
      isCancelled = true;
      end();
    },
  });
}
