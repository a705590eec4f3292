/**
 * Ten times the load that a box can take: its resident memory stays below memory.limit and 15%, queries are answered,
 * nothing that was acknowledged is lost, and when the load ends it takes requests at once again.
 *
 * MEMORY_SECONDS (30) is how long, MEMORY_LIMIT (512MiB) the ceiling, MEMORY_CLIENTS (96) how many send at once.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseSize } from "../../edge/config/parse.ts";
import { Shop } from "../../edge/demo/shop.ts";
import { Box } from "./box.ts";

const seconds = Number(process.env.MEMORY_SECONDS ?? 30);
const limit = process.env.MEMORY_LIMIT ?? "512MiB";
const clients = Number(process.env.MEMORY_CLIENTS ?? 96);

test(`an overload of ${seconds} s stays within ${limit} and loses nothing`, async () => {
  const limitBytes = parseSize(limit, "MEMORY_LIMIT");
  await using box = new Box(["--config", await writeConfig()]);
  await box.start();
  const idleBytes = residentBytes(box.pid);
  const bodies = makeBodies();
  const endMs = performance.now() + seconds * 1_000;
  let sent = 0, refused = 0, lastRefusal = "", mostBytes = 0, bodyBytes = 0, queries = 0, slowestQueryMs = 0;
  const acknowledged = new Set<string>();

  const client = async () => {
    while (performance.now() < endMs) {
      const name = `request-${sent++}`;
      const body = Buffer.concat([bodies[sent % bodies.length], markedRecord(name)]);
      const response = await post(box, body);
      if (response.ok) {
        acknowledged.add(name);
        bodyBytes += body.length;
      } else {
        refused++;
        lastRefusal = `${response.status} ${response.text}`;
        expect([429, 503]).toContain(response.status);
        expect(response.retryAfter).toBeGreaterThan(0);
        await Bun.sleep(20); // far sooner than it was asked to
      }
    }
  };
  const watch = async () => {
    while (performance.now() < endMs) {
      mostBytes = Math.max(mostBytes, residentBytes(box.pid));
      await Bun.sleep(50);
    }
  };
  const query = async () => {
    while (performance.now() < endMs) {
      const beganMs = performance.now();
      await box.value("SELECT count(*) FROM logs WHERE event_name LIKE 'request-%'");
      slowestQueryMs = Math.max(slowestQueryMs, performance.now() - beganMs);
      queries++;
      await Bun.sleep(1_000);
    }
  };
  await Promise.all([...Array.from({ length: clients }, client), watch(), query()]);

  const overMs = performance.now();
  while (!(await post(box, markedRecord(`after-${sent++}`))).ok) {
    if (performance.now() - overMs > 20_000) throw new Error(`still refused after 20 s: ${lastRefusal}`);
    await Bun.sleep(50);
  }
  const recoveredMs = performance.now() - overMs;
  const rows = await box.rows(
    "SELECT event_name, count(*) FROM logs WHERE event_name LIKE 'request-%' GROUP BY ALL",
  );
  const counts = new Map(rows.map(([name, count]) => [String(name), Number(count)]));
  const lost = [...acknowledged].filter((name) => counts.get(name) !== 1);
  const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 1024);
  console.log(
    `${acknowledged.size} requests of ${
      mebibytes(bodyBytes)
    } MiB acknowledged, ${refused} refused, ${lost.length} lost; ` +
      `RSS ${mebibytes(idleBytes)} MiB idle, ${mebibytes(mostBytes)} at most of ${mebibytes(limitBytes)}, ` +
      `${mebibytes(residentBytes(box.pid))} after; ${queries} queries, the slowest ${
        Math.round(slowestQueryMs)
      } ms; ` +
      `taken again after ${Math.round(recoveredMs)} ms; last refusal: ${lastRefusal.slice(0, 200)}`,
  );
  expect(lost).toEqual([]);
  expect(acknowledged.size).toBeGreaterThan(10);
  expect(mostBytes).toBeLessThan(limitBytes * 1.15);
  expect(recoveredMs).toBeLessThan(5_000);
}, (seconds + 90) * 1_000);

async function post(
  box: Box,
  body: Uint8Array,
): Promise<{ ok: boolean; status: number; text: string; retryAfter: number }> {
  const response = await fetch(`${box.endpoints.otlp_http}/v1/logs`, {
    method: "POST",
    headers: { "Content-Type": "application/x-protobuf" },
    body: body as BodyInit,
  });
  const text = await response.text();
  return {
    ok: response.ok,
    status: response.status,
    text,
    retryAfter: Number(response.headers.get("Retry-After")),
  };
}

/** Bodies of a busy shop, to which each request adds a record of its own: no two are the same. */
function makeBodies(): Uint8Array[] {
  const shop = new Shop({ seed: 7, rate: 20_000, signals: ["logs"], isSteady: true });
  const fromMs = Date.now() - 10_000;
  const bodies: Uint8Array[] = [];
  for (const { body } of shop.generate(fromMs, fromMs + 10_000, 2_000)) {
    bodies.push(body);
    if (bodies.length === 20) break;
  }
  return bodies;
}

/** `ResourceLogs` with one record; appended to another message it joins that one's list. */
function markedRecord(name: string): Uint8Array {
  const time = Buffer.alloc(9);
  time[0] = 1 << 3 | 1; // time_unix_nano, fixed64
  time.writeBigUInt64LE(BigInt(Date.now()) * 1_000_000n, 1);
  const record = Buffer.concat([time, field(12, Buffer.from(name))]);
  return field(1, field(2, field(2, record)));
}

function field(number: number, bytes: Uint8Array): Buffer {
  if (bytes.length > 127) throw new Error("one byte of length is enough here");
  return Buffer.concat([Buffer.from([number << 3 | 2, bytes.length]), bytes]);
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

async function writeConfig(): Promise<string> {
  const path = `${process.env.TMPDIR ?? "/tmp"}/openwit-memory-${process.pid}.yaml`;
  await Bun.write(path, `memory:\n  limit: ${limit}\n`);
  return path;
}
