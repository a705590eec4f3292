/**
 * Results of a million rows and 256 MB from a box of 512 MiB to readers that are slow, stop, or go away: resident memory
 * stays in its bound, the engine waits for the reader, and who has gone frees what was held for it.
 *
 * STREAM_ROWS (1000000) is how many rows.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { RecordBatchReader } from "apache-arrow";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { Box } from "./box.ts";

const rows = Number(process.env.STREAM_ROWS ?? 1_000_000);
const limitBytes = 512 * 1024 * 1024;
const sql = `SELECT i, repeat('x', 232) || i AS text FROM range(${rows}) AS t(i)`;

const box = new Box(["--config", `${process.env.TMPDIR ?? "/tmp"}/openwit-stream-${process.pid}.yaml`]);
beforeAll(async () => {
  await Bun.write(
    box.flags[1],
    "memory:\n  limit: 512MiB\nsearch:\n  result_max: 512MiB\n  spill_max: 1GiB\n",
  );
  await box.start();
  await box.value("SELECT 1");
}, 60_000);
afterAll(() => box[Symbol.asyncDispose]());

for (
  const [type, count] of [
    ["application/x-ndjson", countLines],
    ["text/csv", async (body: AsyncIterable<Uint8Array>) => await countLines(body) - 1],
    ["application/vnd.apache.arrow.stream", countArrowRows],
  ] as const
) {
  test(`${type}: ${rows} rows to a slow reader, whole and within memory`, async () => {
    const watch = watchMemory();
    const response = await query(type);
    expect(response.status).toBe(200);
    let bytes = 0, mostBytes = 0;
    const slow = async function* () {
      for await (const piece of response.body!) {
        bytes += piece.length;
        yield piece;
        if (bytes % (8 * 1024 * 1024) < piece.length) await Bun.sleep(20);
      }
    };
    const counted = await count(slow()).finally(() => mostBytes = watch());
    expect(counted).toBe(rows);
    console.log(`${type}: ${bytes >> 20} MiB read, at most ${mostBytes >> 20} MiB resident`);
    expect(bytes).toBeGreaterThan(rows * 232);
    expect(mostBytes).toBeLessThan(limitBytes * 1.15);
  }, 120_000);
}

test("a reader who stops makes the engine wait, and one who goes frees what was held", async () => {
  const socket = await request("application/x-ndjson");
  let got = 0;
  socket.on("data", (piece) => {
    got += piece.length;
    socket.pause();
  });
  while (got === 0) await Bun.sleep(20);
  await Bun.sleep(1_000);
  const before = { bytes: residentBytes(), cpu: cpuTicks() };
  await Bun.sleep(2_000);
  expect(residentBytes() - before.bytes).toBeLessThan(32 * 1024 * 1024);
  expect(cpuTicks() - before.cpu).toBeLessThan(60); // of 200 a core
  expect(got).toBeLessThan(4 * 1024 * 1024);
  const cancelled = await metric('openwit_queries_total{outcome="cancelled"}');
  socket.destroy();
  await until(async () => await metric('openwit_queries_total{outcome="cancelled"}') === cancelled + 1, 500);
}, 60_000);

test("a client that goes away while its statement runs interrupts it at once", async () => {
  const socket = await request(
    "application/json",
    "SELECT count(*) FROM range(10000000) a, range(10000000) b",
  );
  await until(async () => await metric("openwit_queries_running") === 1, 5_000);
  socket.destroy();
  const beganMs = performance.now();
  await until(async () => await metric("openwit_queries_running") === 0, 2_000);
  const elapsedMs = performance.now() - beganMs;
  console.log(`the statement's slot was free after ${Math.round(elapsedMs)} ms`);
  expect(elapsedMs).toBeLessThan(300); // 100 and a busy machine
}, 30_000);

test("a client that goes away while it waits leaves the queue", async () => {
  const sockets: Socket[] = [];
  for (let at = 0; at < 10; at++) {
    sockets.push(
      await request("application/json", "SELECT count(*) FROM range(10000000) a, range(10000000) b"),
    );
  }
  await until(async () => await metric("openwit_queries_waiting") > 0, 5_000);
  for (const socket of sockets) socket.destroy();
  await until(
    async () =>
      await metric("openwit_queries_waiting") === 0 && await metric("openwit_queries_running") === 0,
    2_000,
  );
  expect(await box.value("SELECT 1")).toBe(1);
}, 30_000);

test("JSON is bounded by rows unless a limit says more", async () => {
  const response = await query("application/json", {});
  const answer = await response.json();
  expect(answer.row_count).toBe(10_000);
  expect(answer.truncated).toBe("rows");
});

function query(accept: string, limits: object = { limit: rows }): Promise<Response> {
  return fetch(`${box.endpoints.http}/api/v1/query`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: accept },
    body: JSON.stringify({ sql, ...limits }),
  });
}

/** A request over a socket of its own. */
async function request(accept: string, statement = sql): Promise<Socket> {
  const { hostname, port, host } = new URL(box.endpoints.http);
  const body = JSON.stringify({ sql: statement, limit: rows });
  const socket = connect(Number(port), hostname);
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write(
    `POST /api/v1/query HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nAccept: ${accept}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

async function countLines(body: AsyncIterable<Uint8Array>): Promise<number> {
  let lines = 0;
  for await (const piece of body) for (const byte of piece) if (byte === 10) lines++;
  return lines;
}

async function countArrowRows(body: AsyncIterable<Uint8Array>): Promise<number> {
  let count = 0;
  const reader = await RecordBatchReader.from(body);
  for await (const batch of reader) count += batch.numRows;
  return count;
}

/** Samples resident memory until it is asked for the most. */
function watchMemory(): () => number {
  let mostBytes = residentBytes();
  const timer = setInterval(() => mostBytes = Math.max(mostBytes, residentBytes()), 20);
  return () => {
    clearInterval(timer);
    return mostBytes;
  };
}

async function until(isSo: () => Promise<boolean>, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!await isSo()) {
    if (performance.now() > deadline) throw new Error(`it was not so within ${withinMs} ms`);
    await Bun.sleep(10);
  }
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${box.endpoints.http}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return Number(line?.split(" ")[1] ?? 0);
}

function residentBytes(): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${box.pid}/status`, "utf8"))?.[1]) * 1024;
}

/** CPU time of the box, user and system, in hundredths of a second. */
function cpuTicks(): number {
  const fields = readFileSync(`/proc/${box.pid}/stat`, "utf8").split(") ")[1].split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
