/**
 * Writes one metric of each kind that OTLP has, with its points.
 *
 * opentelemetry-proto 1.11: metrics.v1.Metric, field 2 of ScopeMetrics.
 */
import { type ProtobufWriter, wireBytes } from "./encode.ts";

export type Attributes = Uint8Array;
export type Value = { readonly int: number } | { readonly double: number };
export type Points = readonly (readonly [Attributes, Value])[];

/** Times of a scrape: `startMs` is when the pod's counters began. */
export interface Times {
  readonly second: number;
  readonly offsetNs: number;
  readonly nowMs: number;
  readonly startMs: number;
  readonly intervalMs: number;
}

/** AggregationTemporality. */
export const delta = 1, cumulative = 2;

export function gauge(
  writer: ProtobufWriter,
  name: string,
  description: string,
  unit: string,
  times: Times,
  points: Points,
): void {
  const metric = openMetric(writer, name, description, unit);
  const data = writer.open(5);
  for (const [attributes, value] of points) writeNumber(writer, times, 0, attributes, value);
  writer.close(data);
  writer.close(metric);
}

export function sum(
  writer: ProtobufWriter,
  name: string,
  description: string,
  unit: string,
  times: Times,
  temporality: number,
  isMonotonic: boolean,
  points: Points,
): void {
  const metric = openMetric(writer, name, description, unit);
  const data = writer.open(7);
  for (const [attributes, value] of points) writeNumber(writer, times, temporality, attributes, value);
  writer.varintField(2, temporality);
  if (isMonotonic) writer.boolField(3, true);
  writer.close(data);
  writer.close(metric);
}

function writeNumber(
  writer: ProtobufWriter,
  times: Times,
  temporality: number,
  attributes: Attributes,
  value: Value,
): void {
  const point = writer.open(1);
  writer.raw(attributes);
  writeTimes(writer, times, temporality);
  if ("int" in value) writer.fixed64Field(6, value.int);
  else writer.doubleField(4, value.double);
  writer.close(point);
}

export function histogram(
  writer: ProtobufWriter,
  name: string,
  times: Times,
  temporality: number,
  points: readonly (readonly [Attributes, number[]])[],
  writeExemplars: (writer: ProtobufWriter) => unknown = () => {},
): void {
  const metric = openMetric(writer, name, "Duration of calls.", "s");
  const data = writer.open(9);
  for (const [attributes, buckets] of points) {
    const point = writer.open(1);
    writeTimes(writer, times, temporality);
    const count = buckets.reduce((total, bucket) => total + bucket, 0);
    writer.fixed64Field(4, count);
    writer.doubleField(5, buckets.reduce((total, bucket, at) => total + bucket * middleOf(at), 0));
    writer.tag(6, wireBytes);
    writer.varint(buckets.length * 8);
    for (const bucket of buckets) writer.fixed64(bucket >>> 0, Math.floor(bucket / 2 ** 32));
    writer.raw(encodedBounds);
    writeExemplars(writer);
    writer.raw(attributes);
    if (count > 0) {
      writer.doubleField(11, middleOf(buckets.findIndex((bucket) => bucket > 0)));
      writer.doubleField(12, middleOf(buckets.findLastIndex((bucket) => bucket > 0)));
    }
    writer.close(point);
  }
  writer.varintField(2, temporality);
  writer.close(data);
  writer.close(metric);
}

function middleOf(bucket: number): number {
  return ((bounds[bucket - 1] ?? 0) + (bounds[bucket] ?? 12)) / 2;
}

export function exponential(
  writer: ProtobufWriter,
  name: string,
  times: Times,
  attributes: Attributes,
  count: number,
  isSlow: boolean,
): void {
  const metric = openMetric(writer, name, "Duration of outgoing calls.", "s");
  const data = writer.open(10);
  const point = writer.open(1);
  writer.raw(attributes);
  writeTimes(writer, times, delta);
  const buckets = exponentialShares.map((share) => Math.floor(count * share));
  const zeros = count - buckets.reduce((total, bucket) => total + bucket, 0);
  const scale = 2, offset = isSlow ? -9 : -22; // base 2^(1/4): bucket i ends at 2^((i + 1) / 4) seconds
  writer.fixed64Field(4, count);
  writer.doubleField(
    5,
    buckets.reduce((total, bucket, at) => total + bucket * 2 ** ((offset + at + 0.5) / 4), 0),
  );
  writer.varintField(6, zigzag(scale));
  writer.fixed64Field(7, zeros);
  const positive = writer.open(8);
  writer.varintField(1, zigzag(offset));
  const counts = writer.open(2);
  for (const bucket of buckets) writer.varint(bucket);
  writer.close(counts);
  writer.close(positive);
  writer.doubleField(14, 1e-6);
  writer.close(point);
  writer.varintField(2, delta);
  writer.close(data);
  writer.close(metric);
}

const exponentialShares = [0.01, 0.03, 0.07, 0.12, 0.17, 0.19, 0.16, 0.11, 0.07, 0.04, 0.02, 0.005];

function zigzag(value: number): number {
  return value < 0 ? -value * 2 - 1 : value * 2;
}

export function summary(
  writer: ProtobufWriter,
  name: string,
  times: Times,
  attributes: Attributes,
  count: number,
  noise: number,
): void {
  const metric = openMetric(writer, name, "Pauses of the garbage collector.", "s");
  const data = writer.open(11);
  const point = writer.open(1);
  writer.raw(attributes);
  writeTimes(writer, times, cumulative);
  writer.fixed64Field(4, count);
  writer.doubleField(5, count * 0.00031);
  for (const [quantile, value] of [[0, 0.00004], [0.5, 0.0002], [0.9, 0.0007], [0.99, 0.002], [1, 0.009]]) {
    const entry = writer.open(6);
    writer.doubleField(1, quantile);
    writer.doubleField(2, value * (0.8 + 0.4 * noise));
    writer.close(entry);
  }
  writer.close(point);
  writer.close(data);
  writer.close(metric);
}

function openMetric(writer: ProtobufWriter, name: string, description: string, unit: string): number {
  const metric = writer.open(2);
  writer.stringField(1, name);
  writer.stringField(2, description);
  writer.stringField(3, unit);
  return metric;
}

/** `start_time_unix_nano` (2; none for a gauge) and `time_unix_nano` (3). */
function writeTimes(writer: ProtobufWriter, times: Times, temporality: number): void {
  if (temporality === cumulative) writer.timeField(2, Math.floor(times.startMs / 1000), 0);
  if (temporality === delta) {
    const offsetNs = times.offsetNs - times.intervalMs * 1e6;
    const seconds = Math.floor(offsetNs / 1e9);
    writer.timeField(2, times.second + seconds, Math.round(offsetNs - seconds * 1e9));
  }
  writer.timeField(3, times.second, times.offsetNs);
}

const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const encodedBounds = encodeBounds();

function encodeBounds(): Uint8Array {
  const bytes = new Uint8Array(2 + bounds.length * 8);
  bytes[0] = 7 * 8 + wireBytes;
  bytes[1] = bounds.length * 8; // 112: still one byte as a varint
  new Float64Array(bounds).forEach((bound, at) =>
    new DataView(bytes.buffer).setFloat64(2 + at * 8, bound, true)
  );
  return bytes;
}
