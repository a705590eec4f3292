/** The OpenTelemetry SDK's own exporters as peers of both receivers, in every protocol and compression. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { OTLPLogExporter as GrpcLogs } from "@opentelemetry/exporter-logs-otlp-grpc";
import { OTLPLogExporter as JsonLogs } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtoLogs } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPMetricExporter as GrpcMetrics } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPMetricExporter as JsonMetrics } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPMetricExporter as ProtoMetrics } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter as GrpcTraces } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as JsonTraces } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtoTraces } from "@opentelemetry/exporter-trace-otlp-proto";
import { OpenWitError } from "../../core/error.ts";
import { silentLog } from "../../core/env/log.ts";
import type { IngestRequest, IngestResult } from "../../core/ingest/request.ts";
import { newGuard } from "../http/guard.ts";
import { type HttpListener, serveHttp } from "../http/serve.ts";
import { InflightBudget } from "./budget.ts";
import { type GrpcListener, serveOtlpGrpc } from "./grpc.ts";
import { otlpHttp } from "./http.ts";
import { defaultReceiverLimits, type ReceiverDeps } from "./receiver.ts";

const accepted: IngestResult = { rows: 1, rejected: 0, message: "", duplicate: false };
const requests: IngestRequest[] = [];
let failures: OpenWitError[] = [];
const deps: ReceiverDeps = {
  ingest: (request) => {
    const failure = failures.shift();
    if (failure !== undefined) return Promise.reject(failure);
    requests.push(request);
    return Promise.resolve(accepted);
  },
  limits: defaultReceiverLimits,
  budget: new InflightBudget(10_000_000),
  log: silentLog,
  onRequest: () => {},
  isDraining: () => false,
};
let grpc: GrpcListener;
let http: HttpListener;

beforeAll(async () => {
  const guard = newGuard({ bindHost: "127.0.0.1" });
  grpc = await serveOtlpGrpc(deps, guard, { host: "127.0.0.1", port: 0 });
  http = serveHttp(otlpHttp(deps, guard), {
    host: "127.0.0.1",
    port: 0,
    requestBytesMax: 100_000_000,
    idleTimeoutMs: 5_000,
    requestTimeoutMs: 30_000,
  });
});
afterAll(() => Promise.all([grpc.stop(1_000), http.stop(1_000)]));

/** What all exporters have, whatever they export. */
interface Exporter {
  export(items: unknown, done: (result: { code: number; error?: Error }) => void): void;
  shutdown(): Promise<void>;
}

const resource = { attributes: { "service.name": "shop" }, asyncAttributesPending: false };
const scope = { name: "test", version: "1" };
const span = {
  spanContext: () => ({
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    traceFlags: 1,
  }),
  name: "pay",
  kind: 1,
  startTime: [1_700_000_000, 0],
  endTime: [1_700_000_001, 0],
  status: { code: 0 },
  attributes: {},
  links: [],
  events: [],
  duration: [1, 0],
  ended: true,
  resource,
  instrumentationScope: scope,
  droppedAttributesCount: 0,
  droppedEventsCount: 0,
  droppedLinksCount: 0,
};
const logRecord = {
  hrTime: [1_700_000_000, 0],
  hrTimeObserved: [1_700_000_000, 0],
  body: "an order was placed",
  attributes: { order: 7 },
  resource,
  instrumentationScope: scope,
  droppedAttributesCount: 0,
};
const metric = {
  descriptor: { name: "orders", description: "", unit: "1", type: "COUNTER", valueType: 0, advice: {} },
  aggregationTemporality: 1,
  dataPointType: 3,
  isMonotonic: true,
  dataPoints: [{ startTime: [1_700_000_000, 0], endTime: [1_700_000_001, 0], attributes: {}, value: 5 }],
};
const items: Record<string, unknown> = {
  logs: [logRecord],
  spans: [span],
  metrics: { resource, scopeMetrics: [{ scope, metrics: [metric] }] },
};

const exporters = [
  ["gRPC", "logs", GrpcLogs, "/v1/logs"],
  ["gRPC", "spans", GrpcTraces, "/v1/traces"],
  ["gRPC", "metrics", GrpcMetrics, "/v1/metrics"],
  ["HTTP/protobuf", "logs", ProtoLogs, "/v1/logs"],
  ["HTTP/protobuf", "spans", ProtoTraces, "/v1/traces"],
  ["HTTP/protobuf", "metrics", ProtoMetrics, "/v1/metrics"],
  ["HTTP/JSON", "logs", JsonLogs, "/v1/logs"],
  ["HTTP/JSON", "spans", JsonTraces, "/v1/traces"],
  ["HTTP/JSON", "metrics", JsonMetrics, "/v1/metrics"],
] as const;

function newExporter(
  protocol: string,
  Class: (typeof exporters)[number][2],
  path: string,
  compression: string,
): Exporter {
  const url = protocol === "gRPC" ? `http://127.0.0.1:${grpc.port}` : `http://127.0.0.1:${http.port}${path}`;
  // deno-lint-ignore no-explicit-any -- nine classes whose options differ only in types
  return new (Class as any)({ url, compression }) as Exporter;
}

function exportOnce(exporter: Exporter, signal: string): Promise<{ code: number; error?: Error }> {
  return new Promise((resolve) => exporter.export(items[signal], resolve));
}

for (const [protocol, signal, Class, path] of exporters) {
  for (const compression of ["none", "gzip"]) {
    test(`the SDK's ${signal} exporter over ${protocol}, compression ${compression}, succeeds`, async () => {
      requests.length = 0;
      const exporter = newExporter(protocol, Class, path, compression);
      const result = await exportOnce(exporter, signal);
      expect(result.error).toBeUndefined();
      expect(result.code).toBe(0);
      expect(requests).toMatchObject([{
        signal,
        encoding: protocol === "HTTP/JSON" ? "json" : "protobuf",
        compression: compression === "gzip" ? "gzip" : "identity",
      }]);
      expect(Buffer.from(requests[0].body).includes("shop")).toBe(true);
      await exporter.shutdown();
    });
  }
}

test("the SDK's exporter over HTTP sends again what was refused as overloaded", async () => {
  requests.length = 0;
  failures = [new OpenWitError("overloaded", "busy", { retryAfterMs: 1_000 })];
  const exporter = newExporter("HTTP/protobuf", ProtoLogs, "/v1/logs", "none");
  const result = await exportOnce(exporter, "logs");
  expect(result.error).toBeUndefined();
  expect(requests.length).toBe(1);
  await exporter.shutdown();
}, 20_000);

// The SDK's gRPC exporter retries nothing by itself, so only the refusal can be seen there.
for (const [protocol, Class] of [["gRPC", GrpcLogs], ["HTTP/protobuf", ProtoLogs]] as const) {
  test(`the SDK's exporter over ${protocol} gives up what was refused as malformed`, async () => {
    requests.length = 0;
    failures = [new OpenWitError("malformed", "no")];
    const exporter = newExporter(protocol, Class, "/v1/logs", "none");
    expect((await exportOnce(exporter, "logs")).code).toBe(1);
    expect(requests.length).toBe(0);
    await exporter.shutdown();
  });
}
