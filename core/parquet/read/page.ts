/**
 * The pages of one column chunk: decompression, levels, and where the values begin. Parquet format 2.11 (Data Pages of
 * version 1 and 2).
 */
import { zstdDecompressSync } from "node:zlib";
import { OpenWitError } from "../../error.ts";
import { isFrameOf } from "../../ingest/zstd.ts";
import { kindData, kindDataV2, kindDictionary, PageHeaders } from "./header.ts";
import { type PageLevels, readLevels } from "./levels.ts";

export interface Page {
  readonly kind: "data" | "dictionary";
  /** Places: values, NULLs and empty lists; in a dictionary its values. */
  readonly count: number;
  /** Number of parquet.thrift's Encoding. */
  readonly encoding: number;
  /** 0 and the column's greatest where it has no such levels. */
  readonly repetition: PageLevels;
  readonly definition: PageLevels;
  /** Decompressed; the values begin at `from`. */
  readonly bytes: Uint8Array;
  readonly from: number;
}

export const plain = 0,
  plainDictionary = 2,
  runLengths = 3,
  deltaBinaryPacked = 5,
  deltaLengthByteArray = 6,
  rleDictionary = 8,
  byteStreamSplit = 9;

export interface LeafLevels {
  readonly maxRepetition: number;
  readonly maxDefinition: number;
}

/** A page is about a row group of one column. */
const pageBytesMax = 256 * 1024 * 1024;

/**
 * The pages of a column chunk, in order.
 * @param bytes the chunk as it lies in the file
 * @throws OpenWitError `malformed`; `unsupported` for a compression that we do not write
 */
export function* readPages(
  bytes: Uint8Array,
  codec: string,
  maxRepetition: number,
  maxDefinition: number,
): Generator<Page> {
  const headers = new PageHeaders(bytes);
  while (headers.next()) {
    // an index page says nothing of values
    if (isOfValues(headers)) yield openPage(headers, codec, { maxRepetition, maxDefinition }, pageBytesMax);
  }
}

export function isOfValues({ kind }: PageHeaders): boolean {
  return kind === kindData || kind === kindDictionary || kind === kindDataV2;
}

/**
 * Decompresses the page at hand.
 * @param bytesMax that it may take
 * @throws OpenWitError as above; `too_large`
 */
export function openPage(headers: PageHeaders, codec: string, levels: LeafLevels, bytesMax: number): Page {
  if (codec !== "ZSTD" && codec !== "UNCOMPRESSED") {
    throw new OpenWitError(
      "unsupported",
      `a Parquet column is compressed with ${codec}, which is not read here`,
    );
  }
  const { kind, size, stored, count, encoding, bodyAt, bytes } = headers;
  if (size > pageBytesMax) throw malformedPage(`a page of ${size} bytes`);
  if (size > bytesMax) {
    throw new OpenWitError("too_large", `a Parquet page has ${size} bytes, more than ${bytesMax}`);
  }
  checkedCount(count);
  const body = bytes.subarray(bodyAt, bodyAt + stored);
  if (kind === kindDataV2) return pageOfVersion2(headers, body, codec, levels);
  const inflated = inflate(body, codec, size);
  if (kind === kindData) return pageOfVersion1(count, encoding, inflated, levels);
  return {
    kind: "dictionary",
    count,
    encoding,
    repetition: 0,
    definition: levels.maxDefinition,
    bytes: inflated,
    from: 0,
  };
}

/** Levels come first, each after its length in four bytes, and all is compressed as one. */
function pageOfVersion1(
  count: number,
  encoding: number,
  bytes: Uint8Array,
  { maxRepetition, maxDefinition }: LeafLevels,
): Page {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let from = 0;
  const levelsEnd = () => {
    const end = from + 4 > bytes.length ? Infinity : from + 4 + view.getUint32(from, true);
    if (end > bytes.length) throw malformedPage("levels that end early");
    return end;
  };
  let repetition: PageLevels = 0, definition: PageLevels = 0;
  if (maxRepetition > 0) {
    const end = levelsEnd();
    repetition = readLevels(bytes, from + 4, end, maxRepetition, count);
    from = end;
  }
  if (maxDefinition > 0) {
    const end = levelsEnd();
    definition = readLevels(bytes, from + 4, end, maxDefinition, count);
    from = end;
  }
  return { kind: "data", count, encoding, repetition, definition, bytes, from };
}

/** Levels are not compressed, and the header has their lengths. */
function pageOfVersion2(
  { count, encoding, size, definitionBytes, repetitionBytes, isCompressed }: PageHeaders,
  body: Uint8Array,
  codec: string,
  { maxRepetition, maxDefinition }: LeafLevels,
): Page {
  const from = definitionBytes + repetitionBytes;
  if (from > body.length || from > size) throw malformedPage("levels that end early");
  const rest = body.subarray(from);
  return {
    kind: "data",
    count,
    encoding,
    repetition: maxRepetition === 0 ? 0 : readLevels(body, 0, repetitionBytes, maxRepetition, count),
    definition: maxDefinition === 0 ? 0 : readLevels(body, repetitionBytes, from, maxDefinition, count),
    bytes: isCompressed ? inflate(rest, codec, size - from) : rest,
    from: 0,
  };
}

/** A run of four bytes may claim any number of places: no page of ours has so many. */
const placesMax = 64 * 1024 * 1024;

function checkedCount(count: number): number {
  if (count > placesMax) throw malformedPage(`a page of ${count} places`);
  return count;
}

function inflate(body: Uint8Array, codec: string, size: number): Uint8Array {
  if (codec === "UNCOMPRESSED" || body.length === 0) return body;
  try {
    // Three times as fast for small pages, and without a bound of its own: the frame must say how much it holds.
    if (isFrameOf(body, size)) return Bun.zstdDecompressSync(body);
    return zstdDecompressSync(body, { maxOutputLength: Math.max(1, size) });
  } catch (cause) {
    throw malformedPage("bytes that do not decompress", cause);
  }
}

export function malformedPage(what: string, cause?: unknown): OpenWitError {
  return new OpenWitError("malformed", `cannot read a Parquet page: ${what}`, { cause });
}
