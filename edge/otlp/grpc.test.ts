import { afterAll, beforeAll, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import http2 from "node:http2";
import zlib from "node:zlib";
import { OpenWitError } from "../../core/error.ts";
import { silentLog } from "../../core/env/log.ts";
import type { IngestRequest, IngestResult } from "../../core/ingest/request.ts";
import { newGuard } from "../http/guard.ts";
import { InflightBudget } from "./budget.ts";
import { type GrpcListener, serveOtlpGrpc } from "./grpc.ts";
import { frameMessage } from "./grpc-message.ts";
import type { ReceiverDeps, RequestOutcome } from "./receiver.ts";

const accepted: IngestResult = { rows: 1, rejected: 0, message: "", duplicate: false };
const logsMethod = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const limits = { wireBytesMax: 200_000, bodyBytesMax: 1_000_000, bodyTimeoutMs: 400 };

const requests: IngestRequest[] = [];
const outcomes: RequestOutcome[] = [];
const budget = new InflightBudget(2_000_000);
let ingest: (request: IngestRequest) => Promise<IngestResult>;
let isDraining = false;
const deps: ReceiverDeps = {
  ingest: (request) => {
    requests.push(request);
    return ingest(request);
  },
  limits,
  budget,
  log: silentLog,
  onRequest: (outcome) => outcomes.push(outcome),
  isDraining: () => isDraining,
};
const guard = newGuard({ bindHost: "127.0.0.1" });
let listener: GrpcListener;
let client: grpc.Client;

beforeAll(async () => {
  listener = await serveOtlpGrpc(deps, guard, { host: "127.0.0.1", port: 0 });
  client = new grpc.Client(`127.0.0.1:${listener.port}`, grpc.credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await listener.stop(1_000);
});

interface Unary {
  readonly method?: string;
  readonly metadata?: Record<string, string>;
  readonly options?: grpc.CallOptions;
}

/** A unary call by grpc-js, of raw bytes. */
function call(message: Uint8Array, unary: Unary = {}): Promise<Buffer> {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(unary.metadata ?? {})) metadata.set(name, value);
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      unary.method ?? logsMethod,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => bytes,
      message,
      metadata,
      unary.options ?? {},
      (error, response) => error ? reject(error) : resolve(response!),
    )
  );
}

/** The refusal of a call that must not succeed. */
async function refusalOfCall(message: Uint8Array, unary?: Unary): Promise<grpc.ServiceError> {
  const outcome = await call(message, unary).catch((error) => error);
  if (Buffer.isBuffer(outcome)) throw new Error("the call succeeded");
  return outcome;
}

function reset(answer: () => Promise<IngestResult> = () => Promise.resolve(accepted)): void {
  requests.length = outcomes.length = 0;
  isDraining = false;
  ingest = answer;
}

interface RawAnswer {
  status?: number;
  headers: Record<string, unknown>;
  trailers: Record<string, unknown>;
  body: Buffer;
}

/** A request by node:http2, for what grpc-js would not send; `parts` become DATA frames of their own. */
async function raw(headers: Record<string, string>, parts: Uint8Array[] | "never ends"): Promise<RawAnswer> {
  const session = http2.connect(`http://127.0.0.1:${listener.port}`);
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": logsMethod,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  const answer: RawAnswer = { headers: {}, trailers: {}, body: Buffer.alloc(0) };
  stream.on("response", (found) => {
    answer.status = found[":status"];
    answer.headers = found;
    if (parts === "never ends") stream.end();
  });
  stream.on("trailers", (found) => answer.trailers = found);
  stream.on("data", (chunk: Buffer) => answer.body = Buffer.concat([answer.body, chunk]));
  const closed = new Promise<void>((resolve) => {
    stream.on("close", resolve);
    stream.on("error", () => resolve());
  });
  if (parts === "never ends") stream.write(new Uint8Array(3));
  else {
    for (const part of parts) {
      stream.write(part);
      if (parts.length < 20) await Bun.sleep(2);
    }
    stream.end();
  }
  await closed;
  session.destroy();
  return answer;
}

const bytes = (text: string) => new TextEncoder().encode(text);

for (
  const [service, signal] of [["logs.v1.Logs", "logs"], ["trace.v1.Trace", "spans"], [
    "metrics.v1.Metrics",
    "metrics",
  ]]
) {
  test(`${service}Service/Export is ingested as ${signal}`, async () => {
    reset();
    const method = `/opentelemetry.proto.collector.${service}Service/Export`;
    expect((await call(bytes("abc"), { method, metadata: { "x-scope-orgid": "shop" } })).length).toBe(0);
    expect(requests).toMatchObject([
      { tenant: "shop", signal, protocol: "otlp-grpc", encoding: "protobuf", compression: "identity" },
    ]);
    expect(Buffer.from(requests[0].body).toString()).toBe("abc");
    expect(outcomes).toMatchObject([{ code: "ok", signal, rows: 1, bodyBytes: 3 }]);
  });
}

test("a message gzipped by grpc-js is decompressed, and its wire bytes are kept", async () => {
  reset();
  const plain = bytes("telemetry ".repeat(50_000));
  const gzipping = new grpc.Client(`127.0.0.1:${listener.port}`, grpc.credentials.createInsecure(), {
    "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
  });
  const before = client;
  client = gzipping;
  await call(plain);
  client = before;
  gzipping.close();
  expect(requests[0].compression).toBe("gzip");
  expect(Buffer.from(requests[0].body).equals(plain)).toBe(true);
  expect(zlib.gunzipSync(requests[0].wire).equals(plain)).toBe(true);
});

test("zstd is taken too, however its bytes are cut into frames", async () => {
  reset();
  const plain = bytes("telemetry ".repeat(1_000));
  const frame = frameMessage(zlib.zstdCompressSync(plain));
  frame[0] = 1;
  const parts = [...frame].map((byte) => new Uint8Array([byte]));
  const answer = await raw({ "grpc-encoding": "zstd" }, parts);
  expect(answer.trailers["grpc-status"]).toBe("0");
  expect(answer.body).toEqual(Buffer.alloc(5));
  expect(Buffer.from(requests[0].body).equals(plain)).toBe(true);
});

test("a partial success is in the response message", async () => {
  reset(() => Promise.resolve({ ...accepted, rejected: 2, message: "no" }));
  expect([...await call(bytes("abc"))]).toEqual([10, 6, 8, 2, 18, 2, 110, 111]);
});

test("a retryable failure carries a RetryInfo, its message percent-encoded", async () => {
  reset(() => Promise.reject(new OpenWitError("disk_full", "100% full · größer", { retryAfterMs: 1_500 })));
  const error = await refusalOfCall(bytes("abc"));
  expect(error.code).toBe(grpc.status.UNAVAILABLE);
  expect(error.details).toBe("100% full · größer");
  const details = error.metadata.get("grpc-status-details-bin")[0] as Buffer;
  expect(details.includes("type.googleapis.com/google.rpc.RetryInfo")).toBe(true);
  // Duration { seconds: 1, nanos: 500_000_000 }
  expect(details.includes(Buffer.from([8, 1, 16, 0x80, 0xca, 0xb5, 0xee, 1]))).toBe(true);
});

const statuses = [
  ["invalid_argument", grpc.status.INVALID_ARGUMENT, false],
  ["malformed", grpc.status.INVALID_ARGUMENT, false],
  ["unauthenticated", grpc.status.UNAUTHENTICATED, false],
  ["forbidden", grpc.status.PERMISSION_DENIED, false],
  ["too_large", grpc.status.RESOURCE_EXHAUSTED, false],
  ["overloaded", grpc.status.RESOURCE_EXHAUSTED, true],
  ["unavailable", grpc.status.UNAVAILABLE, true],
  ["io", grpc.status.UNAVAILABLE, true],
  ["conflict", grpc.status.FAILED_PRECONDITION, false],
  ["corrupt", grpc.status.INTERNAL, false],
  ["internal", grpc.status.INTERNAL, false],
] as const;
for (const [code, status, isRetried] of statuses) {
  test(`${code} is ${grpc.status[status]}, ${isRetried ? "with" : "without"} RetryInfo`, async () => {
    reset(() => Promise.reject(new OpenWitError(code, "x")));
    const error = await refusalOfCall(bytes("abc"));
    expect(error.code).toBe(status);
    expect(error.metadata.get("grpc-status-details-bin").length).toBe(isRetried ? 1 : 0);
    expect(outcomes).toMatchObject([{ code }]);
  });
}

test("an unknown method is UNIMPLEMENTED", async () => {
  reset();
  expect((await refusalOfCall(bytes("abc"), { method: "/x.Y/Z" })).code).toBe(grpc.status.UNIMPLEMENTED);
});

test("a message over the limit is RESOURCE_EXHAUSTED for good, and its client need not be able to stop", async () => {
  reset();
  const error = await refusalOfCall(new Uint8Array(20_000_000));
  expect(error.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
  expect(error.details).toContain("20000000 bytes");
  expect(error.metadata.get("grpc-status-details-bin")).toEqual([]);
});

test("a bad tenant is INVALID_ARGUMENT", async () => {
  reset();
  const error = await refusalOfCall(bytes("abc"), { metadata: { "x-scope-orgid": "../etc" } });
  expect(error.code).toBe(grpc.status.INVALID_ARGUMENT);
});

test("the client's deadline ends the call, and what the ingest then holds is given back when it is done", async () => {
  const gate = Promise.withResolvers<IngestResult>();
  reset(() => gate.promise);
  const answer = await raw({ "grpc-timeout": "100m" }, [frameMessage(bytes("abc"))]);
  expect(answer.headers["grpc-status"]).toBe("4");
  expect(budget.used).toBeGreaterThan(0);
  gate.resolve(accepted);
  await Bun.sleep(5);
  expect(budget.used).toBe(0);
  expect(outcomes.map((outcome) => outcome.code)).toEqual(["deadline_exceeded"]);
});

const gzipFlagged = (message: Uint8Array) => {
  const frame = frameMessage(message);
  frame[0] = 1;
  return [frame];
};
const hostile: [string, Record<string, string>, Uint8Array[] | "never ends", string, string][] = [
  ["an unknown coding", { "grpc-encoding": "snappy" }, [frameMessage(bytes("a"))], "12", "gzip"],
  ["a flag without a coding", {}, gzipFlagged(bytes("a")), "3", "grpc-encoding"],
  ["another flag", {}, [new Uint8Array([7, 0, 0, 0, 0])], "3", "flag 7"],
  ["no message", {}, [], "3", "0 bytes"],
  ["half a prefix", {}, [new Uint8Array([0, 0])], "3", "2 bytes"],
  ["half a message", {}, [frameMessage(bytes("abcdef")).subarray(0, 8)], "3", "3 of the message's 6"],
  ["two messages", {}, [frameMessage(bytes("a")), frameMessage(bytes("b"))], "3", "more bytes"],
  ["garbage as gzip", { "grpc-encoding": "gzip" }, gzipFlagged(new Uint8Array(100)), "3", "gzip"],
  [
    "a bomb",
    { "grpc-encoding": "gzip" },
    gzipFlagged(zlib.gzipSync(Buffer.alloc(10_000_000))),
    "8",
    "1000000",
  ],
  ["a bad time-out", { "grpc-timeout": "soon" }, [frameMessage(bytes("a"))], "3", "grpc-timeout"],
  ["a foreign authority", { ":authority": "evil.example" }, [frameMessage(bytes("a"))], "7", "evil.example"],
  ["an upload that never ends", {}, "never ends", "4", "400 ms"],
];
for (const [name, headers, parts, status, text] of hostile) {
  test(`${name} is refused with status ${status}, and a good call beside it is untouched`, async () => {
    reset();
    const [answer] = await Promise.all([raw(headers, parts), call(bytes("good"))]);
    expect(answer.status).toBe(200);
    expect(answer.headers["grpc-status"]).toBe(status);
    expect(String(answer.headers["grpc-message"])).toContain(text);
    expect(requests.map((request) => Buffer.from(request.body).toString())).toEqual(["good"]);
    await Bun.sleep(5);
    expect(budget.used).toBe(0);
  });
}

test("another content type is 415, and GET 405, for clients that do not speak gRPC", async () => {
  reset();
  expect((await raw({ "content-type": "application/json" }, [bytes("{}")])).status).toBe(415);
  expect((await raw({ "content-type": "application/grpc-web" }, [bytes("{}")])).status).toBe(415);
  expect((await raw({ ":method": "GET" }, [])).status).toBe(405);
});

test("health answers for the server and for each service, and NOT_SERVING while draining", async () => {
  reset();
  const check = (service: string) =>
    call(Buffer.concat([Buffer.from([10, service.length]), Buffer.from(service)]), {
      method: "/grpc.health.v1.Health/Check",
    });
  expect([...await call(new Uint8Array(0), { method: "/grpc.health.v1.Health/Check" })]).toEqual([8, 1]);
  expect([...await check("opentelemetry.proto.collector.logs.v1.LogsService")]).toEqual([8, 1]);
  expect((await check("x.Y").catch((error) => error)).code).toBe(grpc.status.NOT_FOUND);
  isDraining = true;
  expect([...await call(new Uint8Array(0), { method: "/grpc.health.v1.Health/Check" })]).toEqual([8, 2]);
  expect((await refusalOfCall(bytes("a"))).code).toBe(grpc.status.UNAVAILABLE);
});

test("1,000 calls at once on one connection all succeed", async () => {
  reset();
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => call(bytes(`message ${i}`))));
  expect(requests.length).toBe(1_000);
});

test("calls beyond the budget are refused with a delay; those begun are untouched", async () => {
  const gate = Promise.withResolvers<IngestResult>();
  reset(() => gate.promise);
  const holders = Array.from({ length: 10 }, () => call(new Uint8Array(199_000)));
  while (requests.length < 10) await Bun.sleep(2);
  const error = await refusalOfCall(new Uint8Array(150_000));
  expect(error.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
  expect(error.metadata.get("grpc-status-details-bin").length).toBe(1);
  gate.resolve(accepted);
  await Promise.all(holders);
  await call(new Uint8Array(150_000));
  await Bun.sleep(5);
  expect(budget.used).toBe(0);
});

test("stop sends GOAWAY, finishes the calls in flight and closes", async () => {
  const gate = Promise.withResolvers<IngestResult>();
  reset(() => gate.promise);
  const other = await serveOtlpGrpc(deps, guard, { host: "127.0.0.1", port: 0 });
  const session = http2.connect(`http://127.0.0.1:${other.port}`);
  let wentAway = false;
  session.on("goaway", () => wentAway = true);
  const sessionClosed = new Promise<void>((resolve) => session.on("close", () => resolve()));
  const stream = session.request({
    ":method": "POST",
    ":path": logsMethod,
    "content-type": "application/grpc",
  });
  const trailers = new Promise<Record<string, unknown>>((resolve) => stream.on("trailers", resolve));
  stream.resume();
  stream.end(frameMessage(bytes("abc")));
  while (requests.length === 0) await Bun.sleep(2);
  const stopping = other.stop(5_000);
  await Bun.sleep(50);
  expect(wentAway).toBe(true);
  gate.resolve(accepted);
  expect((await trailers)["grpc-status"]).toBe("0");
  expect(await stopping).toBe(true);
  await sessionClosed;
});

test("stop cuts what has not finished by its deadline, and says so", async () => {
  reset(() => new Promise(() => {}));
  const other = await serveOtlpGrpc(deps, guard, { host: "127.0.0.1", port: 0 });
  const session = http2.connect(`http://127.0.0.1:${other.port}`);
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": logsMethod,
    "content-type": "application/grpc",
  });
  stream.on("error", () => {});
  stream.end(frameMessage(bytes("abc")));
  while (requests.length === 0) await Bun.sleep(2);
  expect(await other.stop(50)).toBe(false);
});
