/**
 * A node's own log and metrics as OTLP requests, so that they are stored and asked like anybody's.
 *
 * OTLP 1.11, opentelemetry-proto: logs.v1, metrics.v1; severities: https://opentelemetry.io/docs/specs/otel/logs/data-model/
 * Metrics keep the names of core/metrics/names.ts; units are UCUM's. A counter or histogram that has counted nothing
 * yet is left out: most of a box's never do.
 */
import { hostname } from "node:os";
import type { LogLevel } from "../../core/env/log.ts";
import { bucketBounds, type Labels, type Metrics } from "../../core/metrics/metrics.ts";
import { type Metric, metricNames, metricTable } from "../../core/metrics/names.ts";
import type { Signal } from "../../core/model/columns.ts";
import { jsonToProtobuf } from "../../core/otlp/json.ts";
import type { LogEvent } from "../log/format.ts";
import { version } from "../version.ts";

/** The least number of each range. */
const severities: Readonly<Record<LogLevel, number>> = { debug: 5, info: 9, warn: 13, error: 17 };

const cumulative = 2;

export interface SelfRequest {
  readonly signal: Signal;
  /** Log records or points. */
  readonly records: number;
  /** An Export…ServiceRequest, protobuf. */
  readonly body: Uint8Array;
}

/** Attributes of the resource, all text. */
export type Resource = Readonly<Record<string, string>>;

/** Which program on which box says it. */
export function selfResource(nodeId: string): Resource {
  return {
    "service.name": "openwit",
    "service.version": version,
    "service.instance.id": nodeId,
    "host.name": hostname(),
  };
}

export function logsRequest(resource: Resource, events: readonly LogEvent[]): SelfRequest {
  const logRecords = events.map(({ timeMs, level, message, fields }) => ({
    timeUnixNano: nanoseconds(timeMs),
    observedTimeUnixNano: nanoseconds(timeMs),
    severityNumber: severities[level],
    severityText: level.toUpperCase(),
    body: { stringValue: message },
    attributes: Object.entries(fields).filter(([, value]) => value !== null)
      .map(([key, value]) => ({ key, value: anyValue(value) })),
  }));
  const resourceLogs = [{ resource: resourceOf(resource), scopeLogs: [{ scope, logRecords }] }];
  return { signal: "logs", records: events.length, body: encode("logs", { resourceLogs }) };
}

/** @param startMs when the process began to count */
export function metricsRequest(
  resource: Resource,
  metrics: Metrics,
  nowMs: number,
  startMs: number,
): SelfRequest {
  const times = { startTimeUnixNano: nanoseconds(startMs), timeUnixNano: nanoseconds(nowMs) };
  let records = 0;
  const written = metricNames.flatMap((name) => {
    const { type, unit, help }: Metric = metricTable[name];
    const dataPoints = type === "histogram"
      ? metrics.histograms(name).flatMap(({ labels, counts, sum }) => {
        const count = counts.reduce((total, each) => total + each, 0);
        return count === 0 ? [] : [{
          ...times,
          attributes: attributesOf(labels),
          count: String(count),
          sum,
          bucketCounts: counts.map(String),
          explicitBounds: bucketBounds,
        }];
      })
      : metrics.samples(name)
        .filter(({ value }) => Number.isFinite(value) && (type === "gauge" || value !== 0))
        .map(({ labels, value }) => ({
          ...times,
          attributes: attributesOf(labels),
          ...(Number.isSafeInteger(value) ? { asInt: String(value) } : { asDouble: value }),
        }));
    if (dataPoints.length === 0) return [];
    records += dataPoints.length;
    const kind = type === "gauge"
      ? { gauge: { dataPoints } }
      : type === "counter"
      ? { sum: { dataPoints, aggregationTemporality: cumulative, isMonotonic: true } }
      : { histogram: { dataPoints, aggregationTemporality: cumulative } };
    return [{ name, description: help, unit: ucum(unit), ...kind }];
  });
  const resourceMetrics = [{
    resource: resourceOf(resource),
    scopeMetrics: [{ scope, metrics: written }],
  }];
  return { signal: "metrics", records, body: encode("metrics", { resourceMetrics }) };
}

const scope = { name: "openwit" };

function encode(signal: Signal, request: unknown): Uint8Array {
  return jsonToProtobuf(signal, new TextEncoder().encode(JSON.stringify(request)));
}

function resourceOf(resource: Resource): unknown {
  return { attributes: attributesOf(resource) };
}

function attributesOf(labels: Labels): unknown[] {
  return Object.entries(labels).map(([key, value]) => ({ key, value: { stringValue: value } }));
}

function anyValue(value: string | number | boolean | null): unknown {
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value !== "number") return { stringValue: String(value) };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms)) * 1_000_000n);
}

function ucum(unit: string): string {
  if (unit === "seconds") return "s";
  if (unit === "bytes") return "By";
  return unit === "" ? "1" : `{${unit}}`;
}
