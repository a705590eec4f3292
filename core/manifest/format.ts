/**
 * The bytes of a manifest file, `manifest/{n}.log`, version 1. Integers are little-endian; checksums are CRC-32C.
 *
 *   header, 24 bytes   0  8 bytes  "OWIT-MAN"
 *                      8  u32      version, 1
 *                     12  u64      n
 *                     20  u32      checksum of bytes 0 to 19
 *   frame              0  4 bytes  "OWMF", by which a reader finds the next frame after a damaged one
 *                      4  u32      bytes of the payload
 *                      8  u32      checksum of bytes 4 to 7 and the payload, going on from the header's checksum
 *                     12  payload  UTF-8 JSON, one of
 *     {"snapshot": {"nodeId", "version", "newestIngestNs", "watermarks", "settings", "parts"}}   the first frame
 *     {"segments": [...]}                                                                        `parts` of them
 *     {"edits": [{"add", "remove", "watermarks", "set"}, ...]}                                   any number
 *
 * Edits that were committed together share a frame: a torn write leaves all of them or none.
 * A segment is an object with the fields of `SegmentMeta`; those whose names end in Ns are decimal strings, since
 * JSON numbers lose nanoseconds. In "settings" and "set" a value of null takes the key away.
 * The file with the greatest n is the manifest: it is renamed into place with its snapshot whole, and the one
 * before it is removed afterwards. Unknown fields are ignored; a meaning that older builds must not ignore comes
 * with a new version.
 */
import { OpenWitError } from "../error.ts";
import type { Signal } from "../model/columns.ts";
import { crc32c } from "../wal/crc32c.ts";

/** Where the rows of an imported segment came from: another node, whose requests have numbers of their own. */
export interface SegmentOrigin {
  readonly nodeId: string;
  /** That node's requests, both inclusive. */
  readonly lsnFrom: number;
  readonly lsnTo: number;
}

/** One immutable Parquet file with its index. */
export interface SegmentMeta {
  readonly id: string;
  readonly tenant: string;
  readonly signal: Signal;
  /** Within the data folder. */
  readonly path: string;
  /** 0 from a flush, 1 and 2 from merges. */
  readonly level: number;
  readonly rows: number;
  readonly bytes: number;
  /** Event times, both inclusive. */
  readonly minTimeNs: bigint;
  readonly maxTimeNs: bigint;
  readonly minIngestNs: bigint;
  readonly maxIngestNs: bigint;
  /** Requests whose rows it holds, both inclusive; other segments may hold rows of them too. 0 when imported. */
  readonly lsnFrom: number;
  readonly lsnTo: number;
  /** Of an imported segment, and of what imported ones were merged into. */
  readonly origin?: SegmentOrigin;
  /** Whether its hour was long over when the rows came: its retention counts from ingest. */
  readonly late: boolean;
  /** Version of the tables of columns (model/columns.ts). */
  readonly schemaVersion: number;
  /** Ids of the segments whose rows it took over. */
  readonly replaces: readonly string[];
  /** Hours since 1970 UTC: of the events; of the earliest ingest when `late`. */
  readonly hour: number;
  /** Log records of severities from 1 to this were evicted from it (core/compact/shed.ts). */
  readonly evictedSeverity?: number;
  /** CRC-32C of the whole file, which has no checksums of its own; unknown after a rebuild from footers. */
  readonly checksum?: number;
}

/** A change of what exists: all of it, or nothing. */
export interface ManifestEdit {
  readonly add?: readonly SegmentMeta[];
  /** Ids of segments that are gone; one that is not there is no error. */
  readonly remove?: readonly string[];
  /** By "{tenant}/{signal}": the LSN up to which the stream's requests are in segments. Never goes back. */
  readonly watermarks?: Readonly<Record<string, number>>;
  /** What a person set, any JSON; null takes a key away. */
  readonly set?: Readonly<Record<string, unknown>>;
}

export interface ManifestSnapshot {
  readonly nodeId: string;
  /** Edits ever applied. */
  readonly version: number;
  /** Newest ingest time of any segment that ever was; 0 before the first. */
  readonly newestIngestNs: bigint;
  readonly watermarks: Readonly<Record<string, number>>;
  readonly settings: Readonly<Record<string, unknown>>;
}

export type ManifestFrame =
  | { readonly snapshot: ManifestSnapshot & { readonly parts: number } }
  | { readonly segments: readonly SegmentMeta[] }
  | { readonly edits: readonly ManifestEdit[] };

export const manifestVersion = 1;
export const manifestFolder = "manifest";
export const manifestHeaderBytes = 24;
export const frameHeaderBytes = 12;

/** "OWMF", the first four bytes of a frame. */
export const frameMark = Uint8Array.of(0x4f, 0x57, 0x4d, 0x46);

/** Most bytes of one frame's payload: what a reader ever has to hold. */
export const framePayloadBytesMax = 64 * 1024 * 1024;

export function manifestPath(n: number): string {
  return `${manifestFolder}/${String(n).padStart(8, "0")}.log`;
}

/** `undefined` for a name that is not one of ours. */
export function parseManifestName(name: string): number | undefined {
  const match = /^(\d{8,15})\.log$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** A file's header, and the checksum that those of its frames go on from. */
export function encodeManifestHeader(n: number): { bytes: Uint8Array; checksum: number } {
  const bytes = new Uint8Array(manifestHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint32(8, manifestVersion, true);
  view.setBigUint64(12, BigInt(n), true);
  const checksum = crc32c(bytes.subarray(0, 20));
  view.setUint32(20, checksum, true);
  return { bytes, checksum };
}

/**
 * The checksum of a file's header; `undefined` when it is damaged.
 * @throws OpenWitError `unsupported` for a newer version
 */
export function decodeManifestHeader(bytes: Uint8Array, path: string): number | undefined {
  if (bytes.length < 12 || !magic.every((byte, index) => bytes[index] === byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint32(8, true);
  // A version far off is damage rather than a build of the future.
  if (version > manifestVersion && version < 1_000) {
    throw new OpenWitError(
      "unsupported",
      `${path} is of manifest version ${version}; this build reads version ${manifestVersion}`,
      { hint: "start the version of OpenWit that wrote it; the file was left as it is" },
    );
  }
  if (bytes.length < manifestHeaderBytes || version !== manifestVersion) return undefined;
  const checksum = view.getUint32(20, true);
  return crc32c(bytes.subarray(0, 20)) === checksum ? checksum : undefined;
}

/** @throws OpenWitError `too_large` */
export function encodeFrame(frame: ManifestFrame, headerChecksum: number): Uint8Array {
  const payload = textEncoder.encode(JSON.stringify(frame, bigintAsString));
  if (payload.length > framePayloadBytesMax) {
    throw new OpenWitError(
      "too_large",
      `a manifest edit of ${payload.length} bytes is over ${framePayloadBytesMax}`,
    );
  }
  const bytes = new Uint8Array(frameHeaderBytes + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(frameMark);
  view.setUint32(4, payload.length, true);
  bytes.set(payload, frameHeaderBytes);
  view.setUint32(8, frameChecksum(bytes, headerChecksum), true);
  return bytes;
}

/** The frame at `at` and where it ends; `undefined` when no whole one begins there. */
export function decodeFrame(
  bytes: Uint8Array,
  at: number,
  headerChecksum: number,
): { frame: ManifestFrame; end: number } | undefined {
  if (at + frameHeaderBytes > bytes.length || !frameMark.every((byte, index) => bytes[at + index] === byte)) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, frameHeaderBytes);
  const end = at + frameHeaderBytes + view.getUint32(4, true);
  if (end > bytes.length || end - at > framePayloadBytesMax + frameHeaderBytes) return undefined;
  if (view.getUint32(8, true) !== frameChecksum(bytes.subarray(at, end), headerChecksum)) return undefined;
  const text = textDecoder.decode(bytes.subarray(at + frameHeaderBytes, end));
  return { frame: parseFrame(text), end };
}

const magic = new TextEncoder().encode("OWIT-MAN");
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();
const timeFields = ["minTimeNs", "maxTimeNs", "minIngestNs", "maxIngestNs"] as const;

function frameChecksum(frame: Uint8Array, headerChecksum: number): number {
  return crc32c(frame.subarray(frameHeaderBytes), crc32c(frame.subarray(4, 8), headerChecksum));
}

function bigintAsString(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

/** The checksum vouched for the text: what it holds is what a build of ours wrote. */
function parseFrame(text: string): ManifestFrame {
  const frame = JSON.parse(text);
  if (frame.snapshot) {
    return { snapshot: { ...frame.snapshot, newestIngestNs: BigInt(frame.snapshot.newestIngestNs) } };
  }
  if (frame.segments) return { segments: frame.segments.map(parseSegment) };
  return { edits: (frame.edits ?? []).map(parseEdit) };
}

function parseEdit(edit: Omit<ManifestEdit, "add"> & { add?: Record<string, unknown>[] }): ManifestEdit {
  const { add, ...rest } = edit;
  return add === undefined ? rest : { ...rest, add: add.map(parseSegment) };
}

function parseSegment(segment: Record<string, unknown>): SegmentMeta {
  const times = timeFields.map((field) => [field, BigInt(segment[field] as string)]);
  return { ...segment, ...Object.fromEntries(times) } as unknown as SegmentMeta;
}
