/**
 * Hostile clients against both receivers over real sockets: each gets a precise refusal or a closed
 * connection in bounded time, and good requests sent beside it are all acknowledged with their own bytes.
 * Then mutated and re-cut inputs against the parts that read untrusted bytes.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import http2 from "node:http2";
import net from "node:net";
import zlib from "node:zlib";
import { silentLog } from "../../core/env/log.ts";
import { randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import type { IngestRequest } from "../../core/ingest/request.ts";
import { newGuard } from "../../edge/http/guard.ts";
import { type HttpListener, serveHttp } from "../../edge/http/serve.ts";
import { InflightBudget } from "../../edge/otlp/budget.ts";
import { type Coding, decompress } from "../../edge/otlp/decompress.ts";
import { frameMessage, MessageReader } from "../../edge/otlp/grpc-message.ts";
import { type GrpcListener, serveOtlpGrpc } from "../../edge/otlp/grpc.ts";
import { otlpHttp } from "../../edge/otlp/http.ts";
import type { ReceiverDeps } from "../../edge/otlp/receiver.ts";

const logsMethod = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const limits = { wireBytesMax: 100_000, bodyBytesMax: 1_000_000, bodyTimeoutMs: 600 };
const seed = Number(process.env.SEED ?? 7);

const requests: IngestRequest[] = [];
const budget = new InflightBudget(50_000_000);
let http: HttpListener;
let grpc: GrpcListener;

beforeAll(async () => {
  const deps: ReceiverDeps = {
    ingest: async (request) => {
      requests.push(request);
      await Bun.sleep(1);
      return { rows: 1, rejected: 0, message: "", duplicate: false };
    },
    limits,
    budget,
    log: silentLog,
    onRequest: () => {},
    isDraining: () => false,
  };
  const guard = newGuard({ bindHost: "127.0.0.1" });
  http = serveHttp(otlpHttp(deps, guard), {
    host: "127.0.0.1",
    port: 0,
    requestBytesMax: 1_000_000,
    idleTimeoutMs: 2_000,
    requestTimeoutMs: 5_000,
  });
  grpc = await serveOtlpGrpc(deps, guard, { host: "127.0.0.1", port: 0, handshakeTimeoutMs: 300 });
});
afterAll(() => Promise.all([http.stop(1_000), grpc.stop(1_000)]));

/** Writes `parts` (a number is a pause in ms) to a socket; resolves with all that comes back until it closes. */
function speak(
  port: number,
  parts: readonly (string | Uint8Array | number)[],
  endAfter = false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    let answer = "";
    const giveUp = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection stayed open; so far: ${JSON.stringify(answer)}`));
    }, 8_000);
    socket.on("data", (chunk) => answer += chunk.toString("latin1"));
    socket.on("error", () => {}); // a reset is one way to be refused; "close" follows
    socket.on("close", () => {
      clearTimeout(giveUp);
      resolve(answer);
    });
    socket.on("connect", async () => {
      for (const part of parts) {
        if (typeof part === "number") await Bun.sleep(part);
        else socket.write(part);
      }
      if (endAfter) socket.end();
    });
  });
}

/** Good requests over both protocols while `attack` runs; all must be acknowledged, each with its bytes. */
async function beside<T>(attack: () => Promise<T>): Promise<T> {
  requests.length = 0;
  let isOver = false;
  let sent = 0;
  const good = async (send: (body: string) => Promise<void>) => {
    do {
      await send(`good ${sent++}`);
      await Bun.sleep(5);
    } while (!isOver);
  };
  const session = http2.connect(`http://127.0.0.1:${grpc.port}`);
  const sending = Promise.all([
    good(async (body) => {
      const response = await fetch(`http://127.0.0.1:${http.port}/v1/logs`, {
        method: "POST",
        headers: { "content-type": "application/x-protobuf" },
        body,
      });
      await response.bytes();
      if (response.status !== 200) throw new Error(`a good request got ${response.status}`);
    }),
    good((body) => goodCall(session, body)),
  ]);
  const outcome = await attack().finally(() => isOver = true);
  await sending;
  session.close();
  const arrived = requests.map((request) => Buffer.from(request.body).toString()).filter((body) =>
    body.startsWith("good ")
  );
  expect(arrived.sort()).toEqual(Array.from({ length: sent }, (_, i) => `good ${i}`).sort());
  return outcome;
}

function goodCall(session: http2.ClientHttp2Session, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": logsMethod,
      "content-type": "application/grpc",
    });
    let status: unknown;
    stream.on("trailers", (trailers) => status = trailers["grpc-status"]);
    stream.on("error", reject);
    stream.on("close", () => status === "0" ? resolve() : reject(new Error(`a good call got ${status}`)));
    stream.resume();
    stream.end(frameMessage(new TextEncoder().encode(body)));
  });
}

const head = "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const httpAttacks: [string, (string | number)[], RegExp][] = [
  ["garbage bytes", ["\x16\x03\x01\x02\x00garbage\r\n\r\n"], /^HTTP\/1.1 400 /],
  ["an HTTP/2 preface", ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], /^HTTP\/1.1 400 /],
  ["no Host", ["POST /v1/logs HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"], /^HTTP\/1.1 400 /],
  [
    "HTTP/1.0 without Host",
    ["POST /v1/logs HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}"],
    /^HTTP\/1.1 400 [^]*no Host/,
  ],
  ["two lengths", [head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"], /^HTTP\/1.1 400 /],
  [
    "a length and chunks",
    [head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    /^HTTP\/1.1 400 /,
  ],
  ["a negative length", [head + "Content-Length: -2\r\n\r\n{}"], /^HTTP\/1.1 400 /],
  ["bad chunks", [head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"], /^(HTTP\/1.1 400 |$)/],
  ["a huge length", [head + "Content-Length: 99999999999\r\n\r\n{}"], /^HTTP\/1.1 413 /],
  [
    "a length over the limit and no body",
    [head + "Connection: close\r\nContent-Length: 200000\r\n\r\n"],
    /^HTTP\/1.1 413 /,
  ],
  ["a body that never ends", [head + "Content-Length: 90000\r\n\r\n{}"], /^HTTP\/1.1 504 [^]*600 ms/],
  [
    "a body that drips",
    [head + "Content-Length: 90\r\n\r\n", ...Array(9).fill([100, "a"]).flat()],
    /^HTTP\/1.1 504 /,
  ],
  ["chunks that never end", [head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"], /^HTTP\/1.1 504 /],
  ["a huge header", [head + `X: ${"x".repeat(500_000)}\r\n\r\n`], /^HTTP\/1.1 4(00|31) /],
];
for (const [name, parts, answer] of httpAttacks) {
  test(`HTTP: ${name} is refused, and what is beside it is untouched`, async () => {
    expect(await beside(() => speak(http.port, parts))).toMatch(answer);
    await Bun.sleep(5);
    expect(budget.used).toBe(0);
  }, 15_000);
}

test("HTTP: a body that ends before its length is not ingested", async () => {
  await beside(() => speak(http.port, [head + "Content-Length: 500\r\n\r\nshort"], true));
  expect(requests.some((request) => Buffer.from(request.body).includes("short"))).toBe(false);
  await Bun.sleep(50);
  expect(budget.used).toBe(0);
});

test("HTTP: 200 headers that never end disturb nobody", async () => {
  const sockets = Array.from({ length: 200 }, () => net.connect(http.port, "127.0.0.1"));
  for (const socket of sockets) socket.on("error", () => {}).write("POST /v1/logs HTTP/1.1\r\nHos");
  await beside(() => Bun.sleep(200));
  for (const socket of sockets) socket.destroy();
});

const resetStream = 3, goAway = 7;

/** The types of the HTTP/2 frames in what a server sent. */
function frameTypes(answer: string): number[] {
  const types: number[] = [];
  for (let at = 0; at + 9 <= answer.length;) {
    types.push(answer.charCodeAt(at + 3));
    at += 9 + (answer.charCodeAt(at) << 16 | answer.charCodeAt(at + 1) << 8 | answer.charCodeAt(at + 2));
  }
  return types;
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const emptySettings = new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const grpcAttacks: [string, (string | Uint8Array)[]][] = [
  ["HTTP/1.1", ["POST /v1/logs HTTP/1.1\r\nHost: localhost\r\n\r\n"]],
  ["garbage bytes", ["\x16\x03\x01\x02\x00 garbage garbage garbage garbage"]],
  ["half a preface", ["PRI * HT"]],
  ["silence", []],
  ["a preface and garbage", [preface, "garbage garbage garbage garbage"]],
  ["a frame over the maximum", [preface, emptySettings, new Uint8Array([255, 255, 255, 0, 0, 0, 0, 0, 1])]],
  ["headers that are not HPACK", [
    preface,
    emptySettings,
    new Uint8Array([0, 0, 4, 1, 5, 0, 0, 0, 1, 255, 255, 255, 255]),
  ]],
];
for (const [name, parts] of grpcAttacks) {
  test(`gRPC: ${name} is answered by a closed connection, and what is beside it is untouched`, async () => {
    const answer = await beside(() => speak(grpc.port, parts));
    if (name !== "silence" && name !== "half a preface") expect(frameTypes(answer)).toContain(goAway);
  }, 15_000);
}

test("gRPC: data on a stream that was never opened resets that stream alone", async () => {
  const data = new Uint8Array([0, 0, 1, 0, 0, 0, 0, 0, 9, 1]);
  const socket = net.connect(grpc.port, "127.0.0.1");
  let answer = "";
  socket.on("data", (chunk) => answer += chunk.toString("latin1"));
  socket.write(Buffer.concat([Buffer.from(preface), emptySettings, data]));
  await beside(() => Bun.sleep(100));
  socket.destroy();
  expect(frameTypes(answer)).toContain(resetStream);
});

test("gRPC: calls that are reset half-way give back what they held", async () => {
  const session = http2.connect(`http://127.0.0.1:${grpc.port}`);
  session.on("error", () => {});
  await beside(async () => {
    for (let i = 0; i < 50; i++) {
      const stream = session.request({
        ":method": "POST",
        ":path": logsMethod,
        "content-type": "application/grpc",
      });
      stream.on("error", () => {});
      stream.write(frameMessage(new Uint8Array(90_000)).subarray(0, 1 + i * 1_000));
      await Bun.sleep(2);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    session.destroy();
    await Bun.sleep(50);
  });
  await Bun.sleep(50);
  expect(budget.used).toBe(0);
  expect(grpc.inFlight()).toBe(0);
});

test("gRPC: random bytes as a message of any call are refused or taken, never more", async () => {
  const random = seededRandom(seed);
  const session = http2.connect(`http://127.0.0.1:${grpc.port}`);
  await beside(async () => {
    for (let round = 0; round < 100; round++) {
      const body = Uint8Array.from({ length: randomBelow(random, 60) }, () => randomBelow(random, 256));
      if (randomBelow(random, 2) === 0 && body.length > 5) {
        body.set([randomBelow(random, 2), 0, 0, 0, body.length - 5]);
      }
      const stream = session.request({
        ":method": "POST",
        ":path": logsMethod,
        "content-type": "application/grpc",
        "grpc-encoding": ["identity", "gzip", "zstd", "deflate"][randomBelow(random, 4)],
      });
      let status: unknown;
      stream.on("response", (headers) => status ??= headers["grpc-status"]);
      stream.on("trailers", (trailers) => status = trailers["grpc-status"]);
      stream.resume();
      const closed = new Promise((resolve) => stream.on("close", resolve));
      stream.end(body);
      await closed;
      if (!["0", "3", "8"].includes(String(status))) {
        throw new Error(`seed ${seed}, round ${round}: status ${status}`);
      }
    }
  });
  session.close();
});

test("a message is the same however its bytes are cut", () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 500; round++) {
    const message = Uint8Array.from({ length: randomBelow(random, 3_000) }, () => randomBelow(random, 256));
    const frame = frameMessage(message);
    const reader = new MessageReader(limits.wireBytesMax);
    for (let at = 0; at < frame.length;) {
      const end = Math.min(frame.length, at + randomBelow(random, 700));
      reader.push(frame.slice(at, end));
      at = end;
    }
    expect(Buffer.from(reader.finish().bytes).equals(message)).toBe(true);
  }
});

const compressors: [Coding, (bytes: Uint8Array) => Uint8Array][] = [
  ["gzip", zlib.gzipSync],
  ["zstd", zlib.zstdCompressSync],
  ["deflate", zlib.deflateSync],
];
for (const [coding, compress] of compressors) {
  test(`mutated ${coding} is refused in words or stays within the limit, and reserves what it makes`, async () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 2_000; round++) {
      const plain = Buffer.alloc(randomBelow(random, 40_000), `record ${round} of many; `);
      const wire = Uint8Array.from(compress(plain));
      for (let flips = randomBelow(random, 4); flips > 0; flips--) {
        wire[randomBelow(random, wire.length)] = randomBelow(random, 256);
      }
      const cut = wire.subarray(
        0,
        randomBelow(random, 3) === 0 ? randomBelow(random, wire.length) : wire.length,
      );
      using reservation = new InflightBudget(10_000_000).open();
      try {
        const body = await decompress(cut, coding, 30_000, reservation);
        expect(body.length).toBeLessThanOrEqual(30_000);
        expect(reservation.bytes).toBeGreaterThanOrEqual(body.length);
      } catch (error) {
        const code = error instanceof OpenWitError ? error.code : `${error}`;
        if (code !== "malformed" && code !== "too_large") {
          throw new Error(`seed ${seed}, round ${round}: ${code}`);
        }
      }
    }
  });
}
