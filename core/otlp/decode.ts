/**
 * One OTLP request (Export{Logs,Trace,Metrics}ServiceRequest, opentelemetry-proto 1.11) into columns, in one
 * pass over its records and without an object, a string or a bigint a record.
 *
 * Fields may stand in any order, so each level above the records is scanned twice: once for what holds for all
 * of it (resource, scope, schema URL), once for what is in it. Unknown fields, and known ones with another wire
 * type, are skipped, as protobuf libraries do.
 *
 * Invariants: a request is taken whole or not at all, but for records whose values are nested too deeply, which
 * are refused and counted; a chunk is as it was when decoding throws.
 */
import type { Chunk } from "../model/chunk.ts";
import type { Signal } from "../model/columns.ts";
import type { FixedVector } from "../model/vector.ts";
import { valueDepthMax } from "./any_value.ts";
import { Batch } from "./batch.ts";
import { LogReader } from "./logs.ts";
import { MetricReader } from "./metrics.ts";
import { SpanReader } from "./spans.ts";

export interface DecodeReport {
  /** Rows appended to the chunk. */
  readonly rows: number;
  /** Records that were refused. */
  readonly rejected: number;
  /** Why they were refused; empty when none was. */
  readonly message: string;
  /** Texts whose invalid UTF-8 was replaced by U+FFFD. */
  readonly repairedTexts: number;
  /** Times beyond int64 nanoseconds, whose original is now an attribute. */
  readonly clampedTimes: number;
}

/**
 * Appends the request's rows to the chunk.
 * @param signal which of the three requests the body is; the chunk is of the same signal.
 * @param body the protobuf message, decompressed.
 * @param receivedAtNs when it was accepted, in nanoseconds since 1970 UTC.
 * @throws OpenWitError `malformed`, naming the byte offset and what was expected; `too_large` when a small body
 * unfolds to too many rows. The chunk is then as it was.
 */
export function decodeRequest(
  signal: Signal,
  body: Uint8Array,
  chunk: Chunk,
  receivedAtNs: bigint,
): DecodeReport {
  const rowsBefore = chunk.rows;
  const batch = new Batch(body, chunk, receivedAtNs);
  let repairedTexts: number;
  try {
    readRequest(batch, newRecordReader(signal, batch));
    batch.column<FixedVector>("ingest_timestamp")
      .pushWordsTimes(batch.receivedLow, batch.receivedHigh, batch.rows - rowsBefore);
    repairedTexts = batch.repair();
  } catch (error) {
    batch.undo();
    throw error;
  }
  chunk.rows = batch.rows;
  const { rejected, clampedTimes } = batch;
  return {
    rows: batch.rows - rowsBefore,
    rejected,
    message: rejected === 0
      ? ""
      : `${rejected} records refused: an attribute or body is nested deeper than ${valueDepthMax} levels`,
    repairedTexts,
    clampedTimes,
  };
}

/** Reads one LogRecord, Span or Metric. */
interface RecordReader {
  /** Called when the records of another scope follow. */
  beginScope?(): void;
  read(start: number, end: number): void;
}

function newRecordReader(signal: Signal, batch: Batch): RecordReader {
  switch (signal) {
    case "logs":
      return new LogReader(batch);
    case "spans":
      return new SpanReader(batch);
    case "metrics":
      return new MetricReader(batch);
  }
}

/** Field 1 of every request: ResourceLogs, ResourceSpans, ResourceMetrics. */
function readRequest(batch: Batch, records: RecordReader): void {
  const { wire } = batch;
  const end = wire.bodyLength;
  for (let at = 0; at < end;) {
    const tag = wire.longTag(at, end);
    at = wire.at;
    if (tag === 0x0a) {
      at = wire.delimited(at, end);
      readLevel(batch, records, wire.at, at, true);
    } else at = wire.skip(tag, at, end);
  }
}

/**
 * ResourceLogs and ScopeLogs, and their like, have one shape: field 1 is the resource or the scope, 2 what is
 * in it, 3 the schema URL.
 */
function readLevel(
  batch: Batch,
  records: RecordReader,
  start: number,
  end: number,
  isResource: boolean,
): void {
  const { wire, origin } = batch;
  let from = 0, to = 0, pieces = 0, schemaFrom = 0, schemaTo = 0;
  for (let at = start; at < end;) {
    const tag = wire.longTag(at, end);
    at = wire.at;
    if (tag === 0x0a) {
      to = at = wire.delimited(at, end);
      from = wire.at;
      pieces++;
    } else if (tag === 0x1a) {
      schemaTo = at = wire.delimited(at, end);
      schemaFrom = wire.at;
    } else at = wire.skip(tag, at, end);
  }
  if (pieces > 1) {
    to = wire.gather(0x0a, start, end);
    from = wire.at;
  }
  if (isResource) origin.readResource(from, to, schemaFrom, schemaTo);
  else {
    origin.readScope(from, to, schemaFrom, schemaTo);
    records.beginScope?.();
  }

  const rowsBefore = batch.rows;
  for (let at = start; at < end;) {
    const tag = wire.longTag(at, end);
    at = wire.at;
    if (tag === 0x12) {
      at = wire.delimited(at, end);
      if (isResource) readLevel(batch, records, wire.at, at, false);
      else records.read(wire.at, at);
    } else at = wire.skip(tag, at, end);
  }
  if (!isResource) origin.push(batch.rows - rowsBefore);
}
