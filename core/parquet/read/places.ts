/**
 * What reading rows needs of a footer, in some kilobytes: how many rows each row group has, and where the pages of each
 * leaf lie. Taken from the bytes of FileMetaData (parquet.thrift, Parquet format 2.11) without making values of the rest.
 */
import { OpenWitError } from "../../error.ts";
import { schemaVersion, type Signal } from "../../model/columns.ts";
import { leavesOf } from "../schema.ts";
import { leafLevels } from "./column.ts";
import { ThriftCursor, typeBinary, typeI32, typeI64, typeList, typeStruct } from "./cursor.ts";
import type { LeafLevels } from "./page.ts";

/** The leaves of files that one writer wrote are the same, so files share them. */
export interface FileSchema {
  /** Of leaves and groups by their path joined with ".". */
  readonly levels: ReadonlyMap<string, LeafLevels>;
  /** Position of each leaf that is of the type that ours has. */
  readonly leaves: ReadonlyMap<string, number>;
  readonly leafCount: number;
}

/** Of leaf l in row group g at `g * schema.leafCount + l`. */
export interface FilePlaces {
  readonly schema: FileSchema;
  /** Row of the file with which each row group begins, and where the last one ends. */
  readonly firstRows: Int32Array;
  readonly offsets: Float64Array;
  /** Bytes in the file, and decompressed. */
  readonly bytes: Int32Array;
  readonly rawBytes: Int32Array;
  /** Numbers of parquet.thrift's CompressionCodec. */
  readonly codecs: Uint8Array;
  /** 1 where the file says where each page lies: those of large columns are small then. */
  readonly isPaged: Uint8Array;
}

/** By the bytes of the list of schema elements. */
export type SchemaCache = Map<string, FileSchema>;

/**
 * @param footer the bytes of FileMetaData
 * @throws OpenWitError `malformed`; `unsupported` for tables of another version
 */
export function filePlaces(footer: Uint8Array, signal: Signal, known: SchemaCache): FilePlaces {
  const cursor = new ThriftCursor(footer, 0);
  let schema: FileSchema | undefined;
  let places: FilePlaces | undefined;
  for (let id = cursor.field(0); id !== 0; id = cursor.field(id)) {
    if (id === 2 && cursor.type === typeList) schema = schemaIn(cursor, signal, known);
    else if (id === 4 && cursor.type === typeList && schema !== undefined) places = rowGroups(cursor, schema);
    else if (id === 5 && cursor.type === typeList) checkVersion(cursor);
    else cursor.skip(cursor.type);
  }
  if (places === undefined) throw cursor.malformed("it has no row groups");
  return places;
}

export function placesBytes({ firstRows, offsets }: FilePlaces): number {
  return firstRows.byteLength + offsets.length * (8 + 4 + 4 + 1 + 1);
}

export function codecName(codec: number): string {
  return codec === 0 ? "UNCOMPRESSED" : codec === 6 ? "ZSTD" : `codec ${codec}`;
}

const schemasMax = 16;

function schemaIn(cursor: ThriftCursor, signal: Signal, known: SchemaCache): FileSchema {
  const from = cursor.at;
  cursor.skip(typeList);
  const bytes = cursor.bytes.subarray(from, cursor.at);
  const key = `${signal} ${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= schemasMax) known.clear();
  const schema = readSchema(new ThriftCursor(bytes, 0), signal);
  known.set(key, schema);
  return schema;
}

const repetitions = ["required", "optional", "repeated"] as const;

/** The schema comes as a tree in pre-order; each group says how many children follow. */
function readSchema(cursor: ThriftCursor, signal: Signal): FileSchema {
  const own = new Map(leavesOf(signal).map(({ path, physical }) => [path.join("."), physical]));
  const elements: { path: readonly string[]; repetition: typeof repetitions[number] }[] = [];
  const leaves = new Map<string, number>();
  const open: { path: readonly string[]; left: number }[] = [];
  let leafCount = 0;
  const count = cursor.list();
  for (let at = 0; at < count; at++) {
    let type = -1, repetition = 0, children = 0, name = "";
    for (let id = cursor.field(0); id !== 0; id = cursor.field(id)) {
      if (id === 1 && cursor.type === typeI32) type = cursor.integer();
      else if (id === 3 && cursor.type === typeI32) repetition = cursor.integer();
      else if (id === 4 && cursor.type === typeBinary) name = textDecoder.decode(cursor.binary());
      else if (id === 5 && cursor.type === typeI32) children = cursor.integer();
      else cursor.skip(cursor.type);
    }
    while (open.length > 0 && open[open.length - 1].left === 0) open.pop();
    const parent = open.at(-1);
    if (at > 0) {
      if (parent === undefined || open.length > 64) throw cursor.malformed("a schema that is no tree");
      parent.left--;
      const path = [...parent.path, name], leaf = path.join(".");
      elements.push({ path, repetition: repetitions[repetition] ?? "required" });
      if (children === 0 && own.get(leaf) === type) leaves.set(leaf, leafCount);
      if (children === 0) leafCount++;
      else open.push({ path, left: children });
    } else open.push({ path: [], left: children });
  }
  return { levels: leafLevels(elements), leaves, leafCount };
}

function rowGroups(cursor: ThriftCursor, schema: FileSchema): FilePlaces {
  const count = cursor.list();
  const length = count * schema.leafCount;
  // Each column takes some bytes: a few that claim millions must not take memory for them.
  if (length > cursor.bytes.length - cursor.at) {
    throw cursor.malformed(`${count} row groups go beyond the end`);
  }
  const places = {
    schema,
    firstRows: new Int32Array(count + 1),
    offsets: new Float64Array(length),
    bytes: new Int32Array(length),
    rawBytes: new Int32Array(length),
    codecs: new Uint8Array(length),
    isPaged: new Uint8Array(length),
  };
  for (let group = 0; group < count; group++) {
    let rows = -1, leaves = 0;
    for (let id = cursor.field(0); id !== 0; id = cursor.field(id)) {
      if (id === 1 && cursor.type === typeList) {
        leaves = cursor.list();
        if (leaves !== schema.leafCount) throw cursor.malformed(`a row group of ${leaves} columns`);
        for (let leaf = 0; leaf < leaves; leaf++) readChunk(cursor, places, group * leaves + leaf);
      } else if (id === 3 && cursor.type === typeI64) rows = cursor.integer();
      else cursor.skip(cursor.type);
    }
    if (rows < 0 || rows > rowsMax || leaves === 0) throw cursor.malformed("a row group without its rows");
    places.firstRows[group + 1] = places.firstRows[group] + rows;
  }
  return places;
}

/** Far more than a segment has, and little enough that sums of a file's row groups stay whole. */
const rowsMax = 2 ** 24;

function readChunk(cursor: ThriftCursor, places: FilePlaces, at: number): void {
  let isPlaced = false;
  for (let id = cursor.field(0); id !== 0; id = cursor.field(id)) {
    if (id === 3 && cursor.type === typeStruct) isPlaced = readMetadata(cursor, places, at);
    else {
      if (id === 4) places.isPaged[at] = 1; // where its offset index lies
      cursor.skip(cursor.type);
    }
  }
  if (!isPlaced) throw cursor.malformed("a column without its place");
}

function readMetadata(cursor: ThriftCursor, places: FilePlaces, at: number): boolean {
  let data = -1, dictionary = 0;
  for (let id = cursor.field(0); id !== 0; id = cursor.field(id)) {
    if (id === 4 && cursor.type === typeI32) places.codecs[at] = Math.min(255, cursor.integer());
    else if (cursor.type !== typeI64) cursor.skip(cursor.type);
    else if (id === 6) places.rawBytes[at] = bytesIn(cursor);
    else if (id === 7) places.bytes[at] = bytesIn(cursor);
    else if (id === 9) data = cursor.integer();
    else if (id === 11) dictionary = cursor.integer();
    else cursor.skip(cursor.type);
  }
  places.offsets[at] = dictionary > 0 ? Math.min(data, dictionary) : data;
  return data >= 0;
}

function bytesIn(cursor: ThriftCursor): number {
  const bytes = cursor.integer();
  if (bytes > 0x7fff_ffff) throw cursor.malformed(`a column of ${bytes} bytes`);
  return bytes;
}

function checkVersion(cursor: ThriftCursor): void {
  const count = cursor.list();
  for (let at = 0; at < count; at++) {
    let key = "", value = "";
    for (let id = cursor.field(0); id !== 0; id = cursor.field(id)) {
      if (id === 1 && cursor.type === typeBinary) key = textDecoder.decode(cursor.binary());
      else if (id === 2 && cursor.type === typeBinary) value = textDecoder.decode(cursor.binary());
      else cursor.skip(cursor.type);
    }
    if (key === "openwit.schema_version" && value !== String(schemaVersion)) {
      throw new OpenWitError("unsupported", `a segment has tables of version ${value}, not ${schemaVersion}`);
    }
  }
}

const textDecoder = new TextDecoder();
