/**
 * What a client is told: the Export*ServiceResponse of a request that was taken, the google.rpc.Status of one
 * that was not, each as protobuf or JSON, and the status codes that go with an `OpenWitError`.
 *
 * OTLP 1.11 "Full Success", "Partial Success", "Failures", and which codes a client retries.
 * Status, RetryInfo: https://github.com/googleapis/googleapis/tree/master/google/rpc
 *
 * Invariant: a code that OTLP lets a client retry is sent if and only if the error is retryable.
 */
import { errorMappings, type OpenWitError } from "../../core/error.ts";
import type { IngestResult } from "../../core/ingest/request.ts";
import { bytesField, varintField } from "./protobuf.ts";

export const grpcCode = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
} as const;

/** The response message; empty when all was taken and there is nothing to say, as OTLP demands. */
export function exportResponse(result: IngestResult): Uint8Array<ArrayBuffer> {
  if (result.rejected === 0 && result.message === "") return emptyMessage;
  return new Uint8Array(
    bytesField(1, [...varintField(1, result.rejected), ...bytesField(2, result.message)]),
  );
}

/** The same as OTLP JSON; int64 is a string. */
export function exportResponseJson(result: IngestResult, rejectedField: string): string {
  if (result.rejected === 0 && result.message === "") return "{}";
  return JSON.stringify({
    partialSuccess: { [rejectedField]: String(result.rejected), errorMessage: result.message },
  });
}

/** An error as it is told to a client. */
export interface Refusal {
  /** google.rpc.Code, also in the body of an HTTP answer. */
  readonly grpc: number;
  readonly http: number;
  readonly message: string;
  /** `undefined` when the client shall not retry. */
  readonly retryAfterMs: number | undefined;
}

export function refusalOf(error: OpenWitError): Refusal {
  const mapping = errorMappings[error.code];
  return {
    grpc: otlpGrpcCode(error, mapping.grpc),
    http: otlpHttpCode(error, mapping.http),
    message: error.hint === undefined ? error.message : `${error.message}; ${error.hint}`,
    retryAfterMs: error.retryable ? error.retryAfterMs : undefined,
  };
}

/** google.rpc.Status with a RetryInfo when the client shall retry. */
export function statusMessage(refusal: Refusal): Uint8Array<ArrayBuffer> {
  return new Uint8Array([
    ...varintField(1, refusal.grpc),
    ...bytesField(2, refusal.message),
    ...(refusal.retryAfterMs === undefined ? [] : bytesField(3, [
      ...bytesField(1, retryInfoType),
      ...bytesField(2, bytesField(1, durationFields(refusal.retryAfterMs))),
    ])),
  ]);
}

export function statusJson(refusal: Refusal): string {
  return JSON.stringify({
    code: refusal.grpc,
    message: refusal.message,
    ...(refusal.retryAfterMs === undefined
      ? {}
      : { details: [{ "@type": retryInfoType, retryDelay: `${refusal.retryAfterMs / 1_000}s` }] }),
  });
}

/** The value of a Retry-After header: whole seconds, at least one. */
export function retryAfterSeconds(retryAfterMs: number): string {
  return String(Math.max(1, Math.ceil(retryAfterMs / 1_000)));
}

const emptyMessage = new Uint8Array(0);
const retryInfoType = "type.googleapis.com/google.rpc.RetryInfo";

/** What OTLP clients retry; RESOURCE_EXHAUSTED too, but only with a RetryInfo. */
const retriedGrpcCodes: ReadonlySet<number> = new Set([
  grpcCode.cancelled,
  grpcCode.deadlineExceeded,
  grpcCode.aborted,
  grpcCode.outOfRange,
  grpcCode.unavailable,
  grpcCode.dataLoss,
]);
const retriedHttpCodes: ReadonlySet<number> = new Set([429, 502, 503, 504]);

function otlpGrpcCode(error: OpenWitError, code: number): number {
  if (error.code === "too_large") return grpcCode.resourceExhausted; // as every gRPC server says it
  if (error.retryable) {
    return code === grpcCode.resourceExhausted || retriedGrpcCodes.has(code) ? code : grpcCode.unavailable;
  }
  if (!retriedGrpcCodes.has(code)) return code;
  return code === grpcCode.aborted ? grpcCode.failedPrecondition : grpcCode.internal;
}

function otlpHttpCode(error: OpenWitError, code: number): number {
  if (error.retryable) return retriedHttpCodes.has(code) ? code : 503;
  return retriedHttpCodes.has(code) ? 500 : code;
}

function durationFields(ms: number): number[] {
  return [...varintField(1, Math.floor(ms / 1_000)), ...varintField(2, Math.round(ms % 1_000 * 1e6))];
}
