/**
 * The bytes of a WAL file, version 1. Integers are little-endian; checksums are CRC-32C (crc32c.ts).
 *
 *   wal/{lsn, 16 digits}.wal            the usual name, by the file's first LSN
 *   wal/{lsn, 16 digits}.{n}.wal        the n-th file after it that begins with the same LSN (see "supersedes")
 *   wal/{same as its file}.seen         hashes of a freed file's records (seen.ts)
 *
 * File: the header twice (so that one damaged sector does not cost the file), then records back to back.
 *
 *   header, 32 bytes   0  8 bytes  "OWIT-WAL"
 *                      8  u32      version, 1
 *                     12  u64      first LSN
 *                     20  i64      created at, Unix nanoseconds
 *                     28  u32      checksum of bytes 0 to 27
 *
 *   record             0  4 bytes  "OWRC", by which a reader finds the next record after a damaged one
 *                      4  u32      length of the record, from its first byte to its last
 *                      8  u32      checksum of bytes 4 to 7 and 12 to the end
 *                     12  u32      checksum of bytes 4 to 7 and 16 to 59: the length is trusted by this one alone
 *                     16  u8       format, 1
 *                     17  u8       signal: 1 logs, 2 spans, 3 metrics
 *                     18  u8       protocol: 1 otlp-grpc, 2 otlp-http
 *                     19  u8       encoding: 1 protobuf, 2 json
 *                     20  u8       compression of the stored body: 0 identity, 1 gzip, 2 zstd
 *                     21  u8       bytes of the tenant
 *                     22  u16      bytes of the source position
 *                     24  u64      LSN
 *                     32  i64      received at, Unix nanoseconds
 *                     40  u32      bytes of the body, decompressed
 *                     44  16 bytes content hash (dedup.ts)
 *                     60  tenant (UTF-8), source position (UTF-8 JSON, empty when none), body
 *
 * Both checksums of a record go on from the file header's, which a client does not know: a body that holds the image
 * of a record is not taken for one when the bytes round it are damaged, and costs nothing to pass over.
 *
 * Invariants: (1) LSNs ascend by one from record to record of a file. (2) A file supersedes what its predecessors
 * hold from its first LSN on: after a failed write the next file begins with the first LSN that was not
 * acknowledged, whether it was written again there or refused. (3) So, when every record below a file's first LSN
 * is found, nothing that was acknowledged is missing before that file.
 */
import { OpenWitError } from "../error.ts";
import type { BodyEncoding, Compression, Protocol } from "../ingest/request.ts";
import type { Signal } from "../model/columns.ts";
import { crc32c } from "./crc32c.ts";

export interface WalRecord {
  /** Log sequence number: 1, 2, 3 … in the order of acceptance; a safe integer. */
  readonly lsn: number;
  readonly receivedAtNs: bigint;
  readonly tenant: string;
  readonly signal: Signal;
  readonly protocol: Protocol;
  readonly encoding: BodyEncoding;
  /** How `body` is compressed. */
  readonly compression: Compression;
  /** Bytes of the body when decompressed. */
  readonly decodedBytes: number;
  /** `contentHash` of the decompressed body, 16 bytes. */
  readonly hash: Uint8Array;
  /** As stored; `decodeBody` (body.ts) decompresses. */
  readonly body: Uint8Array;
  /** Where a pulled request came from, as JSON text: a Kafka topic, partition and offsets. */
  readonly source?: string;
}

export const walVersion = 1;
export const walFolder = "wal";

/** Both copies of the header: where the first record begins. */
export const walHeaderBytes = 64;

/** Fixed part of a record. */
export const recordHeaderBytes = 60;

/** Most bytes of one record: far above any accepted request, and what a reader ever has to hold. */
export const recordBytesMax = 256 * 1024 * 1024;

/**
 * Most bytes of one write, but for a single record that is larger: bounds memory, how long the first of a group
 * waits for the last, and what a recovery writes again.
 */
export const groupBytesMax = 8 * 1024 * 1024;

/** "OWRC", the first four bytes of a record. */
export const recordMark = Uint8Array.of(0x4f, 0x57, 0x52, 0x43);

export interface WalHeader {
  readonly firstLsn: number;
  readonly createdAtNs: bigint;
  /** What the checksums of the file's records go on from. */
  readonly checksum: number;
}

/** Both copies of a file's header, and what to encode its records with. */
export function encodeWalHeader(
  firstLsn: number,
  createdAtNs: bigint,
): { bytes: Uint8Array; header: WalHeader } {
  const bytes = new Uint8Array(walHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint32(8, walVersion, true);
  view.setBigUint64(12, BigInt(firstLsn), true);
  view.setBigInt64(20, createdAtNs, true);
  const checksum = crc32c(bytes.subarray(0, 28));
  view.setUint32(28, checksum, true);
  bytes.copyWithin(headerCopyBytes, 0, headerCopyBytes);
  return { bytes, header: { firstLsn, createdAtNs, checksum } };
}

/**
 * The header of a file from its first `walHeaderBytes` (fewer, when it is shorter).
 * `undefined` when neither copy is whole.
 * @throws OpenWitError `unsupported` for a newer version
 */
export function decodeWalHeader(bytes: Uint8Array, path: string): WalHeader | undefined {
  for (const at of [0, headerCopyBytes]) {
    const copy = bytes.subarray(at, at + headerCopyBytes);
    if (copy.length < headerCopyBytes || !magic.every((byte, index) => copy[index] === byte)) continue;
    const view = new DataView(copy.buffer, copy.byteOffset, copy.length);
    const checksum = view.getUint32(28, true);
    if (crc32c(copy.subarray(0, 28)) !== checksum) continue;
    const version = view.getUint32(8, true);
    if (version !== walVersion) throw newerVersion(path, version);
    return {
      firstLsn: Number(view.getBigUint64(12, true)),
      createdAtNs: view.getBigInt64(20, true),
      checksum,
    };
  }
  // The version stands at the same place in every later version, whatever follows it there.
  if (bytes.length >= 12 && magic.every((byte, index) => bytes[index] === byte)) {
    const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
    if (version > walVersion && version < versionsPlausible) throw newerVersion(path, version);
  }
  return undefined;
}

export function recordBytes(record: Pick<WalRecord, "tenant" | "source" | "body">): number {
  return recordHeaderBytes + Buffer.byteLength(record.tenant) + Buffer.byteLength(record.source ?? "") +
    record.body.length;
}

/**
 * Writes a record into `into` at `at`; returns the end.
 * @throws OpenWitError `too_large`, `invalid_argument` when a field does not fit the format
 */
export function encodeRecord(record: WalRecord, header: WalHeader, into: Uint8Array, at: number): number {
  checkRecord(record);
  const length = recordBytes(record);
  const bytes = into.subarray(at, at + length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  bytes.set(recordMark);
  view.setUint32(4, length, true);
  bytes[16] = recordFormat;
  bytes[17] = signalCodes.indexOf(record.signal);
  bytes[18] = protocolCodes.indexOf(record.protocol);
  bytes[19] = encodingCodes.indexOf(record.encoding);
  bytes[20] = compressionCodes.indexOf(record.compression);
  view.setBigUint64(24, BigInt(record.lsn), true);
  view.setBigInt64(32, record.receivedAtNs, true);
  view.setUint32(40, record.decodedBytes, true);
  bytes.set(record.hash, 44);
  bytes[21] = textEncoder.encodeInto(record.tenant, bytes.subarray(recordHeaderBytes)).written;
  const tenantEnd = recordHeaderBytes + bytes[21];
  const sourceBytes = record.source
    ? textEncoder.encodeInto(record.source, bytes.subarray(tenantEnd)).written
    : 0;
  view.setUint16(22, sourceBytes, true);
  bytes.set(record.body, tenantEnd + sourceBytes);
  view.setUint32(12, fieldsChecksum(bytes, header), true);
  view.setUint32(8, recordChecksum(bytes, header), true);
  return at + length;
}

/** Throws when a record cannot be written: the checks of `encodeRecord`, before anything is promised. */
export function checkRecord(record: Omit<WalRecord, "lsn">): void {
  if (recordBytes(record) > recordBytesMax || record.decodedBytes > 0xffff_ffff) {
    throw new OpenWitError(
      "too_large",
      `a request of ${record.body.length} bytes is over the WAL's ${recordBytesMax}`,
    );
  }
  const tenantBytes = Buffer.byteLength(record.tenant);
  const sourceBytes = Buffer.byteLength(record.source ?? "");
  if (tenantBytes > 255 || sourceBytes > 65_535 || record.hash.length !== 16) {
    throw new OpenWitError(
      "invalid_argument",
      `a request's tenant (${tenantBytes} bytes), source position (${sourceBytes}) or hash (${record.hash.length}) ` +
        "does not fit a WAL record: at most 255, 65535, exactly 16",
    );
  }
}

/** What the fixed part of a record says, checked by its own checksum. */
export interface RecordPeek {
  /** Bytes of the record. */
  readonly length: number;
  readonly lsn: number;
}

/** The fixed part at the start of `bytes`; `undefined` when no record begins there. */
export function peekRecord(bytes: Uint8Array, header: WalHeader): RecordPeek | undefined {
  if (bytes.length < recordHeaderBytes) return undefined;
  if (!recordMark.every((byte, index) => bytes[index] === byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(12, true) !== fieldsChecksum(bytes, header)) return undefined;
  const length = view.getUint32(4, true);
  const lsn = Number(view.getBigUint64(24, true));
  if (length < recordHeaderBytes || length > recordBytesMax || !Number.isSafeInteger(lsn)) return undefined;
  return { length, lsn };
}

/**
 * The record that `bytes` are, exactly; `undefined` when a checksum or a field says that they are none.
 * The body is a view of `bytes`.
 * @throws OpenWitError `unsupported` for a whole record of a newer format
 */
export function decodeRecord(bytes: Uint8Array, header: WalHeader, path: string): WalRecord | undefined {
  const peek = peekRecord(bytes, header);
  if (peek?.length !== bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(8, true) !== recordChecksum(bytes, header)) return undefined;
  if (bytes[16] !== recordFormat) throw newerVersion(path, bytes[16]);
  const signal = signalCodes[bytes[17]];
  const protocol = protocolCodes[bytes[18]];
  const encoding = encodingCodes[bytes[19]];
  const compression = compressionCodes[bytes[20]];
  const tenantEnd = recordHeaderBytes + bytes[21];
  const sourceEnd = tenantEnd + view.getUint16(22, true);
  if (!signal || !protocol || !encoding || !compression || sourceEnd > bytes.length) return undefined;
  return {
    lsn: peek.lsn,
    receivedAtNs: view.getBigInt64(32, true),
    tenant: textDecoder.decode(bytes.subarray(recordHeaderBytes, tenantEnd)),
    signal,
    protocol,
    encoding,
    compression,
    decodedBytes: view.getUint32(40, true),
    hash: bytes.slice(44, 60),
    body: bytes.subarray(sourceEnd),
    ...(sourceEnd > tenantEnd ? { source: textDecoder.decode(bytes.subarray(tenantEnd, sourceEnd)) } : {}),
  };
}

/** A WAL file by its name: where its records begin, and which of the files that begin there it is. */
export interface WalName {
  readonly firstLsn: number;
  readonly attempt: number;
}

export function walPath({ firstLsn, attempt }: WalName, suffix: "wal" | "seen" = "wal"): string {
  const stem = String(firstLsn).padStart(16, "0") + (attempt === 0 ? "" : `.${attempt}`);
  return `${walFolder}/${stem}.${suffix}`;
}

/** `undefined` for a name that is not one of ours. */
export function parseWalName(name: string, suffix: "wal" | "seen" = "wal"): WalName | undefined {
  const match = /^(\d{16})(?:\.(\d{1,9}))?\.(wal|seen)$/.exec(name);
  if (match === null || match[3] !== suffix) return undefined;
  const firstLsn = Number(match[1]);
  return Number.isSafeInteger(firstLsn) ? { firstLsn, attempt: Number(match[2] ?? 0) } : undefined;
}

/** The order in which files were begun. */
export function compareWalNames(a: WalName, b: WalName): number {
  return a.firstLsn - b.firstLsn || a.attempt - b.attempt;
}

const recordFormat = 1;
const headerCopyBytes = walHeaderBytes / 2;
/** A version above this is taken for damage rather than for a build of the future. */
const versionsPlausible = 1_000;

// Positions are the codes on disk: append only.
const signalCodes: readonly (Signal | undefined)[] = [undefined, "logs", "spans", "metrics"];
const protocolCodes: readonly (Protocol | undefined)[] = [undefined, "otlp-grpc", "otlp-http"];
const encodingCodes: readonly (BodyEncoding | undefined)[] = [undefined, "protobuf", "json"];
const compressionCodes: readonly (Compression | undefined)[] = ["identity", "gzip", "zstd"];

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();
const magic = textEncoder.encode("OWIT-WAL");

function fieldsChecksum(bytes: Uint8Array, header: WalHeader): number {
  return crc32c(bytes.subarray(16, recordHeaderBytes), crc32c(bytes.subarray(4, 8), header.checksum));
}

function recordChecksum(bytes: Uint8Array, header: WalHeader): number {
  return crc32c(bytes.subarray(12), crc32c(bytes.subarray(4, 8), header.checksum));
}

function newerVersion(path: string, version: number): OpenWitError {
  return new OpenWitError(
    "unsupported",
    `${path} is of WAL version ${version}; this build reads version ${walVersion}`,
    {
      hint: "start the version of OpenWit that wrote it; the file was left as it is",
    },
  );
}
