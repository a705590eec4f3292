/**
 * What a receiver hands to the database, and what it is told: the seam between edge/otlp and core.
 */
import type { Signal } from "../model/columns.ts";

export type Compression = "identity" | "gzip" | "zstd";
export type BodyEncoding = "protobuf" | "json";
export type Protocol = "otlp-grpc" | "otlp-http";

export interface IngestRequest {
  readonly tenant: string;
  readonly signal: Signal;
  readonly protocol: Protocol;
  readonly encoding: BodyEncoding;
  /** The message, decompressed: an Export{Logs,Trace,Metrics}ServiceRequest. */
  readonly body: Uint8Array;
  /** The message as it came over the wire, which the WAL keeps; the same bytes as `body` when `identity`. */
  readonly wire: Uint8Array;
  readonly compression: Compression;
}

export interface IngestResult {
  /** Rows now durable. */
  readonly rows: number;
  /** Records that were refused, for OTLP's partial success; the others were kept. */
  readonly rejected: number;
  /** Why they were refused, or a warning; empty when there is nothing to say. */
  readonly message: string;
  /** The same bytes were acknowledged in the last minutes, and were not stored again. */
  readonly duplicate: boolean;
}

/** Resolves once the request is durable under the configured sync mode. @throws OpenWitError */
export type Ingest = (request: IngestRequest) => Promise<IngestResult>;
