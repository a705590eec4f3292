/**
 * Ten times the load that a box can take: its resident memory stays below memory.limit and 15%, queries are answered,
 * nothing that was acknowledged is lost, and when the load ends it takes requests at once again. With sorts of all
 * rows and merges beside it the limit may be passed by some more, and statements be ended, retryable, for want of memory.
 *
 * MEMORY_SECONDS (30) is how long, MEMORY_LIMIT (512MiB) the ceiling, MEMORY_CLIENTS (96) how many send at once.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { parseSize } from "../../edge/config/parse.ts";
import { grpcTransport } from "../../edge/demo/grpc-transport.ts";
import { httpTransport } from "../../edge/demo/http-transport.ts";
import type { Transport } from "../../edge/demo/send.ts";
import { Shop } from "../../edge/demo/shop.ts";
import { Box } from "./box.ts";

const seconds = Number(process.env.MEMORY_SECONDS ?? 30);
const limit = process.env.MEMORY_LIMIT ?? "512MiB";
const clients = Number(process.env.MEMORY_CLIENTS ?? 96);

/** What the limit may be passed by; a sort or a merge beside the overload was seen to take it to 1.15 in one run of seven. */
const passedBy = 1.15, passedByBusy = 1.25;

for (const protocol of ["http", "grpc"] as const) {
  test(`an overload of ${seconds} s over ${protocol} stays within ${limit} and loses nothing`, async () => {
    await overload(protocol, false);
  }, (seconds + 90) * 1_000);
}

test(
  `an overload of ${seconds} s with sorts and merges stays within ${limit} and loses nothing`,
  async () => {
    await overload("grpc", true);
  },
  (seconds + 120) * 1_000,
);

async function overload(protocol: "http" | "grpc", hasSortsAndMerges: boolean): Promise<void> {
  const limitBytes = parseSize(limit, "MEMORY_LIMIT");
  await using box = new Box(["--config", await writeConfig()]);
  await box.start();
  const transports = Array.from({ length: 24 }, () => {
    const settings = { protocol, compression: "none", tenant: undefined, timeoutMs: 60_000 } as const;
    return protocol === "grpc"
      ? grpcTransport({ ...settings, endpoint: box.endpoints.otlp_grpc })
      : httpTransport({ ...settings, endpoint: box.endpoints.otlp_http });
  });
  const idleBytes = residentBytes(box.pid);
  const bodies = makeBodies();
  const endMs = performance.now() + seconds * 1_000;
  let sent = 0, refused = 0, lastRefusal = "", mostBytes = 0, bodyBytes = 0, queries = 0, slowestQueryMs = 0;
  let queriesEnded = 0, sorts = 0, sortsEnded = 0, merges = 0;
  const acknowledged = new Set<string>();

  const client = async (_: unknown, index: number) => {
    while (performance.now() < endMs) {
      const name = `request-${sent++}`;
      const body = Buffer.concat([bodies[sent % bodies.length], markedRecord(name)]);
      const refusal = await refusalOf(transports[index % transports.length], body);
      if (refusal === undefined) {
        acknowledged.add(name);
        bodyBytes += body.length;
      } else {
        refused++;
        lastRefusal = refusal.message;
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
  /** Over the ceiling a statement is ended rather than a record refused: it says so, and may be tried again. */
  const isAnswered = async (sql: string, endings: readonly string[] = ["overloaded"]) => {
    try {
      await box.value(sql);
      return true;
    } catch (error) {
      if (!endings.some((code) => (error as Error).message.includes(`"${code}"`))) throw error;
      return false;
    }
  };
  const query = async () => {
    while (performance.now() < endMs) {
      const beganMs = performance.now();
      // One that is ended for want of memory says so; asked again when it says, it is answered.
      let isDone = false;
      for (let tries = 0; !isDone && tries < (hasSortsAndMerges ? 1 : 3); tries++) {
        if (tries > 0) await Bun.sleep(1_000);
        isDone = await isAnswered("SELECT count(*) FROM logs WHERE event_name LIKE 'request-%'");
        if (isDone) queries++;
        else queriesEnded++;
      }
      if (!isDone && !hasSortsAndMerges) throw new Error("a query was ended three times for want of memory");
      slowestQueryMs = Math.max(slowestQueryMs, performance.now() - beganMs);
      await Bun.sleep(1_000);
    }
  };
  const sort = async () => {
    while (performance.now() < endMs) {
      const sql = "SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY body, trace_id) AS n FROM logs)";
      // Ten times the load leaves a sort of everything little of the processors: its time may be over as well.
      if (await isAnswered(sql, ["overloaded", "deadline_exceeded"])) sorts++;
      else sortsEnded++;
      await Bun.sleep(500);
    }
  };
  const merge = async () => {
    while (performance.now() < endMs) {
      await Bun.sleep(3_000);
      merges += await mergesNow(box);
    }
  };
  const others = hasSortsAndMerges ? [sort(), merge()] : [];
  await Promise.all([...Array.from({ length: clients }, client), watch(), query(), ...others]);

  const overMs = performance.now();
  while (await refusalOf(transports[0], markedRecord(`after-${sent++}`)) !== undefined) {
    if (performance.now() - overMs > 20_000) throw new Error(`still refused after 20 s: ${lastRefusal}`);
    await Bun.sleep(50);
  }
  const recoveredMs = performance.now() - overMs;
  if (hasSortsAndMerges) { // two segments at least, also on a machine that left the load no time
    for (let segment = 0; segment < 2; segment++) {
      await transports[0].post("logs", markedRecord(`after-${sent++}`), false, AbortSignal.timeout(60_000));
      await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
    }
    merges += await mergesNow(box);
    mostBytes = Math.max(mostBytes, residentBytes(box.pid));
  }
  const rows = await box.rows(
    "SELECT event_name, count(*) FROM logs WHERE event_name LIKE 'request-%' GROUP BY ALL",
  );
  const counts = new Map(rows.map(([name, count]) => [String(name), Number(count)]));
  const lost = [...acknowledged].filter((name) => counts.get(name) !== 1);
  const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 1024);
  console.log(
    `${protocol}: ${acknowledged.size} requests of ${
      mebibytes(bodyBytes)
    } MiB acknowledged, ${refused} refused, ${lost.length} lost; ` +
      `RSS ${mebibytes(idleBytes)} MiB idle, ${mebibytes(mostBytes)} at most of ${mebibytes(limitBytes)}, ` +
      `${mebibytes(residentBytes(box.pid))} after; ${queries} queries, the slowest ${
        Math.round(slowestQueryMs)
      } ms; ` +
      (hasSortsAndMerges
        ? `${sorts} sorts of all rows and ${merges} merges, ${sortsEnded} sorts and ${queriesEnded} queries ended; `
        : "") +
      `taken again after ${Math.round(recoveredMs)} ms; last refusal: ${lastRefusal.slice(0, 200)}`,
  );
  expect(lost).toEqual([]);
  expect(acknowledged.size).toBeGreaterThan(10);
  expect(queries).toBeGreaterThan(0);
  if (hasSortsAndMerges) expect(Math.min(sorts + sortsEnded, merges)).toBeGreaterThan(0);
  expect(mostBytes).toBeLessThan(limitBytes * (hasSortsAndMerges ? passedByBusy : passedBy));
  expect(recoveredMs).toBeLessThan(5_000);
  for (const transport of transports) transport.close();
}

/** Merges all that can be merged; returns how many merges that took. */
async function mergesNow(box: Box): Promise<number> {
  const response = await fetch(`${box.endpoints.http}/api/v1/admin/compact`, { method: "POST" });
  const report = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(report));
  return report.merges;
}

/** Why a request was refused; `undefined` when it was taken. Anything else is thrown. */
async function refusalOf(transport: Transport, body: Uint8Array): Promise<OpenWitError | undefined> {
  try {
    await transport.post("logs", body, false, AbortSignal.timeout(60_000));
    return undefined;
  } catch (error) {
    if (error instanceof OpenWitError && error.retryable) return error;
    throw error;
  }
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
