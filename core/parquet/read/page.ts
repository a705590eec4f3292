/**
 * The pages of one column chunk: headers, decompression, levels, and where the values begin. Parquet format 2.11
 * (parquet.thrift PageHeader; Data Pages of version 1 and 2).
 */
import { zstdDecompressSync } from "node:zlib";
import { OpenWitError } from "../../error.ts";
import { isFrameOf } from "../../ingest/zstd.ts";
import { readThriftStructAt, type ThriftStruct } from "../../segment/thrift.ts";
import { readRuns } from "./runs.ts";

export interface Page {
  readonly kind: "data" | "dictionary";
  /** Places: values, NULLs and empty lists; in a dictionary its values. */
  readonly count: number;
  /** Number of parquet.thrift's Encoding. */
  readonly encoding: number;
  /** A level a place; undefined where the column has no such levels. */
  readonly repetition: Int32Array | undefined;
  readonly definition: Int32Array | undefined;
  /** Decompressed; the values begin at `from`. */
  readonly bytes: Uint8Array;
  readonly from: number;
}

export const plain = 0,
  plainDictionary = 2,
  deltaBinaryPacked = 5,
  deltaLengthByteArray = 6,
  rleDictionary = 8;

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
  if (codec !== "ZSTD" && codec !== "UNCOMPRESSED") {
    throw new OpenWitError(
      "unsupported",
      `a Parquet column is compressed with ${codec}, which is not read here`,
    );
  }
  for (let at = 0; at < bytes.length;) {
    const { struct, end } = readThriftStructAt(bytes, at);
    const size = number(struct, 2), stored = number(struct, 3);
    if (size > pageBytesMax || end + stored > bytes.length) {
      throw malformedPage(`a page of ${stored} bytes where ${bytes.length - end} are left`);
    }
    const body = bytes.subarray(end, end + stored);
    at = end + stored;
    switch (number(struct, 1)) {
      case 0:
        yield pageOfVersion1(child(struct, 5), inflate(body, codec, size), maxRepetition, maxDefinition);
        break;
      case 2: {
        const header = child(struct, 7);
        yield {
          kind: "dictionary",
          count: number(header, 1),
          encoding: number(header, 2),
          repetition: undefined,
          definition: undefined,
          bytes: inflate(body, codec, size),
          from: 0,
        };
        break;
      }
      case 3:
        yield pageOfVersion2(child(struct, 8), body, codec, size, maxRepetition, maxDefinition);
    } // an index page says nothing of values
  }
}

/** Levels come first, each after its length in four bytes, and all is compressed as one. */
function pageOfVersion1(
  header: ThriftStruct,
  bytes: Uint8Array,
  maxRepetition: number,
  maxDefinition: number,
): Page {
  const count = number(header, 1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let from = 0;
  const levels = (max: number) => {
    if (max === 0) return undefined;
    const end = from + 4 > bytes.length ? Infinity : from + 4 + view.getUint32(from, true);
    if (end > bytes.length) throw malformedPage("levels that end early");
    const levels = readLevels(bytes, from + 4, end, max, count);
    from = end;
    return levels;
  };
  const repetition = levels(maxRepetition);
  const definition = levels(maxDefinition);
  return { kind: "data", count, encoding: number(header, 2), repetition, definition, bytes, from };
}

/** Levels are not compressed, and the header has their lengths. */
function pageOfVersion2(
  header: ThriftStruct,
  body: Uint8Array,
  codec: string,
  size: number,
  maxRepetition: number,
  maxDefinition: number,
): Page {
  const count = number(header, 1);
  const definitionBytes = number(header, 5), repetitionBytes = number(header, 6);
  const from = definitionBytes + repetitionBytes;
  if (from > body.length) throw malformedPage("levels that end early");
  const isCompressed = header.fields.get(7) !== false;
  return {
    kind: "data",
    count,
    encoding: number(header, 4),
    repetition: maxRepetition === 0 ? undefined : readLevels(body, 0, repetitionBytes, maxRepetition, count),
    definition: maxDefinition === 0
      ? undefined
      : readLevels(body, repetitionBytes, from, maxDefinition, count),
    bytes: isCompressed ? inflate(body.subarray(from), codec, size - from) : body.subarray(from),
    from: 0,
  };
}

function readLevels(bytes: Uint8Array, from: number, end: number, max: number, count: number): Int32Array {
  const levels = new Int32Array(checkedCount(count));
  readRuns(bytes, from, end, 32 - Math.clz32(max), count, levels);
  return levels;
}

/** A run of four bytes may claim any number of places: no page of ours has so many. */
const placesMax = 64 * 1024 * 1024;

export function checkedCount(count: number): number {
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

function number(struct: ThriftStruct, id: number): number {
  const value = struct.fields.get(id);
  if (typeof value !== "number" || value < 0) throw malformedPage(`a header without field ${id}`);
  return value;
}

function child(struct: ThriftStruct, id: number): ThriftStruct {
  const value = struct.fields.get(id);
  if (typeof value !== "object" || !("fields" in value)) throw malformedPage(`a header without struct ${id}`);
  return value;
}

export function malformedPage(what: string, cause?: unknown): OpenWitError {
  return new OpenWitError("malformed", `cannot read a Parquet page: ${what}`, { cause });
}
