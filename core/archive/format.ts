/**
 * What an archive holds (docs/archive.md): a ustar file of, in this order,
 *
 *   manifest.json               what is in it: `ArchiveManifest`, JSON in UTF-8
 *   parquet/…/….parquet         each segment of the manifest, in its order, at its path in the data folder
 *   end.json                    {"segments", "rows", "bytes", "manifest_crc32c"}: an archive without it was cut short
 *   two blocks of zeros
 *
 * A writer that cannot go on writes `error.json`, {"code", "message", "hint"}, in place of the next entry.
 * Format 1. A newer format is refused; unknown fields are ignored. Times are decimal strings of nanoseconds, since JSON
 * numbers lose them; checksums are CRC-32C, eight hex digits.
 */
import { OpenWitError } from "../error.ts";
import type { SegmentMeta, SegmentOrigin } from "../manifest/format.ts";
import { schemaVersion, type Signal, signals } from "../model/columns.ts";
import { isSegmentId, parseSegmentPath, segmentPath } from "../segment/path.ts";
import { tarFileBytesMax } from "./tar.ts";

export const archiveFormat = "openwit-archive";
export const archiveVersion = 1;
export const manifestEntry = "manifest.json";
export const endEntry = "end.json";
export const errorEntry = "error.json";

/** Some hundred thousand segments: what a reader ever has to hold. */
export const manifestBytesMax = 64 * 1024 * 1024;

/** Most bytes of `end.json` and `error.json`. */
export const noteBytesMax = 64 * 1024;

/** A segment in an archive: its checksum is always known. */
export type ArchiveSegment = SegmentMeta & { readonly checksum: number };

/** Which segments were asked for: whole ones that hold any row of these. */
export interface ArchiveFilter {
  readonly tenant?: string;
  readonly signal?: Signal;
  /** Event times: from this on, and before that. */
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
}

export interface ArchiveManifest {
  /** Node whose data it is. */
  readonly nodeId: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** Name and version of the program. */
  readonly createdBy: string;
  readonly filter: ArchiveFilter;
  readonly segments: readonly ArchiveSegment[];
}

export function encodeArchiveManifest(manifest: ArchiveManifest): Uint8Array {
  const { nodeId, createdAt, createdBy, filter, segments } = manifest;
  const document = {
    format: archiveFormat,
    version: archiveVersion,
    node_id: nodeId,
    created_at: createdAt,
    created_by: createdBy,
    filter: {
      tenant: filter.tenant ?? null,
      signal: filter.signal ?? null,
      since_ns: filter.sinceNs ?? null,
      until_ns: filter.untilNs ?? null,
    },
    tenants: [...new Set(segments.map(({ tenant }) => tenant))].sort(),
    rows: segments.reduce((sum, { rows }) => sum + rows, 0),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    segments: segments.map(encodeSegment),
  };
  const text = JSON.stringify(
    document,
    (_key, value) => typeof value === "bigint" ? String(value) : value,
    1,
  );
  const bytes = new TextEncoder().encode(text + "\n");
  if (bytes.length <= manifestBytesMax) return bytes;
  throw new OpenWitError("too_large", `an archive of ${segments.length} segments is too large`, {
    hint: "export less at once: by tenant, signal or time",
  });
}

/**
 * @throws OpenWitError `unsupported` for a newer format, `malformed` for what `encodeArchiveManifest` would not give,
 *   a path that is none of a segment's and a segment that is there twice included
 */
export function parseArchiveManifest(bytes: Uint8Array): ArchiveManifest {
  const document = parseJson(bytes, manifestEntry);
  if (document.format !== archiveFormat) throw wrong("format", document.format, `"${archiveFormat}"`);
  const version = integer(document, "version");
  if (version > archiveVersion) {
    throw new OpenWitError(
      "unsupported",
      `the archive is of version ${version}; this build reads version ${archiveVersion}`,
      { hint: "import it with the version of OpenWit that wrote it, or a later one" },
    );
  }
  if (version !== archiveVersion) throw wrong("version", version, String(archiveVersion));
  const filter = record(document, "filter");
  const list = document.segments;
  if (!Array.isArray(list)) throw wrong("segments", list, "a list");
  const segments = list.map((each) => parseSegment(asRecord(each, "segments")));
  const ids = new Set(segments.map(({ id }) => id));
  if (ids.size < segments.length) throw new OpenWitError("malformed", "the archive names a segment twice");
  return {
    nodeId: text(document, "node_id"),
    createdAt: text(document, "created_at"),
    createdBy: text(document, "created_by"),
    filter: {
      ...(filter.tenant == null ? {} : { tenant: text(filter, "tenant") }),
      ...(filter.signal == null ? {} : { signal: signal(filter) }),
      ...(filter.since_ns == null ? {} : { sinceNs: nanoseconds(filter, "since_ns") }),
      ...(filter.until_ns == null ? {} : { untilNs: nanoseconds(filter, "until_ns") }),
    },
    segments,
  };
}

export interface ArchiveEnd {
  readonly segments: number;
  readonly rows: number;
  readonly bytes: number;
  readonly manifestChecksum: number;
}

export function encodeArchiveEnd({ segments, rows, bytes, manifestChecksum }: ArchiveEnd): Uint8Array {
  const document = { segments, rows, bytes, manifest_crc32c: hex(manifestChecksum) };
  return new TextEncoder().encode(JSON.stringify(document) + "\n");
}

/** @throws OpenWitError `malformed` */
export function parseArchiveEnd(bytes: Uint8Array): ArchiveEnd {
  const document = parseJson(bytes, endEntry);
  return {
    segments: integer(document, "segments"),
    rows: integer(document, "rows"),
    bytes: integer(document, "bytes"),
    manifestChecksum: checksum(document, "manifest_crc32c"),
  };
}

/** What a writer said when it could not go on. @throws OpenWitError `malformed` */
export function parseArchiveError(bytes: Uint8Array): { message: string; hint: string | undefined } {
  const document = parseJson(bytes, errorEntry);
  return {
    message: text(document, "message"),
    hint: document.hint === undefined ? undefined : text(document, "hint"),
  };
}

export function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

function encodeSegment(segment: ArchiveSegment): Record<string, unknown> {
  const { origin } = segment;
  return {
    id: segment.id,
    tenant: segment.tenant,
    signal: segment.signal,
    path: segment.path,
    level: segment.level,
    rows: segment.rows,
    bytes: segment.bytes,
    crc32c: hex(segment.checksum),
    min_time_ns: segment.minTimeNs,
    max_time_ns: segment.maxTimeNs,
    min_ingest_ns: segment.minIngestNs,
    max_ingest_ns: segment.maxIngestNs,
    lsn_from: segment.lsnFrom,
    lsn_to: segment.lsnTo,
    ...(origin === undefined ? {} : {
      origin: { node_id: origin.nodeId, lsn_from: origin.lsnFrom, lsn_to: origin.lsnTo },
    }),
    hour: segment.hour,
    late: segment.late,
    schema_version: segment.schemaVersion,
    replaces: segment.replaces,
    ...(segment.evictedSeverity === undefined ? {} : { evicted_severity: segment.evictedSeverity }),
  };
}

function parseSegment(of: Document): ArchiveSegment {
  const { late, replaces } = of;
  if (typeof late !== "boolean") throw wrong("late", late, "true or false");
  if (!Array.isArray(replaces) || !replaces.every((id) => typeof id === "string")) {
    throw wrong("replaces", replaces, "a list of segment ids");
  }
  const id = text(of, "id");
  if (!isSegmentId(id)) throw wrong("id", id, "28 lowercase hex digits");
  const segment: ArchiveSegment = {
    id,
    tenant: text(of, "tenant"),
    signal: signal(of),
    path: text(of, "path"),
    level: integer(of, "level"),
    rows: integer(of, "rows", 1),
    bytes: integer(of, "bytes", 1, tarFileBytesMax),
    checksum: checksum(of, "crc32c"),
    minTimeNs: nanoseconds(of, "min_time_ns"),
    maxTimeNs: nanoseconds(of, "max_time_ns"),
    minIngestNs: nanoseconds(of, "min_ingest_ns"),
    maxIngestNs: nanoseconds(of, "max_ingest_ns"),
    lsnFrom: integer(of, "lsn_from"),
    lsnTo: integer(of, "lsn_to"),
    ...(of.origin === undefined ? {} : { origin: parseOrigin(record(of, "origin")) }),
    hour: integer(of, "hour", -hoursMax, hoursMax),
    late,
    schemaVersion: integer(of, "schema_version", 1),
    replaces,
    ...(of.evicted_severity === undefined ? {} : { evictedSeverity: integer(of, "evicted_severity", 1) }),
  };
  if (segment.schemaVersion > schemaVersion) {
    throw new OpenWitError(
      "unsupported",
      `${segment.path} has columns of version ${segment.schemaVersion}; this build knows version ${schemaVersion}`,
      { hint: "import it with the version of OpenWit that wrote it, or a later one" },
    );
  }
  // The path is held against the fields that it is made of: nothing else may stand there.
  const path = segmentPath({ ...segment, nodeId: parseSegmentPath(segment.path).nodeId });
  if (path !== segment.path) throw wrong("path", segment.path, path);
  return segment;
}

/** Of the years 1677 to 2262, which are those that nanoseconds of 64 bits reach. */
const hoursMax = 2_600_000;

function parseOrigin(of: Document): SegmentOrigin {
  return { nodeId: text(of, "node_id"), lsnFrom: integer(of, "lsn_from"), lsnTo: integer(of, "lsn_to") };
}

type Document = Readonly<Record<string, unknown>>;

function parseJson(bytes: Uint8Array, entry: string): Document {
  try {
    return asRecord(JSON.parse(textDecoder.decode(bytes)), entry);
  } catch (cause) {
    if (cause instanceof OpenWitError) throw cause;
    throw new OpenWitError("malformed", `${entry} is not JSON: ${(cause as Error).message}`, { cause });
  }
}

function asRecord(value: unknown, what: string): Document {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Document;
  throw wrong(what, value, "an object");
}

function record(of: Document, field: string): Document {
  return asRecord(of[field], field);
}

function text(of: Document, field: string): string {
  const value = of[field];
  if (typeof value === "string" && value.length <= textCharsMax) return value;
  throw wrong(field, value, "a text");
}

function signal(of: Document): Signal {
  const value = text(of, "signal");
  if ((signals as readonly string[]).includes(value)) return value as Signal;
  throw wrong("signal", value, `one of ${signals.join(", ")}`);
}

function integer(of: Document, field: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  const value = of[field];
  if (Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most) return Number(value);
  throw wrong(field, value, `a whole number from ${least}`);
}

function nanoseconds(of: Document, field: string): bigint {
  const value = text(of, field);
  if (/^-?\d{1,19}$/.test(value) && BigInt.asIntN(64, BigInt(value)) === BigInt(value)) return BigInt(value);
  throw wrong(field, value, "nanoseconds of 64 bits, as text");
}

function checksum(of: Document, field: string): number {
  const value = text(of, field);
  if (/^[0-9a-f]{8}$/.test(value)) return parseInt(value, 16);
  throw wrong(field, value, "eight hex digits");
}

const textCharsMax = 4_096;
const textDecoder = new TextDecoder("utf-8", { fatal: true });

function wrong(field: string, found: unknown, expected: string): OpenWitError {
  const shown = (JSON.stringify(found) ?? "missing").slice(0, 200);
  return new OpenWitError("malformed", `the archive's ${field} is ${shown}, expected ${expected}`, {
    hint: "it is no archive of openwit export, or it is damaged",
  });
}
