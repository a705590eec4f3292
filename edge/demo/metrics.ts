/**
 * The metrics of the demo shop: every kind that OTLP has, of every pod, at every scrape.
 *
 * opentelemetry-proto 1.11: metrics.v1. A value is a pure function of seed, pod and time (a counter is the
 * closed integral of its rate), so that any interval can be generated without the ones before it.
 * Invariants: cumulative counters grow within a day and begin anew at midnight UTC, when the shop deploys;
 * the buckets of a histogram sum to its count.
 */
import { type ProtobufWriter, wireBytes } from "./encode.ts";
import { incidentsBetween, mix } from "./incidents.ts";
import {
  type Attributes,
  cumulative,
  delta,
  exponential,
  gauge,
  histogram,
  sum,
  summary,
  type Times,
} from "./metric-writer.ts";
import { services } from "./services.ts";
import { type AttributesSpec, compileAttributes } from "./template.ts";
import { spanWords, writeTraceWords } from "./traffic.ts";

export interface Scrape {
  readonly seed: number;
  /** Place of the service in `services`. */
  readonly service: number;
  /** Which pod among all. */
  readonly pod: number;
  /** Unix time. */
  readonly second: number;
  readonly offsetNs: number;
  readonly intervalMs: number;
  /** A visit that the shop had shortly before (see `writeTraceWords`); absent when it had none. */
  readonly exemplar:
    | { readonly second: number; readonly index: number; readonly offsetNs: number }
    | undefined;
}

/** Data points of one scrape. */
export const pointsPerScrape = 20;

/** Writes the `metrics` fields (number 2) of one ScopeMetrics. */
export function writeScrape(writer: ProtobufWriter, scrape: Scrape): void {
  const times = timesOf(scrape);
  const load = loadOf(scrape, times.nowMs);
  const before = loadOf(scrape, times.nowMs - scrape.intervalMs, times.startMs);
  const noise = (salt: number) =>
    mix(mix(scrape.seed ^ scrape.pod, salt), Math.floor(times.nowMs / 1000)) / 2 ** 32;
  const isFrontend = services[scrape.service].name === "frontend";

  gauge(writer, "process.memory.usage", "Resident memory of the process.", "By", times, [
    [usedMemory, { int: Math.floor(9e7 + 6e7 * noise(1) + (times.nowMs - times.startMs) * 0.4) }],
  ]);
  gauge(writer, "system.cpu.utilization", "Share of each core in use.", "1", times, [
    [cpu0, { double: Math.min(1, 0.15 + 0.2 * load.intensity + 0.3 * noise(2)) }],
    [cpu1, { double: Math.min(1, 0.12 + 0.2 * load.intensity + 0.3 * noise(3)) }],
  ]);
  gauge(writer, "shop.queue.depth", "Messages that wait.", "{message}", times, [
    [noAttributes, { int: Math.floor((load.isSlow ? 900 : 20) * noise(4)) }],
  ]);
  sum(writer, "process.cpu.time", "CPU time used.", "s", times, cumulative, true, [
    [userTime, { double: load.requests * 0.0021 }],
    [systemTime, { double: load.requests * 0.0007 }],
  ]);
  sum(writer, "shop.requests", "Requests handled.", "{request}", times, cumulative, true, [
    [statusOk, { int: load.ok }],
    [statusError, { int: load.errors }],
  ]);
  sum(writer, "shop.items.sold", "Items sold since the last report.", "{item}", times, delta, true, [
    ...categories.map((category, index) =>
      [category, {
        int: Math.floor(load.ok * shares[index]) - Math.floor(before.ok * shares[index]),
      }] as const
    ),
  ]);
  sum(writer, "http.server.active_requests", "Requests in progress.", "{request}", times, cumulative, false, [
    [methodGet, { int: Math.floor(12 * load.intensity * (0.5 + noise(5))) }],
    [methodPost, { int: Math.floor(3 * load.intensity * (0.5 + noise(6))) }],
  ]);
  const exemplar = isFrontend ? scrape.exemplar : undefined;
  histogram(writer, "http.server.request.duration", times, delta, [
    [getProduct, subtract(bucketsOf(load, 0.8), bucketsOf(before, 0.8))],
    [postCheckout, subtract(bucketsOf(load, 0.2), bucketsOf(before, 0.2))],
  ], (point) => exemplar !== undefined && writeExemplar(point, scrape, exemplar));
  histogram(writer, "db.client.operation.duration", times, cumulative, [
    [dbSelect, bucketsOf(load, 0.7)],
    [dbUpdate, bucketsOf(load, 0.3)],
  ]);
  exponential(
    writer,
    "rpc.client.call.duration",
    times,
    rpcAttributes,
    Math.max(0, load.ok - before.ok),
    load.isSlow,
  );
  summary(writer, "gc.pause", times, gcAttributes, Math.floor(load.requests / 50), noise(7));
}

interface Load {
  /** Requests of this pod since midnight. */
  readonly requests: number;
  readonly ok: number;
  readonly errors: number;
  /** Requests among them that met a latency incident. */
  readonly slow: number;
  readonly isSlow: boolean;
  /** The diurnal factor, about 1. */
  readonly intensity: number;
}

const dayMs = 86_400_000;

/** How busy the shop is at a time of day, 1 on average: least at 03:00 UTC, most at 15:00. */
export function intensityAt(ms: number): number {
  return 1 - swing * Math.cos(phase(ms));
}

const swing = 0.45;

function phase(ms: number): number {
  return (ms % dayMs / dayMs - 0.125) * 2 * Math.PI;
}

/** Seconds weighted by intensity from midnight: the integral of `intensityAt`. */
function integral(startMs: number, ms: number): number {
  const angle = ((ms - startMs) / dayMs - 0.125) * 2 * Math.PI, zero = -0.125 * 2 * Math.PI;
  return (ms - startMs) / 1000 - swing * (Math.sin(angle) - Math.sin(zero)) * dayMs / 1000 / (2 * Math.PI);
}

function timesOf({ second, offsetNs, intervalMs }: Scrape): Times {
  const nowMs = second * 1000 + offsetNs / 1e6;
  return { second, offsetNs, nowMs, startMs: nowMs - nowMs % dayMs, intervalMs };
}

function loadOf(scrape: Scrape, ms: number, startMs = ms - ms % dayMs): Load {
  const rate = 4 + mix(scrape.seed, scrape.pod) % 16;
  const requests = rate * integral(startMs, ms);
  let errors = requests * 0.004, slow = 0, isSlow = false;
  for (const incident of incidentsBetween(scrape.seed, startMs, ms)) {
    if (incident.serviceIndex !== scrape.service) continue;
    const met = rate * (integral(startMs, Math.min(ms, incident.toMs)) - integral(startMs, incident.fromMs));
    errors += met * incident.errorRate;
    if (incident.kind === "latency") slow += met;
    isSlow ||= incident.kind === "latency" && ms < incident.toMs;
  }
  return {
    requests,
    ok: Math.floor(requests - errors),
    errors: Math.floor(errors),
    slow,
    isSlow,
    intensity: intensityAt(ms),
  };
}

const usualShares = [
  0.08,
  0.17,
  0.34,
  0.2,
  0.09,
  0.05,
  0.05,
  0.012,
  0.004,
  0.002,
  0.001,
  0.0005,
  0.0003,
  0.0001,
  0.0001,
];
const slowShares = [
  0,
  0.01,
  0.03,
  0.06,
  0.1,
  0.12,
  0.3,
  0.22,
  0.08,
  0.04,
  0.03,
  0.007,
  0.002,
  0.0007,
  0.0003,
];

function bucketsOf(load: Load, share: number): number[] {
  const usual = (load.requests - load.slow) * share, slow = load.slow * share;
  return usualShares.map((part, bucket) => Math.floor(usual * part) + Math.floor(slow * slowShares[bucket]));
}

function subtract(buckets: number[], earlier: number[]): number[] {
  return buckets.map((count, bucket) => Math.max(0, count - earlier[bucket]));
}

function writeExemplar(
  writer: ProtobufWriter,
  { seed }: Scrape,
  exemplar: NonNullable<Scrape["exemplar"]>,
): void {
  const words = new Uint32Array(4);
  writeTraceWords(words, seed, exemplar.second, exemplar.index);
  const message = writer.open(8);
  writer.timeField(2, exemplar.second, exemplar.offsetNs);
  writer.doubleField(3, 0.02 + words[1] % 400 / 1000);
  writer.tag(4, wireBytes);
  writer.varint(8);
  for (const word of spanWords(words, 0)) writer.fixed32(word);
  writer.tag(5, wireBytes);
  writer.varint(16);
  for (const word of words) writer.fixed32(word);
  writer.raw(exemplarAttributes);
  writer.close(message);
}

const number = (spec: AttributesSpec): Attributes => compileAttributes(7, spec).fixed;
const histogramAttributes = (spec: AttributesSpec): Attributes => compileAttributes(9, spec).fixed;

const noAttributes = number({});
const usedMemory = number({ "process.memory.state": "used" });
const cpu0 = number({ "cpu.logical_number": 0, "cpu.mode": "user" });
const cpu1 = number({ "cpu.logical_number": 1, "cpu.mode": "user" });
const userTime = number({ "cpu.mode": "user" });
const systemTime = number({ "cpu.mode": "system" });
const statusOk = number({ "http.response.status_code": 200, "error": false });
const statusError = number({ "http.response.status_code": 503, "error": true });
const methodGet = number({ "http.request.method": "GET" });
const methodPost = number({ "http.request.method": "POST" });
const categories = ["camping", "clothing", "kitchen", "footwear"].map((category) =>
  number({ "product.category": category })
);
const shares = [0.02, 0.015, 0.01, 0.007];
const getProduct = histogramAttributes({
  "http.request.method": "GET",
  "http.route": "/product/:sku",
  "tls": true,
});
const postCheckout = histogramAttributes({
  "http.request.method": "POST",
  "http.route": "/checkout",
  "tls": true,
});
const dbSelect = histogramAttributes({ "db.operation.name": "SELECT", "db.system.name": "postgresql" });
const dbUpdate = histogramAttributes({ "db.operation.name": "UPDATE", "db.system.name": "postgresql" });
const rpcAttributes = compileAttributes(1, { "rpc.system": "grpc", "server.port": 50051 }).fixed;
const gcAttributes = number({ "gc.kind": "young", "gc.threads": 2, "gc.target_ratio": 0.05 });
const exemplarAttributes = number({ "http.response.status_code": 200 });
