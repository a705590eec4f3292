/**
 * Some rows of a chunk, as the Parquet writer takes them: views of the chunk's buffers for a range of rows, gathered
 * copies for a list of rows. Made of plain objects and typed arrays, so that a worker can be sent it.
 *
 * Invariant: offsets need not begin at 0; value i of a text lies at `bytes[offsets[i] - offsets[0], …)`, and entry 0
 * of a list's child is the one that `offsets[0]` points at.
 */
import type { Chunk } from "../model/chunk.ts";
import { freeBuffer } from "../model/free.ts";
import type { FixedKind } from "../model/vector.ts";
import {
  gatherBytes,
  gatherInts,
  gatherLists,
  gatherText,
  gatherWords,
  type Selection,
  selectionLength,
} from "../model/gather.ts";
import type { DictionaryVector, FixedVector, Utf8Vector, Vector } from "../model/vector.ts";

export type Slice = FixedSlice | TextSlice | DictionarySlice | MapSlice | ListSlice | StructSlice;

/** A byte a value, 0 for NULL; absent where there is none. */
type Present = Uint8Array | undefined;

export interface FixedSlice {
  readonly kind: "fixed";
  readonly type: FixedKind;
  readonly count: number;
  /** Words, two a value of 64 bits; bytes for booleans. */
  readonly values: Int32Array | Uint8Array;
  readonly present: Present;
}

export interface TextSlice {
  readonly kind: "utf8";
  readonly count: number;
  /** One more than values. */
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
  readonly present: Present;
}

export interface DictionarySlice {
  readonly kind: "dictionary";
  readonly count: number;
  readonly codes: Int32Array;
  readonly values: TextSlice;
}

export interface MapSlice {
  readonly kind: "map";
  readonly count: number;
  readonly offsets: Int32Array;
  readonly keys: DictionarySlice;
  readonly values: TextSlice;
}

export interface ListSlice {
  readonly kind: "list";
  readonly count: number;
  readonly offsets: Int32Array;
  readonly child: Slice;
}

export interface StructSlice {
  readonly kind: "struct";
  readonly count: number;
  readonly children: readonly Slice[];
}

/** Rows of one signal: a slice for each column of its table. */
export interface Batch {
  readonly rows: number;
  readonly columns: readonly Slice[];
}

/** A batch whose arrays lie in one buffer. */
export interface PackedBatch {
  readonly batch: Batch;
  readonly buffer: ArrayBuffer;
}

/** Some rows of a chunk. */
export interface ChunkRows {
  readonly chunk: Chunk;
  /** Rows by number; `from` and `to` then are positions of this list. All rows when undefined. */
  readonly rows: Int32Array | undefined;
  readonly from: number;
  /** After the last. */
  readonly to: number;
}

/** Rows of a chunk. Use the batch before the chunk is truncated below them. */
export function sliceChunk({ chunk, rows, from, to }: ChunkRows): Batch {
  const selection = rows === undefined ? { from, to } : asRange(rows.subarray(from, to));
  return { rows: to - from, columns: chunk.vectors.map((vector) => sliceOf(vector, selection)) };
}

/**
 * The same packed, a column or less a step: a thread that answers requests has other things to do between the steps. The
 * chunk must not be truncated below the rows before the last one.
 * @param take as of `packBatch`
 */
export function* packRows(
  { chunk, rows, from, to }: ChunkRows,
  take: (bytes: number) => ArrayBuffer,
): Generator<void, PackedBatch, void> {
  const made: ArrayBufferView[] = [];
  const selection = rows === undefined ? { from, to } : asRange(rows.subarray(from, to), made);
  const columns: Slice[] = [];
  for (const vector of chunk.vectors) {
    columns.push(sliceOf(vector, selection));
    yield;
  }
  const packed = yield* packColumns({ rows: to - from, columns }, take);
  made.forEach(freeBuffer);
  return packed;
}

/** Some rows of one column, by number. */
export function sliceVector(vector: Vector, rows: Int32Array): Slice {
  return sliceOf(vector, asRange(rows));
}

/**
 * The same in one buffer of its own, which can be transferred to a worker with the batch.
 * @param take gives a buffer of that many bytes or more, in which nothing is wanted any more
 */
export function packBatch(
  batch: Batch,
  take: (bytes: number) => ArrayBuffer = (bytes) => new ArrayBuffer(bytes),
): PackedBatch {
  const steps = packColumns(batch, take);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** A column a step. */
function* packColumns(
  batch: Batch,
  take: (bytes: number) => ArrayBuffer,
): Generator<void, PackedBatch, void> {
  const buffer = take(sumOfArrays(batch, aligned));
  let at = 0;
  const packed = (array: Int32Array | Uint8Array) => {
    const copy = array instanceof Int32Array
      ? new Int32Array(buffer, at, array.length)
      : new Uint8Array(buffer, at, array.length);
    copy.set(array);
    at += aligned(array);
    return copy;
  };
  const columns: Slice[] = [];
  for (const column of batch.columns) {
    columns.push(mapArrays(column, packed));
    yield;
  }
  return { batch: { rows: batch.rows, columns }, buffer };
}

/** Bytes of a batch's buffers. */
export function batchBytes(batch: Batch): number {
  return sumOfArrays(batch, ({ byteLength }) => byteLength);
}

/** Frees a batch that shares no buffer with what is still read. */
export function freeBatch({ columns }: Batch): void {
  for (const column of columns) freeSlice(column);
}

/**
 * Frees the buffers of a slice that shares none with others but those that are named.
 * @param kept one that shares some of them and is still read
 */
export function freeSlice(slice: Slice, kept?: Slice): void {
  const shared = new Set<ArrayBufferLike>();
  if (kept !== undefined) {
    mapArrays(kept, (array) => {
      shared.add(array.buffer);
      return array;
    });
  }
  mapArrays(slice, (array) => {
    if (!shared.has(array.buffer)) freeBuffer(array);
    return array;
  });
}

function sumOfArrays(batch: Batch, size: (array: Int32Array | Uint8Array) => number): number {
  let sum = 0;
  for (const column of batch.columns) {
    mapArrays(column, (array) => {
      sum += size(array);
      return array;
    });
  }
  return sum;
}

/** Bytes that an array takes in a common buffer, where each begins at a whole word. */
function aligned({ byteLength }: Int32Array | Uint8Array): number {
  return (byteLength + 3) & ~3;
}

/** A list of rows that follow each other is a range, which costs no copy: most splits by hour take long ones. */
function asRange(rows: Int32Array, made?: ArrayBufferView[]): Selection {
  for (let at = 1; at < rows.length; at++) {
    if (rows[at] !== rows[at - 1] + 1) return { rows, ...made === undefined ? {} : { made } };
  }
  return rows.length === 0 ? { from: 0, to: 0 } : { from: rows[0], to: rows[0] + rows.length };
}

function sliceOf(vector: Vector, selection: Selection): Slice {
  const count = selectionLength(selection);
  switch (vector.kind) {
    case "fixed":
      return fixedSlice(vector, selection, count);
    case "utf8":
      return textSlice(vector, selection, count);
    case "dictionary":
      return dictionarySlice(vector, selection, count);
    case "map": {
      const { offsets, children } = entriesOf(vector.offsets, selection);
      const entries = selectionLength(children);
      return {
        kind: "map",
        count,
        offsets,
        keys: dictionarySlice(vector.keys, children, entries),
        values: textSlice(vector.values, children, entries),
      };
    }
    case "list": {
      const { offsets, children } = entriesOf(vector.offsets, selection);
      return { kind: "list", count, offsets, child: sliceOf(vector.child, children) };
    }
    case "struct":
      return { kind: "struct", count, children: vector.children.map((child) => sliceOf(child, selection)) };
  }
}

function fixedSlice(vector: FixedVector, selection: Selection, count: number): FixedSlice {
  const values = vector.width === 8
    ? gatherWords(vector.words, selection)
    : vector.width === 4
    ? gatherInts(vector.words, selection)
    : gatherBytes(vector.bytes, selection);
  return { kind: "fixed", type: vector.type, count, values, present: presentOf(vector, selection) };
}

function textSlice(vector: Utf8Vector, selection: Selection, count: number): TextSlice {
  const present = presentOf(vector, selection);
  if (selection.rows !== undefined) return { kind: "utf8", count, ...gatherText(vector, selection), present };
  const offsets = vector.offsets.subarray(selection.from, selection.to + 1);
  return { kind: "utf8", count, offsets, bytes: vector.bytes.subarray(offsets[0], offsets[count]), present };
}

function dictionarySlice(vector: DictionaryVector, selection: Selection, count: number): DictionarySlice {
  const codes = gatherInts(vector.codes, selection);
  const { values } = vector;
  // A chunk's dictionary may have grown large while the rows taken use little of it.
  if (values.length > 256 && (values.length > count || values.offsets[values.length] > dictionaryBytesMax)) {
    return compactDictionary(codes, values, count);
  }
  return {
    kind: "dictionary",
    count,
    codes,
    values: textSlice(values, { from: 0, to: values.length }, values.length),
  };
}

/** Numbers the codes that occur anew, in order of first use. */
function compactDictionary(codes: Int32Array, values: Utf8Vector, count: number): DictionarySlice {
  const numbers = new Int32Array(values.length);
  const used = new Int32Array(Math.min(values.length, count));
  const compacted = new Int32Array(count);
  let distinct = 0;
  for (let at = 0; at < count; at++) {
    const code = codes[at];
    let number = numbers[code];
    if (number === 0) {
      used[distinct] = code;
      number = numbers[code] = ++distinct;
    }
    compacted[at] = number - 1;
  }
  return {
    kind: "dictionary",
    count,
    codes: compacted,
    values: textSlice(values, { rows: used.subarray(0, distinct) }, distinct),
  };
}

/** Beyond this, sending a whole dictionary with each batch costs more than finding out what is used. */
const dictionaryBytesMax = 64 * 1024;

function entriesOf(offsets: Int32Array, selection: Selection): { offsets: Int32Array; children: Selection } {
  if (selection.rows !== undefined) return gatherLists(offsets, selection);
  const { from, to } = selection;
  return { offsets: offsets.subarray(from, to + 1), children: { from: offsets[from], to: offsets[to] } };
}

function presentOf({ validity }: FixedVector | Utf8Vector, selection: Selection): Present {
  if (validity.bytes === undefined || validity.nullCount === 0) return undefined;
  return gatherBytes(validity.bytes, selection);
}

/** The same slice with each of its arrays replaced by one of the same kind. */
function mapArrays<S extends Slice>(slice: S, replace: Replace): S;
function mapArrays(slice: Slice, replace: Replace): Slice {
  const ints = (array: Int32Array) => replace(array) as Int32Array;
  const bytes = (array: Uint8Array | undefined) => array && replace(array) as Uint8Array;
  switch (slice.kind) {
    case "fixed":
      return { ...slice, values: replace(slice.values), present: bytes(slice.present) };
    case "utf8":
      return {
        ...slice,
        offsets: ints(slice.offsets),
        bytes: replace(slice.bytes) as Uint8Array,
        present: bytes(slice.present),
      };
    case "dictionary":
      return { ...slice, codes: ints(slice.codes), values: mapArrays(slice.values, replace) };
    case "map":
      return {
        ...slice,
        offsets: ints(slice.offsets),
        keys: mapArrays(slice.keys, replace),
        values: mapArrays(slice.values, replace),
      };
    case "list":
      return { ...slice, offsets: ints(slice.offsets), child: mapArrays(slice.child, replace) };
    case "struct":
      return { ...slice, children: slice.children.map((child) => mapArrays(child, replace)) };
  }
}

type Replace = (array: Int32Array | Uint8Array) => Int32Array | Uint8Array;
