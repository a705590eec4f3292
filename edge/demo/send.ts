/**
 * An OTLP client: one export request at a time over gRPC or HTTP/protobuf, and a wrapper that tries again as the
 * specification asks.
 *
 * OTLP 1.11: retryable codes, RetryInfo, Retry-After, partial success. gRPC over HTTP/2: unary calls.
 */
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import type { Clock } from "../../core/env/clock.ts";
import { type Random, randomUnit } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import type { Signal } from "../../core/model/columns.ts";
import { grpcTransport } from "./grpc-transport.ts";
import { httpTransport } from "./http-transport.ts";

export interface OtlpClientOptions {
  /** `http://host:port`, without a path. */
  readonly endpoint: string;
  readonly protocol: "grpc" | "http";
  readonly compression: "none" | "gzip";
  /** Sent as X-Scope-OrgID; the server's default tenant when absent. */
  readonly tenant?: string;
  /** Longest wait for one answer, milliseconds. */
  readonly timeoutMs: number;
}

/** What the server said of one request that it took. */
export interface ExportOutcome {
  readonly rejected: number;
  /** Why some were rejected, or a warning; empty when there is nothing to say. */
  readonly message: string;
}

export interface OtlpClient {
  /**
   * Sends one export request and waits for its answer.
   * @throws OpenWitError whose `retryable` and `retryAfterMs` say what the server said; `unavailable` when
   * nothing could be reached, with `cause.code` "ECONNREFUSED" when nothing listens.
   */
  send(signal: Signal, body: Uint8Array, abort?: AbortSignal): Promise<ExportOutcome>;
  close(): void;
}

/** How bytes travel; `answer` is the body of the response message. */
export interface Transport {
  post(signal: Signal, body: Uint8Array, isGzip: boolean, abort: AbortSignal): Promise<Uint8Array>;
  close(): void;
}

export function otlpClient(options: OtlpClientOptions): OtlpClient {
  const transport = options.protocol === "grpc" ? grpcTransport(options) : httpTransport(options);
  return {
    async send(signal, body, abort) {
      const isGzip = options.compression === "gzip";
      const timeout = AbortSignal.timeout(options.timeoutMs);
      const either = abort === undefined ? timeout : AbortSignal.any([abort, timeout]);
      const answer = await transport.post(
        signal,
        isGzip ? gzipSync(body, { level: 1 }) : body,
        isGzip,
        either,
      );
      return readPartialSuccess(answer);
    },
    close: () => transport.close(),
  };
}

export interface RetryOptions {
  /** No further attempt begins when this much has passed since the first. */
  readonly maxElapsedMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the waiting between attempts; an attempt under way is let finish. */
  readonly abort?: AbortSignal;
  /** Told of each attempt that failed and will be repeated. */
  onRetry(error: OpenWitError): void;
}

/** Sends until it is taken, refused for good, or too late. @throws OpenWitError of the last attempt */
export async function sendWithRetry(
  client: OtlpClient,
  signal: Signal,
  body: Uint8Array,
  { maxElapsedMs, clock, random, abort, onRetry }: RetryOptions,
): Promise<ExportOutcome> {
  const beganMs = clock.monotonicMs();
  for (let backoffMs = 200;; backoffMs = Math.min(backoffMs * 2, 10_000)) {
    try {
      return await client.send(signal, body);
    } catch (thrown) {
      if (!(thrown instanceof OpenWitError) || !thrown.retryable || abort?.aborted) throw thrown;
      // never earlier than the server says; jitter keeps many senders from coming back at once
      const waitMs = Math.max(backoffMs, thrown.retryAfterMs ?? 0) * (1 + 0.3 * randomUnit(random));
      if (clock.monotonicMs() - beganMs + waitMs > maxElapsedMs) throw thrown;
      onRetry(thrown);
      await clock.sleep(waitMs, abort);
    }
  }
}

/** The path of a signal's service: gRPC's method, or HTTP's resource. */
export const exportPaths: Readonly<Record<Signal, { readonly grpc: string; readonly http: string }>> = {
  logs: { grpc: "/opentelemetry.proto.collector.logs.v1.LogsService/Export", http: "/v1/logs" },
  spans: { grpc: "/opentelemetry.proto.collector.trace.v1.TraceService/Export", http: "/v1/traces" },
  metrics: { grpc: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", http: "/v1/metrics" },
};

/** The failure to reach `endpoint` at all. */
export function unreachable(endpoint: string, cause: unknown): OpenWitError {
  const { host } = new URL(endpoint);
  if (isRefused(cause)) {
    return new OpenWitError("unavailable", `nothing listens at ${host}`, {
      hint: "start it with openwit serve, or name another place with --endpoint",
      cause,
    });
  }
  return new OpenWitError("unavailable", `cannot reach ${host}: ${(cause as Error)?.message ?? cause}`, {
    cause,
  });
}

/** Whether an error of the network, or what it wraps, says that nothing listens. */
export function isRefused(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return code === "ECONNREFUSED" || code === "ConnectionRefused" ||
    (error instanceof OpenWitError && isRefused(error.cause));
}

/** The fields of a message: number, and the varint or bytes of each. Unknown wire types end it. */
export function* protobufFields(
  message: Uint8Array,
): Generator<{ field: number; value: number; bytes: Uint8Array }> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; at < message.length; scale *= 128) {
      const byte = message[at++];
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < message.length) {
    const tag = varint(), wireType = tag % 8, field = Math.floor(tag / 8);
    if (wireType === 0) yield { field, value: varint(), bytes: message.subarray(0, 0) };
    else if (wireType === 2) {
      const count = varint();
      yield { field, value: 0, bytes: message.subarray(at, at + count) };
      at += count;
    } else if (wireType === 1 || wireType === 5) at += wireType === 1 ? 8 : 4;
    else return;
  }
}

/** Export…ServiceResponse: field 1 is the partial success, with a count (1) and a message (2). */
function readPartialSuccess(answer: Uint8Array): ExportOutcome {
  let rejected = 0, message = "";
  for (const outer of protobufFields(answer)) {
    if (outer.field !== 1) continue;
    for (const inner of protobufFields(outer.bytes)) {
      if (inner.field === 1) rejected = inner.value;
      if (inner.field === 2) message = Buffer.from(inner.bytes).toString("utf8");
    }
  }
  return { rejected, message };
}
