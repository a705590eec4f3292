/**
 * The OpenTelemetry JavaScript SDK's own exporters against the executable: gRPC, HTTP/protobuf and HTTP/JSON, gzip
 * and plain. Counts are exact at once, after kill -9, and offline; other engines read the Parquet without us.
 *
 * Scale: EXPORT_LOGS (100,000), EXPORT_SPANS (50,000) and EXPORT_POINTS (20,000), a third by each protocol.
 */
import { SpanStatusCode } from "@opentelemetry/api";
import { OTLPLogExporter as LogGrpc } from "@opentelemetry/exporter-logs-otlp-grpc";
import { OTLPLogExporter as LogJson } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as LogProto } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPMetricExporter as MetricGrpc } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPMetricExporter as MetricJson } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPMetricExporter as MetricProto } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter as TraceGrpc } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as TraceJson } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as TraceProto } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider, type LogRecordExporter } from "@opentelemetry/sdk-logs";
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { expect, test } from "bun:test";
import process from "node:process";
import { Box } from "./box.ts";
import { findPython } from "./python.ts";

const logCount = Number(process.env.EXPORT_LOGS ?? 100_000);
const spanCount = Number(process.env.EXPORT_SPANS ?? 50_000);
const pointCount = Number(process.env.EXPORT_POINTS ?? 20_000);

/** Counts by what the SDK sent: a third by each protocol, the rest by the first. */
const share = (count: number, index: number) => Math.floor(count / 3) + (index === 0 ? count % 3 : 0);

// deno-lint-ignore no-explicit-any -- the three exporters' option types differ; these keys they share
const gzip: any = { compression: "gzip" };

test(
  "what SDK exporters send is counted exactly: at once, after kill -9, offline, and by other engines",
  async () => {
    await using box = new Box();
    await box.start();
    const { otlp_grpc, otlp_http } = box.endpoints;

    for (
      const [index, exporter] of [
        new LogGrpc({ url: otlp_grpc, ...gzip }),
        new LogProto({ url: `${otlp_http}/v1/logs`, ...gzip }),
        new LogJson({ url: `${otlp_http}/v1/logs` }),
      ].entries()
    ) await exportLogs(exporter, share(logCount, index));
    for (
      const [index, exporter] of [
        new TraceGrpc({ url: otlp_grpc }),
        new TraceProto({ url: `${otlp_http}/v1/traces`, ...gzip }),
        new TraceJson({ url: `${otlp_http}/v1/traces`, ...gzip }),
      ].entries()
    ) await exportSpans(exporter, share(spanCount, index));
    for (
      const [index, exporter] of [
        new MetricGrpc({ url: otlp_grpc, ...gzip }),
        new MetricProto({ url: `${otlp_http}/v1/metrics` }),
        new MetricJson({ url: `${otlp_http}/v1/metrics`, ...gzip }),
      ].entries()
    ) await exportPoints(exporter, share(pointCount, index), index);

    const expected = { logs: logCount, spans: spanCount, metrics: pointCount };
    expect(await counts(box)).toEqual(expected);
    expect(await box.rows("SELECT count(DISTINCT body) FROM logs")).toEqual([[String(logCount)]]);
    const errors = [0, 1, 2].reduce((sum, index) => sum + Math.ceil(share(spanCount, index) / 10), 0);
    expect(await box.rows("SELECT count(DISTINCT span_id) FROM traces WHERE status_code = 2")).toEqual([[
      String(errors),
    ]]);

    await box.kill();
    await box.start();
    expect(await counts(box)).toEqual(expected);

    await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
    expect(await counts(box)).toEqual(expected);
    expect(await box.stop()).toBe(0);
    for (const [table, count] of Object.entries(expected)) {
      const { stdout, status, stderr } = await box.run(
        "query",
        "--data-dir",
        box.dataDir,
        "--format",
        "csv",
        `SELECT count(*) AS n FROM ${table}`,
      );
      expect([status, stdout.trim().split("\n").at(-1), stderr]).toEqual([0, String(count), ""]);
    }

    const python = findPython("pyarrow");
    if (python === undefined) {
      return console.log(
        "skipped reading by pyarrow: no Python with pyarrow is here",
      );
    }
    for (const [signal, count] of Object.entries(expected)) {
      const rows = Bun.spawnSync([
        python,
        "-c",
        `import glob, pyarrow.parquet as pq
print(sum(pq.read_table(f).num_rows for f in glob.glob(${
          JSON.stringify(box.dataDir)
        } + "/parquet/**/${signal}-*.parquet", recursive=True)))`,
      ]);
      expect([rows.stdout.toString().trim(), rows.stderr.toString()]).toEqual([String(count), ""]);
    }
  },
  300_000,
);

async function counts(box: Box): Promise<Record<string, number>> {
  const [[logs, spans, metrics]] = await box.rows(
    "SELECT (SELECT count(*) FROM logs), (SELECT count(*) FROM spans), (SELECT count(*) FROM metrics)",
  );
  return { logs: Number(logs), spans: Number(spans), metrics: Number(metrics) };
}

async function exportLogs(exporter: LogRecordExporter, count: number): Promise<void> {
  const processor = new BatchLogRecordProcessor({
    exporter,
    maxQueueSize: count + 1,
    maxExportBatchSize: 1_000,
  });
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ "service.name": "sdk-logs", "host.name": "till-7" }),
    processors: [processor],
  });
  const logger = provider.getLogger("exporters", "1.0.0");
  for (let index = 0; index < count; index++) {
    logger.emit({
      severityNumber: 9,
      severityText: "INFO",
      body: `order ${crypto.randomUUID()} accepted`,
      attributes: { "order.index": index, "order.ok": index % 7 !== 0, "user.name": `user-${index % 500}` },
    });
    if (index % 20_000 === 19_999) await provider.forceFlush();
  }
  await provider.forceFlush();
  await provider.shutdown();
}

async function exportSpans(exporter: SpanExporter, count: number): Promise<void> {
  const processor = new BatchSpanProcessor({ exporter, maxQueueSize: count + 1, maxExportBatchSize: 1_000 });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "sdk-spans" }),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer("exporters");
  for (let index = 0; index < count; index++) {
    const span = tracer.startSpan(`GET /orders/${index % 20}`, {
      attributes: { "http.response.status_code": 200 },
    });
    span.addEvent("cache miss", { key: `order-${index}` });
    if (index % 10 === 0) span.setStatus({ code: SpanStatusCode.ERROR, message: "payment refused" });
    span.end();
    if (index % 20_000 === 19_999) await provider.forceFlush();
  }
  await provider.forceFlush();
  await provider.shutdown();
}

async function exportPoints(exporter: PushMetricExporter, count: number, index: number): Promise<void> {
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ "service.name": `sdk-metrics-${index}` }),
    readers: [reader],
  });
  const meter = provider.getMeter("exporters");
  const seriesMax = 1_000; // an instrument's cardinality limit in the SDK is 2,000
  for (let made = 0; made < count; made += seriesMax) {
    const histogram = made % 3_000 === 0 ? meter.createHistogram(`latency.${made}`) : undefined;
    const counter = meter.createCounter(`orders.${made}`);
    for (let series = 0; series < Math.min(seriesMax, count - made); series++) {
      if (histogram !== undefined) histogram.record(series, { series });
      else counter.add(1, { series });
    }
  }
  await provider.forceFlush();
  // No shutdown: it would collect and export every point once more. The process ends soon enough.
}
