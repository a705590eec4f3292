/**
 * The index file of a segment: the segment's path with `.idx` in place of `.parquet`. It can be rebuilt at any time,
 * and is told from a wrong one by what it says of its segment. Little-endian, version 2. Version 1 is the same without
 * tokens for levels, for texts in any case and for pairs (token.ts): it is asked for the rest, until it is built anew.
 *
 *   header, `headerBytes` long
 *     0   "OWIX"
 *     4   u16  format version
 *     6   u16  version of the word rules (core/text/word.ts)
 *     8   u32  CRC-32C of the header from byte 12 on
 *     12  14   segment id
 *     26  u8   signal: 0 logs, 1 spans, 2 metrics
 *     27  u8   blocks
 *     28  u32  rows
 *     32  u32  seed of the hashes, high lane; 36 u32 low lane
 *     40  u8   kept bits; 41 u8 bucket bits; 42 u8 rice bits (postings.ts)
 *     43  u8   sections
 *     44  u32  tokens
 *     48  sections, 12 bytes each: u32 offset, u32 length, u32 CRC-32C
 *   sections, in the order of `sectionNames`
 *     bucketLengths    u16 each (postings.ts)
 *     buckets          (postings.ts); each bucket has a check of its own, so that it can be read alone
 *     wordDirectory    JSON text (words.ts)
 *     words            (words.ts)
 *     times            for each block i64 least and i64 greatest value of the time column
 *     fields           names of the keys of attributes that rows have, each ended by "\n"; zstd
 */
import { zstdDecompressSync } from "node:zlib";
import { OpenWitError } from "../error.ts";
import { signals } from "../model/columns.ts";
import type { Signal } from "../model/columns.ts";
import { blockRows } from "../segment/encoder.ts";
import { wordRulesVersion } from "../text/word.ts";
import { crc32c } from "../wal/crc32c.ts";
import type { BuiltIndex } from "./builder.ts";
import { type KeyShape, riceBitsMax } from "./postings.ts";
import { type HashState, keyBits } from "./token.ts";

export const indexFormatVersion = 2;
/** Files before it have no tokens of the kinds level, folded and pair. */
export const levelsSince = 2;
const oldestFormatVersion = 1;

export const sectionNames = [
  "bucketLengths",
  "buckets",
  "wordDirectory",
  "words",
  "times",
  "fields",
] as const;
export type SectionName = typeof sectionNames[number];

export interface Section {
  readonly offset: number;
  readonly length: number;
  readonly checksum: number;
}

export interface IndexHeader {
  /** From `oldestFormatVersion` to `indexFormatVersion`. */
  readonly formatVersion: number;
  readonly segmentId: string;
  readonly signal: Signal;
  readonly blockCount: number;
  readonly rows: number;
  readonly seed: HashState;
  readonly shape: KeyShape;
  readonly tokens: number;
  readonly sections: Readonly<Record<SectionName, Section>>;
}

const magic = 0x5849_574f; // "OWIX"
const sectionsAt = 48;
export const headerBytes = sectionsAt + sectionNames.length * 12;

/** Names of keys take a few kilobytes. */
const fieldsBytesMax = 16 * 1024 * 1024;

export const indexSuffix = ".idx";

/** The path of a segment's index. */
export function indexPath(segmentPath: string): string {
  return segmentPath.replace(/\.parquet$/, indexSuffix);
}

/** The bytes of an index file, in order. */
export function encodeIndex(
  segment: { readonly id: string; readonly signal: Signal; readonly rows: number },
  seed: HashState,
  built: BuiltIndex,
): Uint8Array[] {
  const { postings, words, times } = built;
  const fields = new TextEncoder().encode(built.fields.map((field) => `${field}\n`).join(""));
  const parts: Record<SectionName, Uint8Array> = {
    bucketLengths: bytesOf(postings.lengths),
    buckets: postings.buckets,
    wordDirectory: words.directory,
    words: words.chunks,
    times: bytesOf(times),
    fields: Bun.zstdCompressSync(fields),
  };
  const header = new Uint8Array(headerBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, magic, true);
  view.setUint16(4, indexFormatVersion, true);
  view.setUint16(6, wordRulesVersion, true);
  header.set(Uint8Array.fromHex(segment.id), 12);
  header[26] = signals.indexOf(segment.signal);
  header[27] = Math.ceil(segment.rows / blockRows);
  view.setUint32(28, segment.rows, true);
  view.setInt32(32, seed.high, true);
  view.setInt32(36, seed.low, true);
  const { keptBits, bucketBits, riceBits } = postings.shape;
  header.set([keptBits, bucketBits, riceBits, sectionNames.length], 40);
  view.setUint32(44, postings.tokens, true);
  let offset = headerBytes;
  for (const [index, name] of sectionNames.entries()) {
    const at = sectionsAt + index * 12;
    view.setUint32(at, offset, true);
    view.setUint32(at + 4, parts[name].length, true);
    view.setUint32(at + 8, crc32c(parts[name]), true);
    offset += parts[name].length;
  }
  view.setUint32(8, crc32c(header.subarray(12)), true);
  return [header, ...sectionNames.map((name) => parts[name])];
}

/**
 * @param bytes the first `headerBytes` of a file
 * @throws OpenWitError `corrupt`; `unsupported` for another version of the format or of the word rules
 */
export function parseIndexHeader(bytes: Uint8Array): IndexHeader {
  if (bytes.length < headerBytes) throw corrupt(`it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== magic) throw corrupt("it does not begin with OWIX");
  const formatVersion = view.getUint16(4, true), rules = view.getUint16(6, true);
  const isKnown = formatVersion >= oldestFormatVersion && formatVersion <= indexFormatVersion;
  if (!isKnown || rules !== wordRulesVersion) {
    throw new OpenWitError(
      "unsupported",
      `an index of format ${formatVersion} with word rules ${rules}; this build reads ${oldestFormatVersion} to ` +
        `${indexFormatVersion} with ${wordRulesVersion}`,
      { hint: "openwit index rebuild" },
    );
  }
  if (view.getUint32(8, true) !== crc32c(bytes.subarray(12, headerBytes))) {
    throw corrupt("its header's checksum does not fit its bytes");
  }
  const signal = signals[bytes[26]];
  const [keptBits, bucketBits, riceBits, sectionCount] = bytes.subarray(40);
  const isShaped = keptBits <= keyBits && bucketBits <= keptBits && riceBits <= riceBitsMax;
  if (signal === undefined || !isShaped || sectionCount !== sectionNames.length) {
    throw corrupt("its header makes no sense");
  }
  const section = (index: number): Section => {
    const at = sectionsAt + index * 12;
    return {
      offset: view.getUint32(at, true),
      length: view.getUint32(at + 4, true),
      checksum: view.getUint32(at + 8, true),
    };
  };
  return {
    formatVersion,
    segmentId: bytes.subarray(12, 26).toHex(),
    signal,
    blockCount: bytes[27],
    rows: view.getUint32(28, true),
    seed: { high: view.getInt32(32, true), low: view.getInt32(36, true) },
    shape: { keptBits, bucketBits, riceBits },
    tokens: view.getUint32(44, true),
    sections: Object.fromEntries(sectionNames.map((name, index) => [name, section(index)])) as Record<
      SectionName,
      Section
    >,
  };
}

/** The names of keys in their section. @throws OpenWitError `corrupt` */
export function parseFields(bytes: Uint8Array): string[] {
  try {
    const text = new TextDecoder().decode(zstdDecompressSync(bytes, { maxOutputLength: fieldsBytesMax }));
    return text.split("\n").slice(0, -1);
  } catch (cause) {
    throw new OpenWitError("corrupt", "cannot read an index: its list of fields does not decompress", {
      cause,
    });
  }
}

function bytesOf(array: Uint16Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function corrupt(what: string): OpenWitError {
  return new OpenWitError("corrupt", `cannot read an index: ${what}`, { hint: "openwit index rebuild" });
}
