import { afterAll, beforeAll, expect, test } from "bun:test";
import zlib from "node:zlib";
import { OpenWitError } from "../../core/error.ts";
import { silentLog } from "../../core/env/log.ts";
import type { IngestRequest, IngestResult } from "../../core/ingest/request.ts";
import { newGuard } from "../http/guard.ts";
import { type HttpListener, serveHttp } from "../http/serve.ts";
import { InflightBudget } from "./budget.ts";
import { otlpHttp } from "./http.ts";
import type { ReceiverDeps, RequestOutcome } from "./receiver.ts";

const accepted: IngestResult = { rows: 1, rejected: 0, message: "", duplicate: false };
const protobuf = { "content-type": "application/x-protobuf" };
const json = { "content-type": "application/json" };
const limits = { wireBytesMax: 20_000, bodyBytesMax: 100_000, bodyTimeoutMs: 500 };

function newReceiver(overrides: Partial<ReceiverDeps> = {}) {
  const requests: IngestRequest[] = [];
  const outcomes: RequestOutcome[] = [];
  const deps: ReceiverDeps = {
    ingest: (request) => {
      requests.push(request);
      return Promise.resolve(accepted);
    },
    limits,
    budget: new InflightBudget(1_000_000),
    log: silentLog,
    onRequest: (outcome) => outcomes.push(outcome),
    isDraining: () => false,
    ...overrides,
  };
  const app = otlpHttp(deps, newGuard({ bindHost: "127.0.0.1" }));
  const send = (path: string, init: RequestInit) =>
    app.request(path, { ...init, headers: { host: "localhost", ...init.headers as Record<string, string> } });
  const post = (headers: Record<string, string>, body: Uint8Array<ArrayBuffer> | string = "abc") =>
    send("/v1/logs", { method: "POST", headers, body });
  return { app, deps, requests, outcomes, send, post };
}

const bytes = (text: string) => new TextEncoder().encode(text);

for (
  const [path, signal] of [["/v1/logs", "logs"], ["/v1/traces", "spans"], ["/v1/metrics", "metrics"]] as const
) {
  test(`a body sent to ${path} is ingested as ${signal} and answered with an empty message`, async () => {
    const { send, requests, outcomes } = newReceiver();
    const response = await send(path, { method: "POST", headers: protobuf, body: bytes("abc") });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/x-protobuf");
    expect((await response.bytes()).length).toBe(0);
    expect(requests).toEqual([{
      tenant: "default",
      signal,
      protocol: "otlp-http",
      encoding: "protobuf",
      body: bytes("abc"),
      wire: bytes("abc"),
      compression: "identity",
    }]);
    expect(outcomes).toMatchObject([{ code: "ok", signal, wireBytes: 3, bodyBytes: 3, rows: 1 }]);
  });
}

test("JSON is answered with JSON, and a charset is tolerated", async () => {
  const { post, requests } = newReceiver();
  const response = await post({ "content-type": "Application/JSON; charset=utf-8" }, "{}");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.text()).toBe("{}");
  expect(requests[0].encoding).toBe("json");
});

const plain = new Uint8Array(Buffer.from("telemetry ".repeat(1_000)));
for (
  const [coding, wire, kept] of [
    ["identity", plain, "identity"],
    ["gzip", new Uint8Array(zlib.gzipSync(plain)), "gzip"],
    ["x-gzip", new Uint8Array(zlib.gzipSync(plain)), "gzip"],
    ["GZIP", new Uint8Array(zlib.gzipSync(plain)), "gzip"],
    ["zstd", new Uint8Array(zlib.zstdCompressSync(plain)), "zstd"],
    ["deflate", new Uint8Array(zlib.deflateSync(plain)), "identity"],
  ] as const
) {
  test(`a body in ${coding} is decompressed, and its wire bytes are kept as ${kept}`, async () => {
    const { post, requests } = newReceiver();
    const response = await post({ ...protobuf, "content-encoding": coding }, wire);
    expect(response.status).toBe(200);
    expect(Buffer.from(requests[0].body).equals(plain)).toBe(true);
    expect(Buffer.from(requests[0].wire).equals(coding === "deflate" ? plain : wire)).toBe(true);
    expect(requests[0].compression).toBe(kept);
  });
}

test("a partial success carries the count and the message, in protobuf and in JSON", async () => {
  const { post } = newReceiver({
    ingest: () => Promise.resolve({ ...accepted, rejected: 300, message: "no" }),
  });
  expect([...await (await post(protobuf)).bytes()]).toEqual([10, 7, 8, 0xac, 2, 18, 2, 110, 111]);
  expect(await (await post(json, "{}")).json()).toEqual({
    partialSuccess: { rejectedLogRecords: "300", errorMessage: "no" },
  });
});

test("a failure is a Status in the request's encoding, with a delay in both places", async () => {
  const { post } = newReceiver({
    ingest: () => Promise.reject(new OpenWitError("disk_full", "the disk is full", { retryAfterMs: 1_500 })),
  });
  const inJson = await post(json, "{}");
  expect(inJson.status).toBe(503);
  expect(inJson.headers.get("retry-after")).toBe("2");
  expect(await inJson.json()).toEqual({
    code: 14,
    message: "the disk is full",
    details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1.5s" }],
  });
  const inProtobuf = await post(protobuf);
  expect(inProtobuf.headers.get("content-type")).toBe("application/x-protobuf");
  const status = Buffer.from(await inProtobuf.bytes());
  expect(status.subarray(0, 4)).toEqual(Buffer.from([8, 14, 18, 16]));
  expect(status.includes("the disk is full")).toBe(true);
  expect(status.includes("type.googleapis.com/google.rpc.RetryInfo")).toBe(true);
});

const statuses = [
  ["invalid_argument", 400, false],
  ["malformed", 400, false],
  ["unauthenticated", 401, false],
  ["forbidden", 403, false],
  ["too_large", 413, false],
  ["overloaded", 429, true],
  ["disk_full", 503, true],
  ["unavailable", 503, true],
  ["io", 503, true],
  ["corrupt", 500, false],
  ["internal", 500, false],
] as const;
for (const [code, http, isRetried] of statuses) {
  test(`${code} is ${http}, ${isRetried ? "with" : "without"} Retry-After`, async () => {
    const { post, outcomes } = newReceiver({ ingest: () => Promise.reject(new OpenWitError(code, "x")) });
    const response = await post(protobuf);
    expect(response.status).toBe(http);
    expect(response.headers.get("retry-after")).toBe(isRetried ? "1" : null);
    expect(outcomes).toMatchObject([{ code, rows: 0 }]);
  });
}

test("an error that says it cannot be retried gets no status that clients retry", async () => {
  const { post } = newReceiver({
    ingest: () => Promise.reject(new OpenWitError("unavailable", "x", { retryable: false })),
  });
  expect((await post(protobuf)).status).toBe(500);
});

const bomb = new Uint8Array(zlib.gzipSync(Buffer.alloc(1_000_000)));
const refusals: [
  string,
  { path?: string; method?: string; headers?: Record<string, string>; body?: Uint8Array<ArrayBuffer> },
  number,
  string,
][] = [
  ["another path", { path: "/v1/log", headers: json }, 404, "/v1/logs, /v1/traces, /v1/metrics"],
  ["GET", { method: "GET" }, 405, "use POST"],
  ["no content type", { headers: {} }, 415, "application/x-protobuf or application/json"],
  ["another content type", { headers: { "content-type": "text/plain" } }, 415, "text/plain"],
  [
    "another coding",
    { headers: { ...json, "content-encoding": "br" } },
    415,
    "identity, gzip, zstd, deflate",
  ],
  ["two codings", { headers: { ...json, "content-encoding": "gzip, gzip" } }, 415, "gzip, gzip"],
  ["a bad tenant", { headers: { ...json, "x-scope-orgid": "../etc" } }, 400, "tenant"],
  ["two tenants", { headers: { ...json, "x-scope-orgid": "a", "index-id": "b" } }, 400, "index-id"],
  ["a body over the limit", { headers: json, body: new Uint8Array(20_001) }, 413, "20000"],
  ["a gzip bomb", { headers: { ...json, "content-encoding": "gzip" }, body: bomb }, 413, "100000"],
  [
    "a deflate bomb",
    {
      headers: { ...json, "content-encoding": "deflate" },
      body: new Uint8Array(zlib.deflateSync(Buffer.alloc(1_000_000))),
    },
    413,
    "100000",
  ],
  [
    "a zstd bomb",
    {
      headers: { ...json, "content-encoding": "zstd" },
      body: new Uint8Array(zlib.zstdCompressSync(Buffer.alloc(1_000_000))),
    },
    413,
    "100000",
  ],
  [
    "truncated gzip",
    {
      headers: { ...json, "content-encoding": "gzip" },
      body: new Uint8Array(zlib.gzipSync(plain)).slice(0, 50),
    },
    400,
    "gzip",
  ],
  [
    "an empty gzip body",
    { headers: { ...json, "content-encoding": "gzip" }, body: new Uint8Array(0) },
    400,
    "gzip",
  ],
  ["a foreign host", { headers: { ...json, host: "evil.example" } }, 403, "evil.example"],
  ["a foreign origin", { headers: { ...json, origin: "http://evil.example" } }, 403, "evil.example"],
];
for (const [name, request, status, text] of refusals) {
  test(`${name} is refused with ${status} and a Status that says why`, async () => {
    const { send, requests } = newReceiver();
    const response = await send(request.path ?? "/v1/logs", {
      method: request.method ?? "POST",
      headers: request.headers ?? {},
      ...(request.method === "GET" ? {} : { body: request.body ?? "{}" }),
    });
    expect(response.status).toBe(status);
    const body = await response.json() as { code: number; message: string };
    expect(body.message).toContain(text);
    expect(body.code).toBeGreaterThan(0);
    expect(requests).toEqual([]);
    if (status === 405) expect(response.headers.get("allow")).toBe("POST");
    expect(response.headers.get("retry-after")).toBeNull();
  });
}

test("the tenant comes from X-Scope-OrgID or index-id", async () => {
  const { post, requests } = newReceiver();
  await post({ ...json, "x-scope-orgid": "shop" }, "{}");
  await post({ ...json, "index-id": "fleet_7" }, "{}");
  await post({ ...json, "index-id": "same", "x-scope-orgid": "same" }, "{}");
  expect(requests.map((request) => request.tenant)).toEqual(["shop", "fleet_7", "same"]);
});

test("while draining, new requests are refused as unavailable, with a delay", async () => {
  const { post } = newReceiver({ isDraining: () => true });
  const response = await post(protobuf);
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("2");
});

test("requests beyond the budget are refused, and the budget is given back in the end", async () => {
  const gate = Promise.withResolvers<void>();
  const budget = new InflightBudget(10_000);
  const { post } = newReceiver({ budget, ingest: () => gate.promise.then(() => accepted) });
  const first = post(protobuf, new Uint8Array(9_000));
  await Bun.sleep(5);
  const second = await post(protobuf, new Uint8Array(2_000));
  expect(second.status).toBe(429);
  expect(second.headers.get("retry-after")).toBe("1");
  expect(
    (await Promise.all([post(protobuf, new Uint8Array(500)), (gate.resolve(), first)])).map((r) => r.status),
  )
    .toEqual([200, 200]);
  expect(budget.used).toBe(0);
});

let listener: HttpListener;
let base: string;
const overWire = newReceiver();
beforeAll(() => {
  listener = serveHttp(overWire.app, {
    host: "127.0.0.1",
    port: 0,
    requestBytesMax: 100_000_000,
    idleTimeoutMs: 2_000,
    requestTimeoutMs: 10_000,
  });
  base = `http://127.0.0.1:${listener.port}`;
});
afterAll(() => listener.stop(1_000));

test("over a socket, a body without Content-Length is cut off at the limit", async () => {
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(1_000));
      if (++pulls === 100) controller.close();
    },
  });
  let pulls = 0;
  const response = await fetch(`${base}/v1/logs`, { method: "POST", headers: protobuf, body });
  expect(response.status).toBe(413);
  await response.bytes();
});

test("over a socket, a client that writes 20 MB over the limit still hears why", async () => {
  const response = await fetch(`${base}/v1/logs`, {
    method: "POST",
    headers: json,
    body: new Uint8Array(20_000_000),
  });
  expect(response.status).toBe(413);
  expect((await response.json() as { message: string }).message).toContain("20000000 bytes");
});

test("stop waits for the requests in flight", async () => {
  const gate = Promise.withResolvers<IngestResult>();
  const { app } = newReceiver({ ingest: () => gate.promise });
  const other = serveHttp(app, {
    host: "127.0.0.1",
    port: 0,
    requestBytesMax: 1e6,
    idleTimeoutMs: 2_000,
    requestTimeoutMs: 9_000,
  });
  const pending = fetch(`http://127.0.0.1:${other.port}/v1/logs`, {
    method: "POST",
    headers: json,
    body: "{}",
  });
  await Bun.sleep(50);
  expect(other.inFlight()).toBe(1);
  const stopping = other.stop(5_000);
  gate.resolve(accepted);
  const response = await pending;
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("{}");
  expect(await stopping).toBe(true);
});
