/** The demo against the database's own receiver and decoder: what it sends is taken whole. */
import { expect, test } from "bun:test";
import { silentLog } from "../../core/env/log.ts";
import { OpenWitError } from "../../core/error.ts";
import type { IngestRequest } from "../../core/ingest/request.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { newGuard } from "../http/guard.ts";
import { InflightBudget } from "../otlp/budget.ts";
import { serveOtlpGrpc } from "../otlp/grpc.ts";
import { defaultReceiverLimits } from "../otlp/receiver.ts";
import { parseDemoOptions } from "./command.ts";
import { runDemo } from "./demo.ts";

/** Runs a short demo against a receiver that refuses the first `refusals` requests as overloaded. */
async function receive(refusals: number) {
  const requests: IngestRequest[] = [];
  let left = refusals;
  const listener = await serveOtlpGrpc(
    {
      ingest: (request) => {
        if (left-- > 0) {
          return Promise.reject(new OpenWitError("overloaded", "no memory left", { retryAfterMs: 100 }));
        }
        requests.push(request);
        return Promise.resolve({ rows: 1, rejected: 0, message: "", duplicate: false });
      },
      limits: defaultReceiverLimits,
      budget: new InflightBudget(64_000_000),
      log: silentLog,
      onRequest: () => {},
      isDraining: () => false,
    },
    newGuard({ bindHost: "127.0.0.1" }),
    { host: "127.0.0.1", port: 0 },
  );
  try {
    const endpoint = `http://127.0.0.1:${listener.port}`;
    const args = [
      "--endpoint",
      endpoint,
      "--duration",
      "0s",
      "--backfill",
      "20s",
      "--rate",
      "500",
      "--tenant",
      "shop",
    ];
    return { requests, summary: await runDemo(parseDemoOptions(args), { write: () => {}, isTty: false }) };
  } finally {
    await listener.stop(1_000);
  }
}

test("every record that the demo counts is a row, of its tenant, with nothing repaired or refused", async () => {
  const { requests, summary } = await receive(0);
  const rows: Record<Signal, number> = { logs: 0, spans: 0, metrics: 0 };
  for (const { signal, body, tenant } of requests) {
    expect(tenant).toBe("shop");
    const report = decodeRequest(signal, body, new Chunk(signal), 0n);
    expect([report.rejected, report.repairedTexts, report.clampedTimes]).toEqual([0, 0, 0]);
    rows[signal] += report.rows;
  }
  expect(rows).toEqual(summary.bySignal);
  for (const signal of signals) expect(rows[signal]).toBeGreaterThan(100);
});

test("a receiver without memory is asked again, and nothing is lost or sent twice", async () => {
  const { requests, summary } = await receive(3);
  expect(summary.retries).toBe(3);
  expect(summary.acknowledged).toBe(summary.sent);
  expect(new Set(requests.map(({ body }) => Bun.hash(body))).size).toBe(summary.requests);
});
