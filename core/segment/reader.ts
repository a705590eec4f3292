/**
 * Reads what a Parquet file says of itself, by a few range reads and without an engine: for rebuilding the
 * manifest, for checking and for `openwit inspect`. Parquet format 2.11 (parquet.thrift, FileMetaData).
 */
import { type Disk, type DiskFile } from "../env/disk.ts";
import { OpenWitError } from "../error.ts";
import { readThriftStruct, type ThriftStruct, type ThriftValue } from "./thrift.ts";

export interface ParquetFooter {
  readonly rows: number;
  readonly createdBy: string;
  /** Key-value metadata; of a key that is there twice the last value. */
  readonly keyValues: Readonly<Record<string, string>>;
  /** Leaves and groups in the schema's order, without the root. */
  readonly schema: readonly ParquetColumn[];
  readonly rowGroups: readonly ParquetRowGroup[];
}

export interface ParquetColumn {
  /** From below the root: `["attributes", "key_value", "key"]`. */
  readonly path: readonly string[];
  readonly fieldId: number | undefined;
  readonly isGroup: boolean;
  /** Physical type, such as INT64; undefined for a group. */
  readonly type: string | undefined;
  readonly repetition: "required" | "optional" | "repeated";
}

export interface ParquetRowGroup {
  readonly rows: number;
  readonly bytes: number;
  readonly compressedBytes: number;
  readonly columns: readonly ParquetColumnChunk[];
}

export interface ParquetColumnChunk {
  readonly path: readonly string[];
  readonly values: number;
  readonly codec: string;
  readonly bytes: number;
  readonly compressedBytes: number;
  /** Where its pages begin in the file, a page of dictionary values first where it has one. */
  readonly offset: number;
  readonly nullCount: number | undefined;
  /** PLAIN encoding of the least and largest value, where the writer kept them. */
  readonly min: Uint8Array | undefined;
  readonly max: Uint8Array | undefined;
}

/** Larger footers are not ours: one of 60 row groups and 60 columns takes half a megabyte. */
export const footerBytesMax = 32 * 1024 * 1024;

/**
 * Footer of a Parquet file on a disk.
 * @throws OpenWitError `not_found`, `io`; `malformed` when it is no whole Parquet file, with what is wrong
 */
export async function readParquetFooter(
  disk: Disk,
  path: string,
): Promise<ParquetFooter & { readonly bytes: number }> {
  const file = await disk.open(path, "read");
  try {
    const bytes = await file.size();
    // One read usually suffices: the footer of an L0 segment takes about ten kilobytes.
    let tail = await readRange(file, Math.max(0, bytes - 64 * 1024), bytes);
    const footerBytes = footerLength(tail, bytes);
    if (footerBytes + 8 > tail.length) tail = await readRange(file, bytes - 8 - footerBytes, bytes);
    return { ...parseParquetFooter(tail.subarray(tail.length - 8 - footerBytes, tail.length - 8)), bytes };
  } catch (error) {
    if (!(error instanceof OpenWitError) || error.code !== "malformed") throw error;
    throw new OpenWitError("malformed", `${path}: ${error.message}`, { hint: error.hint, cause: error });
  } finally {
    await file.close();
  }
}

/**
 * Length of the footer of a file of `fileBytes`, by its last bytes.
 * @param tail at least the last 8, unless the file is shorter
 * @throws OpenWitError `malformed`
 */
export function footerLength(tail: Uint8Array, fileBytes: number): number {
  if (fileBytes < 12) throw notParquet(`it has ${fileBytes} bytes, which is too short`);
  const end = new DataView(tail.buffer, tail.byteOffset + tail.length - 8, 8);
  if (end.getUint32(4, true) !== magic) {
    throw notParquet("it does not end in PAR1: it was cut short, or is something else");
  }
  const length = end.getUint32(0, true);
  if (length > fileBytes - 12 || length > footerBytesMax) {
    throw notParquet(`its footer claims ${length} bytes of a file of ${fileBytes}`);
  }
  return length;
}

/** Parses the Thrift FileMetaData. @throws OpenWitError `malformed` */
export function parseParquetFooter(bytes: Uint8Array): ParquetFooter {
  const file = readThriftStruct(bytes);
  return {
    rows: integerOf(file, 3),
    createdBy: textOf(file, 6, ""),
    keyValues: Object.fromEntries(structsOf(file, 5).map((pair) => [textOf(pair, 1), textOf(pair, 2, "")])),
    schema: schemaOf(structsOf(file, 2)),
    rowGroups: structsOf(file, 4).map(rowGroupOf),
  };
}

/** The schema comes as a tree in pre-order; each group says how many children follow. */
function schemaOf(elements: readonly ThriftStruct[]): ParquetColumn[] {
  const columns: ParquetColumn[] = [];
  const open: { path: readonly string[]; left: number }[] = [];
  for (const [index, element] of elements.entries()) {
    const children = integerOf(element, 5, 0);
    while (open.length > 0 && open[open.length - 1].left === 0) open.pop();
    const parent = open.at(-1);
    if (index > 0) {
      if (parent === undefined) throw malformed("the schema has elements outside its tree");
      if (open.length > schemaDepthMax) throw malformed(`the schema nests more than ${schemaDepthMax} deep`);
      parent.left--;
    }
    const path = index === 0 ? [] : [...parent!.path, textOf(element, 4)];
    if (index > 0) {
      columns.push({
        path,
        fieldId: element.fields.has(9) ? integerOf(element, 9) : undefined,
        isGroup: !element.fields.has(1),
        type: element.fields.has(1) ? physicalTypes[integerOf(element, 1)] ?? "unknown" : undefined,
        repetition: repetitions[integerOf(element, 3, 0)] ?? "required",
      });
    }
    if (index === 0 || children > 0) open.push({ path, left: children });
  }
  return columns;
}

function rowGroupOf(group: ThriftStruct): ParquetRowGroup {
  const columns = structsOf(group, 1).map(columnChunkOf);
  return {
    rows: integerOf(group, 3),
    bytes: integerOf(group, 2, 0),
    compressedBytes: integerOf(group, 6, columns.reduce((sum, column) => sum + column.compressedBytes, 0)),
    columns,
  };
}

function columnChunkOf(chunk: ThriftStruct): ParquetColumnChunk {
  const metadata = structOf(chunk, 3);
  const statistics = metadata.fields.has(12) ? structOf(metadata, 12) : undefined;
  return {
    path: listOf(metadata, 3).map((part) => decodeText(part)),
    values: integerOf(metadata, 5),
    codec: codecs[integerOf(metadata, 4)] ?? "unknown",
    bytes: integerOf(metadata, 6),
    compressedBytes: integerOf(metadata, 7),
    offset: Math.min(integerOf(metadata, 9), integerOf(metadata, 11, Infinity) || Infinity),
    nullCount: statistics?.fields.has(3) ? integerOf(statistics, 3) : undefined,
    min: statistics && binaryOf(statistics, 6),
    max: statistics && binaryOf(statistics, 5),
  };
}

/** "PAR1", little-endian. */
const magic = 0x31524150;

const schemaDepthMax = 64;
const physicalTypes = [
  "BOOLEAN",
  "INT32",
  "INT64",
  "INT96",
  "FLOAT",
  "DOUBLE",
  "BYTE_ARRAY",
  "FIXED_LEN_BYTE_ARRAY",
];
const repetitions = ["required", "optional", "repeated"] as const;
const codecs = ["UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW"];

function integerOf(struct: ThriftStruct, id: number, fallback?: number): number {
  const value = struct.fields.get(id);
  if (value === undefined && fallback !== undefined) return fallback;
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0) {
    throw malformed(`field ${id} is no whole number from 0`);
  }
  return number;
}

function textOf(struct: ThriftStruct, id: number, fallback?: string): string {
  const value = struct.fields.get(id);
  return value === undefined && fallback !== undefined ? fallback : decodeText(value);
}

function decodeText(value: ThriftValue | undefined): string {
  if (!(value instanceof Uint8Array)) throw malformed("a text is missing");
  return textDecoder.decode(value);
}

function binaryOf(struct: ThriftStruct, id: number): Uint8Array | undefined {
  const value = struct.fields.get(id);
  return value instanceof Uint8Array ? value.slice() : undefined;
}

function listOf(struct: ThriftStruct, id: number): readonly ThriftValue[] {
  const value = struct.fields.get(id);
  if (value === undefined) return [];
  if (typeof value !== "object" || !("items" in value)) throw malformed(`field ${id} is no list`);
  return value.items;
}

function structsOf(struct: ThriftStruct, id: number): readonly ThriftStruct[] {
  return listOf(struct, id).map((item) => asStruct(item, id));
}

function structOf(struct: ThriftStruct, id: number): ThriftStruct {
  return asStruct(struct.fields.get(id), id);
}

function asStruct(value: ThriftValue | undefined, id: number): ThriftStruct {
  if (typeof value !== "object" || !("fields" in value)) throw malformed(`field ${id} is no struct`);
  return value;
}

/** The bytes `[from, to)` of a file. @throws OpenWitError `malformed` where it ends before, `io` */
export async function readRange(file: DiskFile, from: number, to: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from);
  for (let filled = 0; filled < bytes.length;) {
    const read = await file.read(bytes.subarray(filled), from + filled);
    if (read === 0) throw notParquet(`it ended at byte ${from + filled} while it was being read`);
    filled += read;
  }
  return bytes;
}

function notParquet(why: string): OpenWitError {
  return new OpenWitError("malformed", `not a whole Parquet file: ${why}`);
}

function malformed(what: string): OpenWitError {
  return new OpenWitError("malformed", `cannot read the Parquet footer: ${what}`);
}

const textDecoder = new TextDecoder();
