import { expect, test } from "bun:test";
import { OpenWitError } from "../../core/error.ts";
import type { IngestRequest } from "../../core/ingest/request.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { type Row, rowOf } from "../../core/model/row.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { SimClock } from "../../tests/sim/clock.ts";
import type { LogEvent } from "../log/format.ts";
import { SelfTelemetry, waitingLinesMax } from "./self.ts";

const startMs = Date.UTC(2026, 10, 26);

function selfOf(intervalMs = 60_000) {
  const clock = new SimClock(BigInt(startMs) * 1_000_000n);
  const metrics = new Metrics();
  const taken: IngestRequest[] = [];
  const box: { refusal?: OpenWitError; hangs?: boolean } = {};
  const self = new SelfTelemetry({
    clock,
    metrics,
    ingest: async (request) => {
      if (box.hangs) await new Promise(() => {});
      if (box.refusal !== undefined) throw box.refusal;
      taken.push(request);
      return { rows: 1, rejected: 0, message: "", duplicate: false };
    },
    resource: () => ({ "service.name": "openwit" }),
  }, intervalMs);
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 1_000) {
      await clock.advance(1_000);
      await Bun.sleep(0);
    }
  };
  const of = (signal: string) => taken.filter((request) => request.signal === signal);
  return { self, metrics, taken, box, pass, of };
}

function rowsOf({ signal, body }: IngestRequest): Row[] {
  const chunk = new Chunk(signal);
  expect(decodeRequest(signal, body, chunk, 1n).rejected).toBe(0);
  return Array.from({ length: chunk.rows }, (_, row) => rowOf(chunk, row));
}

const line = (level: LogEvent["level"], message = "m"): LogEvent => ({
  timeMs: startMs,
  level,
  message,
  fields: { rows: 3, ratio: 0.5, ok: true, path: "a/b", none: null },
});

test("a line of the log is a log record of tenant _system, with its level and fields", async () => {
  const { self, pass, of } = selfOf();
  self.hear(line("info", "recovered"));
  self.start();
  await pass(60_000);
  const [request] = of("logs");
  expect(request.tenant).toBe("_system");
  expect(rowsOf(request)).toMatchObject([{
    timestamp: "2026-11-26T00:00:00.000000000Z",
    severity_number: 9,
    severity_text: "INFO",
    body: "recovered",
    service_name: "openwit",
    scope_name: "openwit",
    attributes: { rows: "3", ratio: "0.5", ok: "true", path: "a/b" },
  }]);
});

test("a sample has gauges, counters and histograms that have counted, under their names", async () => {
  const { self, metrics, pass, of } = selfOf();
  metrics.gauge("openwit_wal_bytes", () => 0);
  metrics.gauge("openwit_write_amplification", () => 2.5);
  metrics.gauge("openwit_disk_free_bytes", () => NaN);
  metrics.add("openwit_merges_total", 4, { signal: "logs" });
  metrics.observe("openwit_wal_fsync_seconds", 0.003);
  self.start();
  await pass(59_000);
  expect(of("metrics")).toHaveLength(0);
  await pass(1_000);
  const rows = rowsOf(of("metrics")[0]);
  const row = (name: string) => rows.filter((each) => each.metric_name === name);
  expect(row("openwit_wal_bytes")).toMatchObject([{ type: "gauge", unit: "By", value: 0 }]);
  expect(row("openwit_write_amplification")).toMatchObject([{ unit: "1", value: 2.5 }]);
  expect(row("openwit_disk_free_bytes")).toEqual([]);
  expect(row("openwit_merges_total")).toMatchObject([{
    type: "sum",
    unit: "{merges}",
    value: 4,
    is_monotonic: true,
    attributes: { signal: "logs" },
    timestamp: "2026-11-26T00:01:00.000000000Z",
    start_timestamp: "2026-11-26T00:00:00.000000000Z",
  }]);
  expect(row("openwit_wal_fsync_seconds")).toMatchObject([{
    type: "histogram",
    unit: "s",
    count: "1",
    sum: 0.003,
  }]);
  expect(row("openwit_ack_seconds")).toEqual([]);
  await pass(60_000);
  expect(of("metrics")).toHaveLength(2);
  expect(rowsOf(of("metrics")[1]).find((each) => each.metric_name === "openwit_self_records_total"))
    .toMatchObject({ value: rows.length });
});

test("a warning is stored within seconds; nothing is when it is off, or turned off", async () => {
  const { self, pass, of } = selfOf();
  self.start();
  self.hear(line("info", "first"));
  self.hear(line("warn", "second"));
  await pass(4_000);
  expect(of("logs")).toHaveLength(0);
  await pass(2_000);
  expect(rowsOf(of("logs")[0]).map(({ body }) => body)).toEqual(["first", "second"]);
  self.intervalMs = 0;
  self.hear(line("error"));
  await pass(200_000);
  expect(of("logs")).toHaveLength(1);
  expect(of("metrics")).toHaveLength(0);
  self.intervalMs = 10_000;
  await pass(10_000);
  expect(of("metrics")).toHaveLength(1);
});

test("on a full disk samples are dropped and counted, and lines wait for room", async () => {
  const { self, metrics, box, pass, of } = selfOf();
  metrics.add("openwit_merges_total", 1, { signal: "logs" });
  self.start();
  box.refusal = new OpenWitError("disk_full", "full");
  self.hear(line("warn", "requests are refused"));
  await pass(120_000);
  const dropped = (signal: string, reason: string) =>
    metrics.total("openwit_self_dropped_total", { signal, reason });
  expect(dropped("metrics", "disk_full")).toBe(3);
  expect(dropped("logs", "disk_full")).toBe(0);
  box.refusal = undefined;
  await pass(60_000);
  expect(rowsOf(of("logs")[0])[0].body).toBe("requests are refused");
});

test("lines that wait are bounded: the newest are kept, the others counted", async () => {
  const { self, metrics, box, pass, of } = selfOf();
  self.start();
  box.refusal = new OpenWitError("io", "broken", { retryable: true });
  for (let n = 0; n < waitingLinesMax + 7; n++) self.hear(line("info", `line ${n}`));
  await pass(60_000);
  for (let n = 0; n < 5; n++) self.hear(line("info", `later ${n}`));
  box.refusal = undefined;
  await pass(60_000);
  const rows = of("logs").flatMap(rowsOf);
  expect(rows).toHaveLength(waitingLinesMax);
  expect(rows[0].body).toBe("line 12");
  expect(rows.at(-1)!.body).toBe("later 4");
  expect(metrics.total("openwit_self_dropped_total", { signal: "logs" })).toBe(12);
});

test("a disk that is broken is tried once an interval, whatever is logged of it", async () => {
  const { self, box, pass } = selfOf();
  let tries = 0;
  const refusal = new OpenWitError("io", "broken", { retryable: true });
  Object.defineProperty(box, "refusal", {
    get() {
      tries++;
      self.hear(line("error", "requests were refused: the WAL cannot be written"));
      return refusal;
    },
  });
  self.start();
  self.hear(line("error"));
  await pass(5_000);
  const atFirst = tries;
  await pass(295_000);
  expect(tries - atFirst).toBeLessThan(2 * 2 * 6); // a getter is read twice; logs and a sample a minute
});

test("a node that stops stores its last words, and does not wait for a disk that hangs", async () => {
  const { self, of } = selfOf();
  self.start();
  self.hear(line("info", "stopping"));
  await self.stop();
  expect(rowsOf(of("logs")[0])[0].body).toBe("stopping");
  const hung = selfOf();
  hung.box.hangs = true;
  hung.self.start();
  hung.self.hear(line("info", "stopping"));
  const stopped = hung.self.stop();
  await hung.pass(3_000);
  await stopped;
  expect(hung.taken).toEqual([]);
});
