/**
 * Rows of a chunk as an Arrow record batch: the way from the memtable to the Parquet encoder and to clients.
 * Arrow columnar format 1.5, IPC stream.
 *
 * Vectors have Arrow's layout but for validity and booleans (a byte a row), so a range of rows costs views,
 * offsets from 0 and bitmaps. Buffers are built here: `vectorFromArray` runs at a quarter of the speed.
 */
import {
  type Data,
  type DataType,
  type Dictionary,
  type Field,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Struct,
  Utf8,
  Vector as ArrowVector,
} from "apache-arrow";
import { assert } from "../error.ts";
import type { Chunk } from "../model/chunk.ts";
import type { Signal } from "../model/columns.ts";
import {
  gatherBits,
  gatherInts,
  gatherLists,
  gatherText,
  gatherWords,
  type Selection,
  selectionLength,
} from "../model/gather.ts";
import type { DictionaryVector, FixedVector, MapVector, Utf8Vector, Vector } from "../model/vector.ts";
import { arrowSchemaOf } from "./schema.ts";

/**
 * Rows of a chunk as one Arrow IPC stream: schema, dictionaries, one record batch.
 * @param rows rows by number; the range then counts positions of this list. All rows when undefined.
 * @param from first row of the range
 * @param to row after the last
 */
export function chunkToIpc(
  signal: Signal,
  chunk: Chunk,
  rows: Int32Array | undefined,
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> {
  const writer = new RecordBatchStreamWriter();
  writer.write(chunkToBatch(signal, chunk, rows, from, to));
  writer.finish();
  return writer.toUint8Array(true) as Uint8Array<ArrayBuffer>;
}

/** The same as a record batch, whose buffers may be views of the chunk's: use it before the chunk is truncated. */
export function chunkToBatch(
  signal: Signal,
  chunk: Chunk,
  rows: Int32Array | undefined,
  from: number,
  to: number,
): RecordBatch {
  const schema = arrowSchemaOf(signal);
  const selection: Selection = rows === undefined ? { from, to } : { rows: rows.subarray(from, to) };
  const children = chunk.vectors.map((vector, index) => dataOf(schema.fields[index], vector, selection));
  return new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: to - from, nullCount: 0, children }),
  );
}

function dataOf(field: Field, vector: Vector, selection: Selection): Data {
  const { type } = field;
  switch (vector.kind) {
    case "fixed":
      return fixedData(field, vector, selection);
    case "utf8":
      return textData(field, vector, selection);
    case "dictionary":
      return dictionaryData(type as Dictionary, vector, selection);
    case "map":
      return mapData(type, vector, selection);
    case "list": {
      const { offsets, children } = gatherLists(vector.offsets, selection);
      const child = dataOf(type.children[0], vector.child, children);
      return makeData(
        { type, length: offsets.length - 1, nullCount: 0, valueOffsets: offsets, child } as never,
      );
    }
    case "struct": {
      const children = vector.children.map((each, index) => dataOf(type.children[index], each, selection));
      return makeData({ type, length: selectionLength(selection), nullCount: 0, children } as never);
    }
  }
}

function fixedData(field: Field, vector: FixedVector, selection: Selection): Data {
  const data = vector.type === "bool"
    ? gatherBits(vector.bytes, selection).bitmap
    : vector.width === 8
    ? gatherWords(vector.words, selection)
    : gatherInts(vector.words, selection);
  return makeData(
    {
      type: field.type,
      length: selectionLength(selection),
      ...nulls(field, vector, selection),
      data,
    } as never,
  );
}

function textData(field: Field, vector: Utf8Vector, selection: Selection): Data {
  const { offsets, bytes } = gatherText(vector, selection);
  return makeData({
    type: field.type,
    length: offsets.length - 1,
    ...nulls(field, vector, selection),
    valueOffsets: offsets,
    data: bytes,
  } as never);
}

function dictionaryData(type: Dictionary, vector: DictionaryVector, selection: Selection): Data {
  let codes = gatherInts(vector.codes, selection);
  let used: Selection = { from: 0, to: vector.values.length };
  // A chunk's dictionary may have grown large while the rows taken are few.
  if (used.to > 256 && used.to > codes.length) ({ codes, used } = compactCodes(codes, used.to));
  const { offsets, bytes } = gatherText(vector.values, used);
  const values = makeData({
    type: utf8,
    length: offsets.length - 1,
    nullCount: 0,
    valueOffsets: offsets,
    data: bytes,
  });
  return makeData(
    { type, length: codes.length, nullCount: 0, data: codes, dictionary: new ArrowVector([values]) } as never,
  );
}

/** Numbers the codes that occur anew, in order of first use. */
function compactCodes(codes: Int32Array, valueCount: number): { codes: Int32Array; used: Selection } {
  const numbers = new Int32Array(valueCount);
  const used = new Int32Array(Math.min(valueCount, codes.length));
  const compacted = new Int32Array(codes.length);
  let count = 0;
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    let number = numbers[code];
    if (number === 0) {
      used[count] = code;
      number = numbers[code] = ++count;
    }
    compacted[at] = number - 1;
  }
  return { codes: compacted, used: { rows: used.subarray(0, count) } };
}

function mapData(type: DataType, vector: MapVector, selection: Selection): Data {
  const { offsets, children } = gatherLists(vector.offsets, selection);
  const entries = type.children[0];
  const [key, value] = entries.type.children as Field[];
  const child = makeData({
    type: entries.type,
    length: selectionLength(children),
    nullCount: 0,
    children: [dataOf(key, vector.keys, children), dataOf(value, vector.values, children)],
  } as never);
  return makeData({ type, length: offsets.length - 1, nullCount: 0, valueOffsets: offsets, child } as never);
}

function nulls(
  field: Field,
  { validity }: FixedVector | Utf8Vector,
  selection: Selection,
): { nullCount: number; nullBitmap?: Uint8Array } {
  if (validity.bytes === undefined || validity.nullCount === 0) return { nullCount: 0 };
  const { bitmap, ones } = gatherBits(validity.bytes, selection);
  const nullCount = selectionLength(selection) - ones;
  if (nullCount === 0) return { nullCount };
  assert(field.nullable, `column ${field.name} has a NULL, which its table does not allow`);
  return { nullCount, nullBitmap: bitmap };
}

const utf8 = new Utf8();
