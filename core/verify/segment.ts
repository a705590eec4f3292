/**
 * Checks one segment against what the manifest says of it: its file, its footer, its columns; in depth every byte
 * by the manifest's checksum and every row group by an engine that reads all of its columns.
 */
import type { Disk } from "../env/disk.ts";
import { type OpenWitError, toOpenWitError } from "../error.ts";
import { indexPath } from "../index/format.ts";
import { loadIndex, requireIndex } from "../index/inspect.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import { type Column, columnsOf, type ColumnType, schemaVersion, type Signal } from "../model/columns.ts";
import { parseFooter } from "../segment/footer.ts";
import { parseSegmentPath } from "../segment/path.ts";
import { type ParquetFooter, readParquetFooter } from "../segment/reader.ts";
import { crc32c } from "../wal/crc32c.ts";
import { type Finding, finding, type FindingKind } from "./finding.ts";

/** Reads every column of every row group of a file. @throws OpenWitError when one cannot be read */
export type SegmentScan = (path: string, signal: Signal) => Promise<{
  readonly rows: number;
  /** Of the signal's time column. */
  readonly minTimeNs: bigint;
  readonly maxTimeNs: bigint;
}>;

export interface DeepCheck {
  readonly scan: SegmentScan;
  /** Told of bytes read. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * What is wrong with a segment; empty when nothing is.
 * @param file where its bytes are, when not yet at its path
 * @throws OpenWitError `io`
 */
export async function checkSegment(
  disk: Disk,
  meta: SegmentMeta,
  deep?: DeepCheck,
  file: string = meta.path,
): Promise<Finding[]> {
  const { id, path } = meta;
  const wrong = (kind: FindingKind, found: string, expected: string) => [
    finding(kind, path, found, expected, id),
  ];
  const stat = await disk.stat(file);
  if (stat === undefined) {
    return wrong("segment_missing", "no file", `${meta.rows} ${meta.signal} in ${meta.bytes} bytes`);
  }
  if (stat.bytes !== meta.bytes) return wrong("segment_size", `${stat.bytes} bytes`, `${meta.bytes} bytes`);
  let footer: ParquetFooter;
  let mismatches: Mismatch[];
  try {
    footer = await readParquetFooter(disk, file);
    mismatches = [...compareFooter(meta, footer), ...comparePath(meta), ...compareColumns(meta, footer)];
  } catch (thrown) {
    const error = toOpenWitError(thrown);
    if (error.code === "io" || error.code === "disk_full") throw error;
    const kind = error.code === "unsupported" ? "newer_version" : "segment_footer";
    return wrong(kind, error.message, "the footer of a segment");
  }
  if (mismatches.length > 0) {
    const list = (side: keyof Mismatch) => mismatches.map((each) => `${each.what} ${each[side]}`).join(", ");
    return wrong("segment_mismatch", list("found"), list("expected"));
  }
  const content = deep === undefined ? [] : await checkContent(disk, meta, file, deep, wrong);
  return content.length > 0 || file !== path ? content : await checkIndex(disk, meta, deep !== undefined);
}

/** An index that is there, whole when in depth. One that is not is no fault, nor is one of another version. */
async function checkIndex(disk: Disk, meta: SegmentMeta, isDeep: boolean): Promise<Finding[]> {
  const path = indexPath(meta.path);
  try {
    if (isDeep) (await loadIndex(disk, path, meta)).verify();
    else await requireIndex(disk, path, meta);
    return [];
  } catch (thrown) {
    const error = toOpenWitError(thrown);
    if (error.code === "io") throw error;
    if (error.code !== "corrupt") return [];
    return [
      finding("index_damaged", path, error.message, `the index of ${meta.rows} ${meta.signal}`, meta.id),
    ];
  }
}

interface Mismatch {
  readonly what: string;
  readonly found: string;
  readonly expected: string;
}

type Wrong = (kind: FindingKind, found: string, expected: string) => Finding[];

async function checkContent(
  disk: Disk,
  meta: SegmentMeta,
  file: string,
  deep: DeepCheck,
  wrong: Wrong,
): Promise<Finding[]> {
  const checksum = await checksumOf(disk, file, deep.onBytes);
  if (meta.checksum !== undefined && checksum !== meta.checksum) {
    return wrong("segment_checksum", `checksum ${hex(checksum)}`, `checksum ${hex(meta.checksum)}`);
  }
  let scanned;
  try {
    scanned = await deep.scan(file, meta.signal);
  } catch (thrown) {
    const error: OpenWitError = toOpenWitError(thrown);
    if (["cancelled", "overloaded", "unavailable", "deadline_exceeded"].includes(error.code)) throw error;
    return wrong("segment_rows", error.message, `${meta.rows} rows that can be read`);
  }
  const mismatches = [
    ...differs("rows", scanned.rows, meta.rows),
    ...differs("least time", scanned.minTimeNs, meta.minTimeNs),
    ...differs("greatest time", scanned.maxTimeNs, meta.maxTimeNs),
  ];
  if (mismatches.length === 0) return [];
  const list = (side: keyof Mismatch) => mismatches.map((each) => `${each.what} ${each[side]}`).join(", ");
  return wrong("segment_rows", list("found"), list("expected"));
}

function compareFooter(meta: SegmentMeta, footer: ParquetFooter): Mismatch[] {
  const own = parseFooter(footer.keyValues);
  const groupRows = footer.rowGroups.reduce((sum, { rows }) => sum + rows, 0);
  const fields = [
    "id",
    "tenant",
    "signal",
    "level",
    "rows",
    "minTimeNs",
    "maxTimeNs",
    "minIngestNs",
    "maxIngestNs",
    "lsnFrom",
    "lsnTo",
    "hour",
    "late",
    "schemaVersion",
    "evictedSeverity",
  ] as const;
  return [
    ...fields.flatMap((field) => differs(field, own[field], meta[field])),
    ...differs("origin", originText(own), originText(meta)),
    ...differs("rows of the file", footer.rows, meta.rows),
    ...differs("rows of its row groups", groupRows, meta.rows),
  ];
}

function originText({ origin }: Pick<SegmentMeta, "origin">): string {
  return origin === undefined ? "none" : `${origin.nodeId} ${origin.lsnFrom} to ${origin.lsnTo}`;
}

function comparePath(meta: SegmentMeta): Mismatch[] {
  const name = parseSegmentPath(meta.path);
  return (["id", "tenant", "signal", "level", "late"] as const)
    .flatMap((field) => differs(`${field} in the path`, name[field], meta[field]));
}

/** Field ids are how other engines know the columns, and what a table of columns promises for ever. */
function compareColumns(meta: SegmentMeta, footer: ParquetFooter): Mismatch[] {
  if (meta.schemaVersion !== schemaVersion) return []; // the table of that version is not in this build
  const found = new Map<string, Set<number>>();
  for (const { path, fieldId } of footer.schema) {
    const ids = found.get(path[0]) ?? new Set();
    if (fieldId !== undefined) ids.add(fieldId);
    found.set(path[0], ids);
  }
  return columnsOf[meta.signal].flatMap((column) => {
    const expected = idsOf(column);
    const ids = [...found.get(column.name) ?? []].sort((a, b) => a - b);
    return differs(`field ids of ${column.name}`, ids.join(" ") || "none", expected.join(" "));
  });
}

function idsOf(column: Column): number[] {
  return [column.id, ...innerIds(column.type)].sort((a, b) => a - b);
}

function innerIds(type: ColumnType): number[] {
  if (type.kind === "map") return [type.keyId, type.valueId];
  if (type.kind === "list") return [type.elementId, ...innerIds(type.element)];
  return type.kind === "struct" ? type.fields.flatMap(idsOf) : [];
}

function differs(what: string, found: unknown, expected: unknown): Mismatch[] {
  return found === expected ? [] : [{ what, found: String(found), expected: String(expected) }];
}

async function checksumOf(disk: Disk, path: string, onBytes: (bytes: number) => void): Promise<number> {
  const file = await disk.open(path, "read");
  try {
    const buffer = new Uint8Array(readBytes);
    let checksum = 0;
    for (let at = 0;;) {
      const read = await file.read(buffer, at);
      if (read === 0) return checksum;
      checksum = crc32c(buffer.subarray(0, read), checksum);
      at += read;
      onBytes(read);
    }
  } finally {
    await file.close();
  }
}

const readBytes = 1024 * 1024;

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}
