/**
 * What both OTLP receivers share: their dependencies, the three exports, and the way of one message from
 * the wire to `Ingest`: decompress under a limit, hand over, account.
 *
 * OTLP 1.11: https://opentelemetry.io/docs/specs/otlp/
 */
import { OpenWitError } from "../../core/error.ts";
import type { ErrorCode } from "../../core/error.ts";
import type { Log } from "../../core/env/log.ts";
import type { BodyEncoding, Compression, Ingest, IngestResult, Protocol } from "../../core/ingest/request.ts";
import type { Signal } from "../../core/model/columns.ts";
import { parseWritableTenant } from "../../core/tenant.ts";
import { type Coding, decompress } from "./decompress.ts";
import type { InflightBudget, Reservation } from "./budget.ts";

export interface ReceiverLimits {
  /** Most bytes of a message as it comes over the wire. */
  readonly wireBytesMax: number;
  /** Most bytes of a message after decompression. */
  readonly bodyBytesMax: number;
  /** Time for a whole message to arrive, in milliseconds. */
  readonly bodyTimeoutMs: number;
}

export const defaultReceiverLimits: ReceiverLimits = {
  wireBytesMax: 16 * 1024 * 1024,
  bodyBytesMax: 64 * 1024 * 1024,
  bodyTimeoutMs: 30_000,
};

export interface ReceiverDeps {
  readonly ingest: Ingest;
  readonly limits: ReceiverLimits;
  /** One for all receivers of a process: the bytes that requests may hold at once. */
  readonly budget: InflightBudget;
  readonly log: Log;
  /** Told of every request once it is answered: the metrics hook. */
  readonly onRequest: (outcome: RequestOutcome) => void;
  /** While true, new requests are refused as `unavailable`; those begun are finished. */
  readonly isDraining: () => boolean;
  /**
   * Asked when a request's headers are there: its body is not worth reading when there is no memory or no disk for it.
   * @throws OpenWitError `overloaded`, `disk_full`
   */
  readonly admit?: () => void;
}

export interface RequestOutcome {
  readonly protocol: Protocol;
  /** `undefined` when the path names none. */
  readonly signal: Signal | undefined;
  /** "ok", or why the request was refused. */
  readonly code: "ok" | ErrorCode;
  readonly wireBytes: number;
  readonly bodyBytes: number;
  readonly rows: number;
  /** Records refused within an accepted request. */
  readonly rejected: number;
  readonly duplicate: boolean;
}

/** The three exports of OTLP. */
export interface Export {
  readonly signal: Signal;
  /** Of OTLP/HTTP. */
  readonly path: string;
  /** Of OTLP/gRPC. */
  readonly method: string;
  /** JSON name of the count in the partial success. */
  readonly rejectedField: string;
}

const collector = "/opentelemetry.proto.collector";

export const otlpExports: readonly Export[] = [
  {
    signal: "logs",
    path: "/v1/logs",
    method: `${collector}.logs.v1.LogsService/Export`,
    rejectedField: "rejectedLogRecords",
  },
  {
    signal: "spans",
    path: "/v1/traces",
    method: `${collector}.trace.v1.TraceService/Export`,
    rejectedField: "rejectedSpans",
  },
  {
    signal: "metrics",
    path: "/v1/metrics",
    method: `${collector}.metrics.v1.MetricsService/Export`,
    rejectedField: "rejectedDataPoints",
  },
];

/** A message that has arrived whole. */
export interface Message {
  readonly signal: Signal;
  readonly tenant: string;
  readonly protocol: Protocol;
  readonly encoding: BodyEncoding;
  readonly coding: Coding;
  readonly wire: Uint8Array;
}

/** What is known of a request so far, filled in on its way for `RequestOutcome`. */
export interface Progress {
  wireBytes: number;
  bodyBytes: number;
}

/** Decompresses and ingests a message. @throws OpenWitError */
export async function receive(
  deps: ReceiverDeps,
  message: Message,
  reservation: Reservation,
  progress: Progress,
): Promise<IngestResult> {
  const { coding, wire } = message;
  progress.wireBytes = wire.length;
  const decompressed = decompress(wire, coding, deps.limits.bodyBytesMax, reservation);
  // Small bodies come back at once: a promise for each would cost a turn of the event loop.
  const body = decompressed instanceof Promise ? await decompressed : decompressed;
  progress.bodyBytes = body.length;
  const kept: Compression = coding === "deflate" ? "identity" : coding;
  return await deps.ingest({
    tenant: message.tenant,
    signal: message.signal,
    protocol: message.protocol,
    encoding: message.encoding,
    body,
    // The WAL knows no deflate (nobody sends it by default), so it keeps such a message decompressed.
    wire: coding === "deflate" ? body : wire,
    compression: kept,
  });
}

/** The tenant of a request by its two possible headers. @throws OpenWitError `invalid_argument`, `forbidden` */
export function tenantOf(scopeOrgId: string | null | undefined, indexId: string | null | undefined): string {
  if (scopeOrgId && indexId && scopeOrgId !== indexId) {
    throw new OpenWitError("invalid_argument", "X-Scope-OrgID and index-id name different tenants", {
      hint: "send one of the two",
    });
  }
  return parseWritableTenant(scopeOrgId || indexId);
}

export function drainingError(): OpenWitError {
  return new OpenWitError("unavailable", "the server is draining: it takes no records now", {
    hint: "send again in a few seconds",
    retryAfterMs: 2_000,
  });
}
