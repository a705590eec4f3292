/**
 * Records as a busy web shop writes them: log records of about 480 bytes each on the wire, spans of about 400, points
 * of gauges, sums and histograms; 8 attributes, 10 services.
 */
import { randomBelow, seededRandom } from "../../core/env/random.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { type Column, columnsOf, type Signal } from "../../core/model/columns.ts";
import type { Vector } from "../../core/model/vector.ts";

/** A memtable chunk of `rows` log records, whose event times start at `startNs` and rise. */
export function buildLogChunk(seed: number, rows: number, startNs: bigint): Chunk {
  const { random, pick, hex } = dice(seed);
  return build("logs", rows, (row) => {
    const time = startNs + BigInt(row) * 100_000n + BigInt(randomBelow(random, 90_000));
    const service = randomBelow(random, services.length);
    const order = randomBelow(random, 1_000_000), took = randomBelow(random, 4_000);
    return {
      timestamp: time,
      observed_timestamp: time + 1_000_000n,
      ingest_timestamp: ingestTime(row, startNs),
      severity_number: 9,
      severity_text: pick(["INFO", "INFO", "INFO", "WARN", "ERROR"]),
      body: `${pick(verbs)} order ${order} for customer c-${order % 5000} in ${took} ms, cart ${hex(8)}`,
      trace_id: hex(32),
      span_id: hex(16),
      ...origin(service),
      attribute_types: "ssiisisb",
      attributes: [
        ["http.request.method", pick(["GET", "POST", "PUT"])],
        ["url.path", `/api/v1/${pick(["cart", "orders", "products"])}/${order}`],
        ["http.response.status_code", pick(["200", "200", "404", "500"])],
        ["duration_ms", String(took)],
        ["enduser.id", `c-${order % 5000}`],
        ["thread.id", String(randomBelow(random, 64))],
        ["code.function", pick(["handle", "render", "commit", "load"])],
        ["retry", pick(["false", "true"])],
      ],
    };
  });
}

/** The same of spans: 6 attributes, an event in every fourth, a link in every sixteenth. */
export function buildSpanChunk(seed: number, rows: number, startNs: bigint): Chunk {
  const { random, pick, hex } = dice(seed);
  let trace = "", parent = "";
  return build("spans", rows, (row) => {
    if (row % 8 === 0) [trace, parent] = [hex(32), ""];
    const start = startNs + BigInt(row) * 100_000n + BigInt(randomBelow(random, 90_000));
    const took = BigInt(randomBelow(random, 40_000_000));
    const order = randomBelow(random, 1_000_000);
    const span = {
      trace_id: trace,
      span_id: hex(16),
      parent_span_id: parent,
      name: `${pick(["GET", "POST"])} /api/v1/${pick(["cart", "orders", "products"])}/{id}`,
      kind: 1 + randomBelow(random, 3),
      start_timestamp: start,
      end_timestamp: start + took,
      duration_ns: took,
      status_code: row % 50 === 0 ? 2 : 0,
      ingest_timestamp: ingestTime(row, startNs),
      ...origin(randomBelow(random, services.length)),
      attribute_types: "ssisis",
      attributes: [
        ["http.request.method", pick(["GET", "POST"])],
        ["url.path", `/api/v1/orders/${order}`],
        ["http.response.status_code", pick(["200", "200", "404", "500"])],
        ["server.address", pick(["10.0.3.7", "10.0.3.9"])],
        ["server.port", "8080"],
        ["enduser.id", `c-${order % 5000}`],
      ],
      events: row % 4 > 0 ? [] : [{
        timestamp: start + took / 2n,
        name: pick(["cache.miss", "exception"]),
        attributes: [["key", `order:${order}`]],
      }],
      links: row % 16 > 0 ? [] : [{ trace_id: hex(32), span_id: hex(16), attributes: [] }],
    };
    parent = span.span_id;
    return span;
  });
}

/** The same of points: a gauge, a sum and a histogram of 12 buckets in turn, of 200 series each. */
export function buildMetricChunk(seed: number, rows: number, startNs: bigint): Chunk {
  const { random, pick } = dice(seed);
  return build("metrics", rows, (row) => {
    const series = randomBelow(random, 200), kind = row % 3;
    const counts = Array.from({ length: 12 }, () => BigInt(randomBelow(random, 500)));
    return {
      timestamp: startNs + BigInt(Math.floor(row / 600)) * 10_000_000_000n,
      start_timestamp: startNs,
      ingest_timestamp: ingestTime(row, startNs),
      metric_name: ["process.memory.usage", "http.server.requests", "http.server.request.duration"][kind],
      unit: ["By", "{request}", "s"][kind],
      type: ["gauge", "sum", "histogram"][kind],
      temporality: kind === 0 ? 0 : 2,
      is_monotonic: kind === 1 ? 1 : 0,
      ...(kind === 0 ? { value: random.uint32() / 1e4 } : {}),
      ...(kind === 1 ? { value: row, value_int: BigInt(row) } : {}),
      ...(kind === 2
        ? {
          count: counts.reduce((sum, each) => sum + each),
          sum: random.uint32() / 1e6,
          bucket_counts: counts,
          explicit_bounds: bounds,
        }
        : {}),
      series_id: (0x9e37_79b9 * (series + 1) >>> 0).toString(16).padStart(16, "5a3c"),
      ...origin(series % services.length),
      attributes: [["http.request.method", pick(["GET", "POST"])], ["http.route", `/api/v1/${series}`]],
    };
  });
}

/** By column: text, numbers, pairs of a map, elements of a list; what is left out is NULL, 0 or empty. */
type Values = Readonly<Record<string, unknown>>;

function build(signal: Signal, rows: number, valuesOf: (row: number) => Values): Chunk {
  const chunk = new Chunk(signal);
  for (let row = 0; row < rows; row++) {
    const values = valuesOf(row);
    columnsOf[signal].forEach((column, index) => push(chunk.vectors[index], column, values[column.name]));
    chunk.rows++;
  }
  return chunk;
}

function push(vector: Vector, { type, nullable }: Pick<Column, "type" | "nullable">, value: unknown): void {
  switch (vector.kind) {
    case "fixed":
      if (value === undefined && nullable) vector.pushNull();
      else if (vector.type === "float64") vector.pushDouble(Number(value ?? 0));
      else if (vector.width === 8) vector.pushBigint(BigInt((value ?? 0) as bigint));
      else vector.pushInt(Number(value ?? 0));
      return;
    case "utf8":
    case "dictionary":
      return vector.pushText(String(value ?? ""));
    case "map":
      for (const [key, text] of (value ?? []) as [string, string][]) {
        vector.keys.pushText(key);
        vector.values.pushText(text);
      }
      return vector.endRow();
    case "list":
      if (type.kind !== "list") throw new Error("a list vector is of a list column");
      for (const each of (value ?? []) as unknown[]) push(vector.child, { type: type.element }, each);
      return vector.endRow();
    case "struct":
      vector.columns.forEach((column, index) =>
        push(vector.children[index], column, (value as Values)[column.name])
      );
      return vector.endRow();
  }
}

function dice(seed: number) {
  const random = seededRandom(seed);
  return {
    random,
    pick: (values: readonly string[]) => values[randomBelow(random, values.length)],
    hex: (digits: number) =>
      Array.from({ length: digits / 8 }, () => random.uint32().toString(16).padStart(8, "0")).join(""),
  };
}

/** 500 records a request, 50 ms apart. */
function ingestTime(row: number, startNs: bigint): bigint {
  return startNs + BigInt(Math.floor(row / 500)) * 50_000_000n;
}

function origin(service: number): Values {
  return {
    service_name: services[service],
    scope_name: "shop.orders",
    scope_version: "1.4.2",
    resource_attributes: resourceOf(service),
    scope_attributes: "{}",
  };
}

const services = "cart checkout payment frontend search shipping email currency ads catalog".split(" ");
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const verbs = ["processed", "rejected", "loaded", "committed", "could not charge", "re-tried"];

function resourceOf(service: number): string {
  const name = services[service];
  return JSON.stringify({
    "service.name": name,
    "service.version": "2.3.1",
    "k8s.pod.name": `${name}-7d9f8b6c5d-x2x7${service}`,
    "k8s.namespace.name": "shop",
    "host.name": `node-${service % 3}`,
    "telemetry.sdk.language": "go",
    "deployment.environment.name": "production",
  });
}
