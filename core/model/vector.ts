/**
 * Growable columns: what a wire reader writes into, and what a memtable chunk is made of.
 *
 * A vector only grows at its end, or is cut back by `truncate`; bytes below `length` never change, and growth
 * moves to a new buffer. So a reader that has noted a length may go on reading while rows are added.
 * Layouts are Arrow's (32-bit offsets, little-endian values), but for validity, which is a byte a row here.
 *
 * Hot loops allocate nothing a value: 64-bit numbers go in as two 32-bit words, text as a range of bytes.
 */
import type { Column, ColumnType } from "./columns.ts";
import { DictionaryVector, firstCapacity, FixedVector, Utf8Vector } from "./flat_vector.ts";
import { freeBuffer } from "./free.ts";
import { grownCapacity, type Room } from "./room.ts";

export { DictionaryVector, type FixedKind, FixedVector, Utf8Vector } from "./flat_vector.ts";

export type Vector = FixedVector | Utf8Vector | DictionaryVector | MapVector | ListVector | StructVector;

/** MAP(VARCHAR, VARCHAR): entries of row i stand at [offsets[i], offsets[i + 1]) of keys and values. */
export class MapVector {
  readonly kind = "map";
  length = 0;
  offsets: Int32Array = new Int32Array(firstCapacity + 1);
  readonly keys: DictionaryVector = new DictionaryVector();
  readonly values: Utf8Vector = new Utf8Vector();

  /** Ends a row whose entries have been pushed to `keys` and `values`. */
  endRow(): void {
    this.offsets = endOffset(this.offsets, ++this.length, this.keys.length);
  }

  /** Ends rows whose entries have all been pushed. @param offsets of their entries; they need not begin at 0 */
  pushRows(offsets: Int32Array, count: number): void {
    const shift = this.offsets[this.length] - offsets[0];
    for (let row = 1; row <= count; row++) {
      this.offsets = endOffset(this.offsets, ++this.length, offsets[row] + shift);
    }
  }

  truncate(length: number): void {
    this.length = length;
    this.keys.truncate(this.offsets[length]);
    this.values.truncate(this.offsets[length]);
  }

  appendFrom(source: MapVector, row: number): void {
    for (let at = source.offsets[row]; at < source.offsets[row + 1]; at++) {
      this.keys.appendFrom(source.keys, at);
      this.values.appendFrom(source.values, at);
    }
    this.endRow();
  }
}

export class ListVector {
  readonly kind = "list";
  length = 0;
  offsets: Int32Array = new Int32Array(firstCapacity + 1);

  constructor(readonly child: Vector) {}

  /** Ends a row whose elements have been pushed to `child`. */
  endRow(): void {
    this.offsets = endOffset(this.offsets, ++this.length, this.child.length);
  }

  /** Ends rows whose elements have all been pushed. @param offsets of their elements; they need not begin at 0 */
  pushRows(offsets: Int32Array, count: number): void {
    const shift = this.offsets[this.length] - offsets[0];
    for (let row = 1; row <= count; row++) {
      this.offsets = endOffset(this.offsets, ++this.length, offsets[row] + shift);
    }
  }

  truncate(length: number): void {
    this.length = length;
    this.child.truncate(this.offsets[length]);
  }

  appendFrom(source: ListVector, row: number): void {
    for (let at = source.offsets[row]; at < source.offsets[row + 1]; at++) {
      appendValue(this.child, source.child, at);
    }
    this.endRow();
  }
}

export class StructVector {
  readonly kind = "struct";
  length = 0;

  constructor(readonly columns: readonly Column[], readonly children: readonly Vector[]) {}

  /** Ends a row whose fields have each been pushed to its child. */
  endRow(): void {
    this.length++;
  }

  truncate(length: number): void {
    this.length = length;
    for (const child of this.children) child.truncate(length);
  }

  appendFrom(source: StructVector, row: number): void {
    for (let field = 0; field < this.children.length; field++) {
      appendValue(this.children[field], source.children[field], row);
    }
    this.endRow();
  }
}

/** An empty vector for a type of the column table. */
export function newVector(type: ColumnType): Vector {
  switch (type.kind) {
    case "utf8":
      return new Utf8Vector();
    case "dictionary":
      return new DictionaryVector();
    case "map":
      return new MapVector();
    case "list":
      return new ListVector(newVector(type.element));
    case "struct":
      return new StructVector(type.fields, type.fields.map((field) => newVector(field.type)));
    default:
      return new FixedVector(type.kind);
  }
}

/** Appends row `row` of `source` to `target`, which is of the same type. */
export function appendValue(target: Vector, source: Vector, row: number): void {
  // deno-lint-ignore no-explicit-any -- both are of one kind, which the types cannot say
  (target as any).appendFrom(source, row);
}

/** Forgets every value and keeps the buffers, for new rows to be written over the old. */
export function clearVector(vector: Vector): void {
  vector.truncate(0);
  switch (vector.kind) {
    case "dictionary":
      return vector.truncateValues(0);
    case "map":
      return vector.keys.truncateValues(0);
    case "list":
      return clearVector(vector.child);
    case "struct":
      for (const child of vector.children) clearVector(child);
  }
}

/** Bytes that the values of a vector take, without the room that its buffers have left. */
export function vectorUsedBytes(vector: Vector): number {
  switch (vector.kind) {
    case "fixed":
      return vector.length * vector.width;
    case "utf8":
      return vector.length * 4 + vector.offsets[vector.length];
    case "dictionary":
      return vector.length * 4 + vectorUsedBytes(vector.values);
    case "map":
      return vector.length * 4 + vectorUsedBytes(vector.keys) + vectorUsedBytes(vector.values);
    case "list":
      return vector.length * 4 + vectorUsedBytes(vector.child);
    case "struct":
      return vector.children.reduce((sum, child) => sum + vectorUsedBytes(child), 0);
  }
}

/** Bytes that the buffers of a vector take. */
export function vectorBytes(vector: Vector): number {
  switch (vector.kind) {
    case "fixed":
      return vector.bytes.length + (vector.validity.bytes?.length ?? 0);
    case "utf8":
      return vector.bytes.length + vector.offsets.byteLength + (vector.validity.bytes?.length ?? 0) +
        vector.foldedBytes;
    case "dictionary":
      return vector.codes.byteLength + vectorBytes(vector.values) * 2;
    case "map":
      return vector.offsets.byteLength + vectorBytes(vector.keys) + vectorBytes(vector.values);
    case "list":
      return vector.offsets.byteLength + vectorBytes(vector.child);
    case "struct":
      return vector.children.reduce((sum, child) => sum + vectorBytes(child), 0);
  }
}

/** Gives the memory of all buffers back now: nobody may read the vector, or write it, from then on. */
export function freeVector(vector: Vector): void {
  switch (vector.kind) {
    case "map":
      freeBuffer(vector.offsets);
      freeVector(vector.keys);
      return freeVector(vector.values);
    case "list":
      freeBuffer(vector.offsets);
      return freeVector(vector.child);
    case "struct":
      return vector.children.forEach(freeVector);
    default:
      return vector.free();
  }
}

/** Has an empty vector make room for as much as one of its type held, so that it need not grow to it. */
export function reserve(vector: Vector, { values, bytes, parts }: Room): void {
  switch (vector.kind) {
    case "fixed":
    case "dictionary":
      return vector.reserve(values);
    case "utf8":
      return vector.reserve(values, bytes);
    case "map":
      vector.offsets = new Int32Array(values + 1);
      reserve(vector.keys, parts[0]);
      return reserve(vector.values, parts[1]);
    case "list":
      vector.offsets = new Int32Array(values + 1);
      return reserve(vector.child, parts[0]);
    case "struct":
      return vector.children.forEach((child, at) => reserve(child, parts[at]));
  }
}

/** How much a vector holds. */
export function roomOf(vector: Vector): Room {
  const values = vector.length;
  switch (vector.kind) {
    case "fixed":
    case "dictionary":
      return { values, bytes: 0, parts: [] };
    case "utf8":
      return { values, bytes: vector.offsets[values], parts: [] };
    case "map":
      return { values, bytes: 0, parts: [roomOf(vector.keys), roomOf(vector.values)] };
    case "list":
      return { values, bytes: 0, parts: [roomOf(vector.child)] };
    case "struct":
      return { values, bytes: 0, parts: vector.children.map(roomOf) };
  }
}

function endOffset(offsets: Int32Array, row: number, end: number): Int32Array {
  if (row >= offsets.length) {
    const grown = new Int32Array(grownCapacity(offsets.length, row + 1));
    grown.set(offsets);
    offsets = grown;
  }
  offsets[row] = end;
  return offsets;
}
