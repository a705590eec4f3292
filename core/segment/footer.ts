/**
 * What a segment says of itself in its Parquet footer's key-values, so that a lost manifest can be rebuilt from
 * the files alone.
 *
 * Every key begins with `openwit.`; numbers are decimal text, lists are JSON. Format 1. A footer of a newer
 * format is refused, because it may mean something that this build would get wrong; unknown keys are ignored.
 */
import { OpenWitError } from "../error.ts";
import type { SegmentOrigin } from "../manifest/format.ts";
import { type Signal, signals } from "../model/columns.ts";
import { isSegmentId } from "./path.ts";

/** Format of the key-values themselves. */
export const footerFormat = 1;

/** Records of a source that the segment covers, so that reading it goes on where it stopped. */
export interface SourcePosition {
  /** For Kafka the topic. */
  readonly source: string;
  readonly partition: number;
  /** Both ends included. */
  readonly fromOffset: number;
  readonly toOffset: number;
}

/** Times are nanoseconds since 1970 UTC, both ends included. */
export interface SegmentFooter {
  readonly id: string;
  readonly tenant: string;
  readonly signal: Signal;
  readonly level: number;
  readonly rows: number;
  readonly minTimeNs: bigint;
  readonly maxTimeNs: bigint;
  readonly minIngestNs: bigint;
  readonly maxIngestNs: bigint;
  /** The WAL records whose rows it holds, both ends included; 0 when it was imported. */
  readonly lsnFrom: number;
  readonly lsnTo: number;
  readonly origin?: SegmentOrigin;
  /** Log records of severities from 1 to this were evicted from it. */
  readonly evictedSeverity?: number;
  /** Hours since 1970 UTC: of the events; of the earliest ingest when `late`. */
  readonly hour: number;
  readonly late: boolean;
  /** Version of the table of columns. */
  readonly schemaVersion: number;
  /** Ids of the segments whose rows it took over, which are to be ignored where it exists. */
  readonly replaces: readonly string[];
}

/** What goes with it that the manifest knows by other means. */
export interface FooterOrigin {
  readonly nodeId: string;
  /** Ids of all segments that its flush wrote, itself included: they count together or not at all. */
  readonly flushIds: readonly string[];
  readonly sources?: readonly SourcePosition[];
}

/** The key-values of a segment's footer. */
export function buildFooter(segment: SegmentFooter, origin: FooterOrigin): Record<string, string> {
  return {
    "openwit.format": String(footerFormat),
    "openwit.segment_id": segment.id,
    "openwit.tenant": segment.tenant,
    "openwit.signal": segment.signal,
    "openwit.level": String(segment.level),
    "openwit.rows": String(segment.rows),
    "openwit.min_time_ns": String(segment.minTimeNs),
    "openwit.max_time_ns": String(segment.maxTimeNs),
    "openwit.min_ingest_ns": String(segment.minIngestNs),
    "openwit.max_ingest_ns": String(segment.maxIngestNs),
    "openwit.lsn_from": String(segment.lsnFrom),
    "openwit.lsn_to": String(segment.lsnTo),
    "openwit.hour": String(segment.hour),
    "openwit.late": String(segment.late),
    "openwit.schema_version": String(segment.schemaVersion),
    "openwit.replaces": JSON.stringify(segment.replaces),
    "openwit.node_id": origin.nodeId,
    "openwit.flush_ids": JSON.stringify(origin.flushIds),
    "openwit.sources": JSON.stringify(origin.sources ?? []),
    ...(segment.origin === undefined ? {} : { "openwit.origin": JSON.stringify(segment.origin) }),
    ...(segment.evictedSeverity === undefined
      ? {}
      : { "openwit.evicted_severity": String(segment.evictedSeverity) }),
  };
}

/**
 * Reads them back.
 * @throws OpenWitError `unsupported` for a newer format, `malformed` when a key is missing or its value is not
 *   one that `buildFooter` gives
 */
export function parseFooter(
  keyValues: Readonly<Record<string, string>>,
): SegmentFooter & Required<FooterOrigin> {
  const format = integer(keyValues, "openwit.format");
  if (format > footerFormat) {
    throw new OpenWitError(
      "unsupported",
      `the segment has footer format ${format}, this build knows formats up to ${footerFormat}`,
      { hint: "a newer openwit wrote it: use that version, or a later one" },
    );
  }
  const signal = text(keyValues, "openwit.signal");
  if (!isSignal(signal)) throw wrong("openwit.signal", signal, `one of ${signals.join(", ")}`);
  const late = text(keyValues, "openwit.late");
  if (late !== "true" && late !== "false") throw wrong("openwit.late", late, "true or false");
  const id = text(keyValues, "openwit.segment_id");
  if (!isSegmentId(id)) throw wrong("openwit.segment_id", id, "28 lowercase hex digits");
  return {
    id,
    tenant: text(keyValues, "openwit.tenant"),
    signal,
    level: integer(keyValues, "openwit.level"),
    rows: integer(keyValues, "openwit.rows"),
    minTimeNs: nanoseconds(keyValues, "openwit.min_time_ns"),
    maxTimeNs: nanoseconds(keyValues, "openwit.max_time_ns"),
    minIngestNs: nanoseconds(keyValues, "openwit.min_ingest_ns"),
    maxIngestNs: nanoseconds(keyValues, "openwit.max_ingest_ns"),
    lsnFrom: integer(keyValues, "openwit.lsn_from"),
    lsnTo: integer(keyValues, "openwit.lsn_to"),
    hour: integer(keyValues, "openwit.hour", true),
    late: late === "true",
    schemaVersion: integer(keyValues, "openwit.schema_version"),
    replaces: list(keyValues, "openwit.replaces", "segment ids", isText),
    nodeId: text(keyValues, "openwit.node_id"),
    flushIds: list(keyValues, "openwit.flush_ids", "segment ids", isText),
    sources: list(keyValues, "openwit.sources", "source positions", isSourcePosition),
    ...(Object.hasOwn(keyValues, "openwit.origin") ? { origin: originOf(keyValues) } : {}),
    ...(Object.hasOwn(keyValues, "openwit.evicted_severity")
      ? { evictedSeverity: integer(keyValues, "openwit.evicted_severity") }
      : {}),
  };
}

/** `{"nodeId", "lsnFrom", "lsnTo"}`: only what was imported has it. */
function originOf(keyValues: Readonly<Record<string, string>>): SegmentOrigin {
  const key = "openwit.origin";
  const origin = json(keyValues, key, "an origin");
  if (!isOrigin(origin)) throw wrong(key, keyValues[key], "an origin");
  return { nodeId: origin.nodeId, lsnFrom: origin.lsnFrom, lsnTo: origin.lsnTo };
}

function text(keyValues: Readonly<Record<string, string>>, key: string): string {
  if (Object.hasOwn(keyValues, key)) return keyValues[key];
  throw new OpenWitError("malformed", `the footer has no ${key}`, {
    hint: "the file is not a segment of openwit, or it is damaged",
  });
}

function integer(keyValues: Readonly<Record<string, string>>, key: string, signed = false): number {
  const value = text(keyValues, key);
  const number = Number(value);
  const isOurs = /^-?\d{1,16}$/.test(value) && Number.isSafeInteger(number) && (signed || number >= 0);
  if (!isOurs) throw wrong(key, value, signed ? "a whole number" : "a whole number from 0");
  return number;
}

function nanoseconds(keyValues: Readonly<Record<string, string>>, key: string): bigint {
  const value = text(keyValues, key);
  if (!/^-?\d{1,19}$/.test(value) || BigInt.asIntN(64, BigInt(value)) !== BigInt(value)) {
    throw wrong(key, value, "nanoseconds of 64 bits");
  }
  return BigInt(value);
}

function list<Item>(
  keyValues: Readonly<Record<string, string>>,
  key: string,
  expected: string,
  isItem: (item: unknown) => item is Item,
): readonly Item[] {
  const items = json(keyValues, key, `a JSON list of ${expected}`);
  if (!Array.isArray(items) || !items.every(isItem)) {
    throw wrong(key, keyValues[key], `a JSON list of ${expected}`);
  }
  return items;
}

function json(keyValues: Readonly<Record<string, string>>, key: string, expected: string): unknown {
  const value = text(keyValues, key);
  try {
    return JSON.parse(value);
  } catch (cause) {
    throw wrong(key, value, expected, cause);
  }
}

function isText(item: unknown): item is string {
  return typeof item === "string";
}

function isSignal(value: string): value is Signal {
  return (signals as readonly string[]).includes(value);
}

function isOrigin(item: unknown): item is SegmentOrigin {
  if (typeof item !== "object" || item === null) return false;
  const { nodeId, lsnFrom, lsnTo } = item as Record<string, unknown>;
  return typeof nodeId === "string" &&
    [lsnFrom, lsnTo].every((lsn) => Number.isSafeInteger(lsn) && Number(lsn) >= 0);
}

function isSourcePosition(item: unknown): item is SourcePosition {
  if (typeof item !== "object" || item === null) return false;
  const { source, partition, fromOffset, toOffset } = item as Record<string, unknown>;
  return typeof source === "string" && [partition, fromOffset, toOffset].every(Number.isSafeInteger);
}

function wrong(key: string, value: string, expected: string, cause?: unknown): OpenWitError {
  return new OpenWitError(
    "malformed",
    `the footer's ${key} is ${JSON.stringify(value.slice(0, 80))}, expected ${expected}`,
    { hint: "the file is not a segment of openwit, or it is damaged", cause },
  );
}
