/** Log records as a busy web shop writes them: about 480 bytes each on the wire, 8 attributes, 10 services. */
import { randomBelow, seededRandom } from "../../core/env/random.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { columnsOf } from "../../core/model/columns.ts";
import type { Vector } from "../../core/model/vector.ts";

/** A memtable chunk of `rows` such records, whose event times start at `startNs` and rise. */
export function buildLogChunk(seed: number, rows: number, startNs: bigint): Chunk {
  const random = seededRandom(seed);
  const pick = (values: readonly string[]) => values[randomBelow(random, values.length)];
  const hex = (digits: number) =>
    Array.from({ length: digits / 8 }, () => random.uint32().toString(16).padStart(8, "0")).join("");
  const chunk = new Chunk("logs");
  for (let row = 0; row < rows; row++) {
    const time = startNs + BigInt(row) * 100_000n + BigInt(randomBelow(random, 90_000));
    const service = randomBelow(random, services.length);
    const order = randomBelow(random, 1_000_000), took = randomBelow(random, 4_000);
    const values: Record<string, (vector: Vector) => void> = {
      timestamp: (vector) => number(vector, time),
      observed_timestamp: (vector) => number(vector, time + 1_000_000n),
      ingest_timestamp: (vector) => number(vector, startNs + BigInt(Math.floor(row / 500)) * 50_000_000n),
      severity_number: (vector) => number(vector, 9),
      severity_text: (vector) => text(vector, pick(["INFO", "INFO", "INFO", "WARN", "ERROR"])),
      body: (vector) =>
        text(
          vector,
          `${pick(verbs)} order ${order} for customer c-${order % 5000} in ${took} ms, cart ${hex(8)}`,
        ),
      trace_id: (vector) => text(vector, hex(32)),
      span_id: (vector) => text(vector, hex(16)),
      service_name: (vector) => text(vector, services[service]),
      scope_name: (vector) => text(vector, "shop.orders"),
      scope_version: (vector) => text(vector, "1.4.2"),
      resource_attributes: (vector) => text(vector, resourceOf(service)),
      scope_attributes: (vector) => text(vector, "{}"),
      attribute_types: (vector) => text(vector, "ssiisisb"),
      attributes: (vector) => {
        if (vector.kind !== "map") throw new Error("attributes is a map");
        const entries = [
          ["http.request.method", pick(["GET", "POST", "PUT"])],
          ["url.path", `/api/v1/${pick(["cart", "orders", "products"])}/${order}`],
          ["http.response.status_code", pick(["200", "200", "404", "500"])],
          ["duration_ms", String(took)],
          ["enduser.id", `c-${order % 5000}`],
          ["thread.id", String(randomBelow(random, 64))],
          ["code.function", pick(["handle", "render", "commit", "load"])],
          ["retry", pick(["false", "true"])],
        ];
        for (const [key, value] of entries) {
          vector.keys.pushText(key);
          vector.values.pushText(value);
        }
        vector.endRow();
      },
    };
    columnsOf.logs.forEach(({ name, nullable }, index) => {
      const vector = chunk.vectors[index];
      if (values[name] !== undefined) values[name](vector);
      else if (nullable && vector.kind === "fixed") vector.pushNull();
      else if (vector.kind === "fixed") vector.pushInt(0);
      else text(vector, "");
    });
    chunk.rows++;
  }
  return chunk;
}

const services = "cart checkout payment frontend search shipping email currency ads catalog".split(" ");
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

function number(vector: Vector, value: bigint | number): void {
  if (vector.kind !== "fixed") throw new Error("not a number");
  if (typeof value === "bigint") vector.pushBigint(value);
  else vector.pushInt(value);
}

function text(vector: Vector, value: string): void {
  if (vector.kind !== "utf8" && vector.kind !== "dictionary") throw new Error("not text");
  vector.pushText(value);
}
