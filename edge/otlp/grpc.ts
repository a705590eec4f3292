/**
 * OTLP/gRPC: a listener for unary calls over HTTP/2 without TLS, on node:http2, which does about three times
 * as much as @grpc/grpc-js.
 *
 * Serves the three Export methods and grpc.health.v1.Health/Check; all else is UNIMPLEMENTED.
 * OTLP 1.11 "OTLP/gRPC"; https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 *
 * Invariant: what arrives is accounted or dropped at once, and no stream is ever paused: Bun's node:http2 goes
 * on receiving for a stream that is paused and resumed, and held 850 MB of 96 uploads under a budget of 48.
 */
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { OpenWitError } from "../../core/error.ts";
import type { Guard } from "../http/guard.ts";
import { answerCall, discardUpload, refuseCall, serveExport } from "./grpc-call.ts";
import { MessageReader } from "./grpc-message.ts";
import { otlpExports, type ReceiverDeps } from "./receiver.ts";

export interface GrpcOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Flow-control window of a connection and of each of its streams, in bytes. */
  readonly windowBytes?: number;
  readonly connectionsMax?: number;
  /** A connection that opens no stream for so long is told to go, in milliseconds. */
  readonly idleTimeoutMs?: number;
  /** Time for a new connection's HTTP/2 preface, in milliseconds. */
  readonly handshakeTimeoutMs?: number;
}

export interface GrpcListener {
  readonly host: string;
  readonly port: number;
  /** Streams that are open. */
  inFlight(): number;
  connections(): number;
  /**
   * Sends GOAWAY on every connection, waits for open calls until the deadline, then cuts what is left.
   * @returns whether all were answered.
   */
  stop(deadlineMs: number): Promise<boolean>;
}

/**
 * Starts the listener.
 * @param guard checks `:authority` as HTTP's Host; see edge/http/guard.ts.
 * @throws (rejects with) OpenWitError `conflict` (the port is taken), `io`
 */
export async function serveOtlpGrpc(
  deps: ReceiverDeps,
  guard: Guard,
  options: GrpcOptions,
): Promise<GrpcListener> {
  const windowBytes = options.windowBytes ?? defaultWindowBytes;
  const server = http2.createServer({
    settings: { initialWindowSize: windowBytes, maxConcurrentStreams: concurrentStreamsMax },
  });
  server.maxConnections = options.connectionsMax ?? 256;
  const sessions = new Set<http2.ServerHttp2Session>();
  let inFlight = 0;
  let onIdle: (() => void) | undefined;

  server.on("session", (session) => {
    sessions.add(session);
    // Equal to the streams' window: above twice of it, large uploads stop for good.
    session.setLocalWindowSize(windowBytes);
    const handshake = setTimeout(() => session.destroy(), options.handshakeTimeoutMs ?? 10_000);
    session.once("remoteSettings", () => clearTimeout(handshake));
    session.setTimeout(options.idleTimeoutMs ?? 600_000, () => session.close());
    session.on("error", (error) => deps.log("debug", "a gRPC connection failed", { error: error.message }));
    session.on("close", () => {
      clearTimeout(handshake);
      sessions.delete(session);
    });
  });
  server.on("stream", (stream, headers) => {
    inFlight++;
    stream.on("close", () => {
      if (--inFlight === 0) onIdle?.();
    });
    // A reset or a lost connection: "close" follows and settles the call.
    stream.on("error", (error) => deps.log("debug", "a gRPC stream failed", { error: error.message }));
    serveStream(deps, guard, stream as http2.ServerHttp2Stream, headers);
  });

  const port = await listen(server, options);
  return {
    host: options.host,
    port,
    inFlight: () => inFlight,
    connections: () => sessions.size,
    async stop(deadlineMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close(); // GOAWAY; streams that are open go on
      if (inFlight > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, deadlineMs);
        onIdle = resolve;
        await promise;
        clearTimeout(timer);
      }
      const finished = inFlight === 0;
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, finished ? 500 : 0))]);
      for (const session of sessions) session.destroy();
      await closed;
      return finished;
    },
  };
}

/** Enough for 10 MB/s at a round trip of 100 ms. */
const defaultWindowBytes = 1024 * 1024;

/** Clients that open more than this before our SETTINGS arrive lose the whole connection: so, many. */
const concurrentStreamsMax = 1_000;

function listen(server: http2.Http2Server, options: GrpcOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const where = `${options.host}:${options.port}`;
  server.once("error", (cause: Error & { code?: string }) =>
    reject(
      cause.code === "EADDRINUSE"
        ? new OpenWitError("conflict", `cannot listen on ${where}: the port is taken`, {
          hint: "stop the other program, or choose another port",
          cause,
        })
        : new OpenWitError("io", `cannot listen on ${where}: ${cause.message}`, { cause }),
    ));
  server.listen(
    options.port,
    options.host.replace(/^\[|\]$/g, ""),
    () => resolve((server.address() as AddressInfo).port),
  );
  return promise;
}

const exportsByMethod = new Map(otlpExports.map((target) => [target.method, target]));
const healthMethod = "/grpc.health.v1.Health/Check";

function serveStream(
  deps: ReceiverDeps,
  guard: Guard,
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
): void {
  if (headers[":method"] !== "POST") return refusePlainly(stream, 405, { allow: "POST" });
  if (!/^application\/grpc(\+proto)?\s*(;|$)/i.test(headers["content-type"] ?? "")) {
    return refusePlainly(stream, 415, { "accept-post": "application/grpc" });
  }
  const refusal = guard(headers[":authority"] ?? headers.host, headers.origin);
  if (refusal !== undefined) return refuseCall(stream, refusal);
  const method = headers[":path"] ?? "";
  const target = exportsByMethod.get(method);
  if (target !== undefined) return serveExport(deps, target, stream, headers);
  if (method === healthMethod) return serveHealth(deps, stream);
  refuseCall(
    stream,
    new OpenWitError("unsupported", `method ${JSON.stringify(method.slice(0, 200))} is not served`, {
      hint: "export logs, traces or metrics of opentelemetry.proto.collector",
    }),
  );
}

/** To a client that does not speak gRPC. */
function refusePlainly(
  stream: http2.ServerHttp2Stream,
  status: number,
  headers: Readonly<Record<string, string>>,
): void {
  stream.respond({ ":status": status, ...headers }, { endStream: true });
  discardUpload(stream);
}

/** HealthCheckRequest { string service = 1 }, HealthCheckResponse { ServingStatus status = 1 }. */
function serveHealth(deps: ReceiverDeps, stream: http2.ServerHttp2Stream): void {
  const reader = new MessageReader(1_024);
  let isRefused = false;
  const fail = (error: OpenWitError) => {
    isRefused = true;
    refuseCall(stream, error);
  };
  const timer = setTimeout(() => stream.close(), deps.limits.bodyTimeoutMs);
  stream.on("close", () => clearTimeout(timer));
  stream.on("data", (chunk: Uint8Array) => {
    try {
      if (!isRefused) reader.push(chunk);
    } catch (error) {
      fail(error as OpenWitError);
    }
  });
  stream.on("end", () => {
    if (isRefused) return;
    try {
      const { bytes } = reader.finish();
      const service = bytes[0] === 0x0a ? new TextDecoder().decode(bytes.subarray(2, 2 + bytes[1])) : "";
      if (service !== "" && !otlpExports.some((target) => target.method === `/${service}/Export`)) {
        return fail(
          new OpenWitError("not_found", `service ${JSON.stringify(service.slice(0, 100))} is not served`),
        );
      }
      answerCall(stream, new Uint8Array([8, deps.isDraining() ? notServing : serving]));
    } catch (error) {
      fail(error as OpenWitError);
    }
  });
}

const serving = 1;
const notServing = 2;
