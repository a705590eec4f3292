import { Buffer } from "node:buffer";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "bun:test";
import { demoCommand, describeSummary, parseDemoOptions } from "./command.ts";
import { type DemoOptions, runDemo } from "./demo.ts";
import { ProtobufWriter } from "./encode.ts";
import { otlpClient } from "./send.ts";

const closers: (() => unknown)[] = [];
afterEach(() => void closers.splice(0).forEach((close) => close()));

interface Call {
  readonly path: string;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Uint8Array;
}

type Answer = { status: number; message?: string; details?: string; body?: Uint8Array } | "reset";

/** A gRPC server that answers each call as told. */
async function grpcServer(
  answer: (call: Call, index: number) => Answer | Promise<Answer>,
): Promise<{ endpoint: string; calls: Call[] }> {
  const calls: Call[] = [];
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    const parts: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("end", async () => {
      const framed = Buffer.concat(parts);
      const call = { path: headers[":path"]!, headers, body: framed.subarray(5) };
      expect(framed.readUInt32BE(1)).toBe(call.body.length);
      calls.push(call);
      const told = await answer(call, calls.length - 1);
      if (told === "reset") return stream.close(2);
      const trailers = {
        "grpc-status": String(told.status),
        "grpc-message": encodeURIComponent(told.message ?? ""),
        ...(told.details === undefined ? {} : { "grpc-status-details-bin": told.details }),
      };
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      const body = told.body ?? new Uint8Array();
      const head = Buffer.alloc(5);
      head.writeUInt32BE(body.length, 1);
      stream.end(told.status === 0 ? Buffer.concat([head, body]) : undefined);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls };
}

function httpServer(answer: (call: Call, index: number) => Response): { endpoint: string; calls: Call[] } {
  const calls: Call[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const body = new Uint8Array(await request.arrayBuffer());
      calls.push({ path: new URL(request.url).pathname, headers: Object.fromEntries(request.headers), body });
      return answer(calls.at(-1)!, calls.length - 1);
    },
  });
  closers.push(() => server.stop(true));
  return { endpoint: server.url.origin, calls };
}

function options(endpoint: string, changes: Partial<DemoOptions> = {}): DemoOptions {
  const parsed = parseDemoOptions(["--endpoint", endpoint, "--duration", "0s", "--backfill", "10s"]);
  return { ...parsed, retryMs: 5_000, ...changes };
}

const silent = { write: () => {}, isTty: false };
const ok = { status: 0 };
const stream = { compression: "none", timeoutMs: 5_000 } as const;

/** A google.rpc.Status with a RetryInfo of so many milliseconds, as gRPC sends it. */
function retryInfo(ms: number): string {
  const writer = new ProtobufWriter();
  writer.varintField(1, 8);
  const any = writer.open(3);
  writer.stringField(1, "type.googleapis.com/google.rpc.RetryInfo");
  const info = writer.open(2);
  const delay = writer.open(1);
  writer.varintField(1, Math.floor(ms / 1_000));
  writer.varintField(2, ms % 1_000 * 1e6);
  writer.close(delay);
  writer.close(info);
  writer.close(any);
  return Buffer.from(writer.take()).toString("base64");
}

function partialSuccess(rejected: number, message: string): Uint8Array {
  const writer = new ProtobufWriter();
  const partial = writer.open(1);
  writer.varintField(1, rejected);
  writer.stringField(2, message);
  writer.close(partial);
  return writer.take();
}

describe("over gRPC", () => {
  test("all signals arrive, and every record is counted as acknowledged", async () => {
    const { endpoint, calls } = await grpcServer(() => ok);
    const summary = await runDemo(options(endpoint, { tenant: "shop-1" }), silent);
    expect(summary.acknowledged).toBe(summary.sent);
    expect(Math.abs(summary.sent - 2_000)).toBeLessThan(1_200);
    expect(new Set(calls.map(({ path }) => path)).size).toBe(3);
    expect(calls.every(({ headers }) => headers["x-scope-orgid"] === "shop-1")).toBe(true);
    expect(gunzipSync(calls[0].body)[0]).toBe(10);
  });

  test("a busy server is asked again, no earlier than its RetryInfo says", async () => {
    const { endpoint, calls } = await grpcServer((_, index) =>
      index === 0 ? { status: 8, message: "full", details: retryInfo(600) } : ok
    );
    const beganMs = performance.now();
    const summary = await runDemo(options(endpoint, { concurrency: 1, signals: ["logs"] }), silent);
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(590);
    expect(summary.retries).toBe(1);
    expect(summary.failed).toBe(0);
    expect(calls[1].body).toEqual(calls[0].body);
  });

  test("RESOURCE_EXHAUSTED without RetryInfo, and INVALID_ARGUMENT, are not tried again", async () => {
    for (const status of [8, 3]) {
      const { endpoint, calls } = await grpcServer(() => ({ status, message: "no, 100% no" }));
      await expect(runDemo(options(endpoint, { concurrency: 1 }), silent)).rejects.toThrow("no, 100% no");
      expect(calls.length).toBe(1);
    }
  });

  test("a partial success counts what was rejected", async () => {
    const { endpoint } = await grpcServer((_, index) =>
      index === 0 ? { status: 0, body: partialSuccess(7, "too old") } : ok
    );
    const summary = await runDemo(options(endpoint), silent);
    expect(summary.rejected).toBe(7);
    expect(summary.acknowledged).toBe(summary.sent - 7);
    expect(summary.lastError!.message).toBe("too old");
  });

  test("a lost stream is tried again", async () => {
    const { endpoint } = await grpcServer((_, index) => index === 0 ? "reset" : ok);
    const summary = await runDemo(options(endpoint, { signals: ["logs"] }), silent);
    expect(summary.retries).toBe(1);
    expect(summary.acknowledged).toBe(summary.sent);
  });

  test("a large body passes flow control", async () => {
    const { endpoint, calls } = await grpcServer(() => ok);
    const client = otlpClient({ ...stream, endpoint, protocol: "grpc" });
    await client.send("logs", new Uint8Array(8_000_000));
    expect(calls[0].body.length).toBe(8_000_000);
    client.close();
  });

  test("never more requests are under way than allowed", async () => {
    let underWay = 0, most = 0;
    const { endpoint } = await grpcServer(async () => {
      most = Math.max(most, ++underWay);
      await Bun.sleep(5);
      underWay--;
      return ok;
    });
    const summary = await runDemo(options(endpoint, { concurrency: 2, rate: 2_000 }), silent);
    expect(summary.failed).toBe(0);
    expect(most).toBe(2);
  });
});

describe("over HTTP", () => {
  test("all signals arrive at their paths", async () => {
    const { endpoint, calls } = httpServer(() => new Response());
    const summary = await runDemo(options(endpoint, { protocol: "http" }), silent);
    expect(summary.acknowledged).toBe(summary.sent);
    expect([...new Set(calls.map(({ path }) => path))].sort()).toEqual([
      "/v1/logs",
      "/v1/metrics",
      "/v1/traces",
    ]);
    expect(calls[0].headers["content-type"]).toBe("application/x-protobuf");
  });

  test("429 is tried again after Retry-After, 400 is not", async () => {
    const busy = httpServer((_, index) =>
      index === 0 ? new Response("busy", { status: 429, headers: { "retry-after": "1" } }) : new Response()
    );
    const http = { protocol: "http", signals: ["logs"], concurrency: 1 } as const;
    const summary = await runDemo(options(busy.endpoint, http), silent);
    expect(summary.retries).toBe(1);
    expect(summary.elapsedMs).toBeGreaterThanOrEqual(1_000);
    const strict = httpServer(() => new Response("bad bytes", { status: 400 }));
    await expect(runDemo(options(strict.endpoint, http), silent)).rejects.toThrow("bad bytes");
    expect(strict.calls.length).toBe(1);
  });
});

describe("the command", () => {
  test("nothing that listens is said at once, with what to do", async () => {
    for (const protocol of ["grpc", "http"] as const) {
      const beganMs = performance.now();
      const failure = await runDemo(options("http://127.0.0.1:9", { protocol }), silent).catch((error) =>
        error
      );
      expect(failure.message).toBe("nothing listens at 127.0.0.1:9");
      expect(failure.hint).toContain("openwit serve");
      expect(performance.now() - beganMs).toBeLessThan(2_000);
    }
  });

  test("gRPC at a port that speaks HTTP/1.1 is said within seconds, with what to do", async () => {
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    const startedMs = performance.now();
    const args = ["--endpoint", `http://127.0.0.1:${server.port}`, "--backfill", "10s", "--duration", "0s"];
    const error = await runDemo(parseDemoOptions(args), { write: () => {}, isTty: false }).catch((thrown) =>
      thrown
    );
    expect(error).toMatchObject({ code: "invalid_argument", retryable: false });
    expect(error.message).toContain("does not speak gRPC");
    expect(error.hint).toContain("--protocol http");
    expect(performance.now() - startedMs).toBeLessThan(8_000);
  }, 20_000);

  test("HTTP at a port that speaks gRPC is said within seconds, with what to do", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const args = ["--protocol", "http", "--endpoint", `http://127.0.0.1:${port}`];
      const options = parseDemoOptions([...args, "--backfill", "10s", "--duration", "0s"]);
      const error = await runDemo(options, { write: () => {}, isTty: false }).catch((thrown) => thrown);
      expect(error).toMatchObject({ code: "invalid_argument", retryable: false });
      expect(error.hint).toContain("--protocol grpc");
    } finally {
      server.close();
    }
  }, 20_000);

  test("live seconds are sent as they pass", async () => {
    const { endpoint } = await grpcServer(() => ok);
    const summary = await runDemo(options(endpoint, { backfillMs: 0, durationMs: 2_000 }), silent);
    expect(summary.elapsedMs).toBeGreaterThan(1_000);
    expect(summary.acknowledged).toBe(summary.sent);
    expect(summary.toMs - summary.fromMs).toBe(2_000);
  });

  test("a stop in the middle ends it soon and is said", async () => {
    const { endpoint } = await grpcServer(() => ok);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 300);
    const asked = options(endpoint, { backfillMs: 0, durationMs: Infinity });
    const summary = await runDemo(asked, silent, abort.signal);
    expect(summary.aborted).toBe(true);
    expect(describeSummary(asked, summary)).toStartWith("Stopped: ");
  });

  test("a bad value is refused by the name of its flag", () => {
    const bad: [string[], string][] = [
      [["--rate", "fast"], "--rate"],
      [["--rate", "0"], "--rate"],
      [["--duration", "5 parsecs"], "--duration"],
      [["--backfill", "-1h"], "--backfill"],
      [["--signals", "logs,trace"], "--signals"],
      [["--protocol", "grcp"], "--protocol"],
      [["--endpoint", "http://x/v1/logs"], "--endpoint"],
      [["--compression", "lz4"], "--compression"],
      [["--seed", "x"], "--seed"],
      [["--tenant", "No Such"], "tenant"],
    ];
    for (const [args, flag] of bad) expect(() => parseDemoOptions(args)).toThrow(flag);
    expect(() => parseDemoOptions(["--durration", "5m"])).toThrow("--durration");
  });

  test("the summary counts what was sent and says what to type next", async () => {
    const { endpoint } = await grpcServer(() => ok);
    let text = "";
    const io = { write: (part: string) => void (text += part), isTty: false };
    const args = [
      "--endpoint",
      endpoint,
      "--duration",
      "0s",
      "--backfill",
      "2h",
      "--rate",
      "1",
      "--protocol",
      "grpc",
    ];
    expect(await demoCommand.run(args, io)).toBe(0);
    expect(text).toMatch(/acknowledged ([\d,]+) of \1 records/);
    expect(text).toContain("incident: ");
    expect(text).toContain('openwit query "SELECT');
  });
});
