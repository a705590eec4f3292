/** Requests of log records, as OTLP/HTTP with JSON brings them to a store. */
import type { IngestRequest } from "../../core/ingest/request.ts";

/** @param logRecords of `resourceLogs[0].scopeLogs[0]`, in the names of OTLP's JSON */
export function logRequest(logRecords: readonly object[], tenant = "default"): IngestRequest {
  const body = new TextEncoder().encode(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }));
  return {
    tenant,
    signal: "logs",
    protocol: "otlp-http",
    encoding: "json",
    body,
    wire: body,
    compression: "identity",
  };
}
