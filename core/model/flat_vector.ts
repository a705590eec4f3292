/**
 * Vectors of plain values: numbers and times, text, and text of few distinct values. vector.ts says what all
 * vectors promise, and has those that hold other vectors.
 */
import { isUtf8 } from "node:buffer";
import { systemRandom } from "../env/random.ts";
import { FoldedText, type OtherCase } from "../text/folded.ts";
import { freeBuffer } from "./free.ts";
import { grownCapacity, uninitializedBytes } from "./room.ts";

export type FixedKind = "timestamp" | "int64" | "uint64" | "int32" | "uint32" | "float64" | "bool";

/** Values that a new vector has room for. */
export const firstCapacity = 64;

/**
 * Where a dictionary's hashes begin: not known outside, so that no sender can choose values that all collide.
 * Nothing that is visible depends on it, for codes are given in order of arrival.
 */
const hashSeed = systemRandom.uint32() | 0;

/** Up to this many bytes, copying by words beats making a view and calling into native code. */
const wordCopyMax = 256;

/** One byte a row, made at the first NULL; absent while there is none. */
class Validity {
  bytes: Uint8Array | undefined;
  nullCount = 0;

  /** Notes that row `length` is NULL. */
  pushNull(length: number): void {
    if (this.bytes === undefined || this.bytes.length <= length) this.#grow(length);
    this.bytes![length] = 0;
    this.nullCount++;
  }

  /** Notes that row `length` is there. */
  push(length: number): void {
    if (this.bytes === undefined) return;
    if (this.bytes.length <= length) this.#grow(length);
    this.bytes[length] = 1;
  }

  /** Notes rows from `length` on, a byte each; all are there when undefined. */
  pushAll(length: number, count: number, present: Uint8Array | undefined): void {
    if (this.bytes === undefined && present === undefined) return;
    if (this.bytes === undefined || this.bytes.length < length + count) this.#grow(length, count);
    for (let row = 0; row < count; row++) {
      this.bytes![length + row] = present === undefined ? 1 : present[row];
      if (present !== undefined && present[row] === 0) this.nullCount++;
    }
  }

  truncate(from: number, length: number): void {
    if (this.bytes === undefined) return;
    for (let row = length; row < from; row++) if (this.bytes[row] === 0) this.nullCount--;
  }

  isNull(row: number): boolean {
    return this.bytes !== undefined && this.bytes[row] === 0;
  }

  free(): void {
    if (this.bytes !== undefined) freeBuffer(this.bytes);
  }

  #grow(length: number, count = 1): void {
    const grown = new Uint8Array(Math.max(firstCapacity, grownCapacity(length, length + count))).fill(1);
    if (this.bytes !== undefined) grown.set(this.bytes.subarray(0, length));
    this.bytes = grown;
  }
}

/** Numbers, times and booleans (a byte each). */
export class FixedVector {
  readonly kind = "fixed";
  readonly validity = new Validity();
  length = 0;
  /** Bytes a value: 8, 4 or 1. */
  readonly width: 8 | 4 | 1;
  bytes: Uint8Array;
  words: Int32Array;
  #doubles: Float64Array;

  constructor(readonly type: FixedKind) {
    this.width = type === "bool" ? 1 : type === "int32" || type === "uint32" ? 4 : 8;
    this.bytes = new Uint8Array(firstCapacity * this.width);
    this.words = new Int32Array(this.bytes.buffer);
    this.#doubles = new Float64Array(this.bytes.buffer);
  }

  /** Appends a 64-bit value by its low and high words. */
  pushWords(low: number, high: number): void {
    this.#reserve();
    this.words[this.length * 2] = low;
    this.words[this.length * 2 + 1] = high;
    this.validity.push(this.length++);
  }

  /** Appends a 32-bit integer or a boolean; never to a column of 64 bits. */
  pushInt(value: number): void {
    this.#reserve();
    if (this.width === 4) this.words[this.length] = value;
    else this.bytes[this.length] = value;
    this.validity.push(this.length++);
  }

  pushDouble(value: number): void {
    this.#reserve();
    this.#doubles[this.length] = value;
    this.validity.push(this.length++);
  }

  /** Appends the same 64-bit value `count` times. */
  pushWordsTimes(low: number, high: number, count: number): void {
    for (let i = 0; i < count; i++) this.pushWords(low, high);
  }

  /** Not for hot loops. */
  pushBigint(value: bigint): void {
    this.pushWords(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  /**
   * Appends values as they lie in memory.
   * @param values words, two a value of 64 bits; bytes for booleans
   * @param present a byte a value, 0 for NULL; all are there when undefined
   */
  pushAll(values: Int32Array | Uint8Array, count: number, present: Uint8Array | undefined): void {
    this.#reserve(count);
    const target = this.width === 1 ? this.bytes : this.words;
    target.set(values, this.width === 8 ? this.length * 2 : this.length);
    this.validity.pushAll(this.length, count, present);
    this.length += count;
  }

  pushNull(): void {
    this.#reserve();
    if (this.width === 8) this.words[this.length * 2] = this.words[this.length * 2 + 1] = 0;
    else if (this.width === 4) this.words[this.length] = 0;
    else this.bytes[this.length] = 0;
    this.validity.pushNull(this.length++);
  }

  truncate(length: number): void {
    this.validity.truncate(this.length, length);
    this.length = length;
  }

  /** A view of the first `length` values, for 64-bit integers and times. */
  bigints(length = this.length): BigInt64Array {
    return new BigInt64Array(this.bytes.buffer, 0, length);
  }

  doubles(length = this.length): Float64Array {
    return new Float64Array(this.bytes.buffer, 0, length);
  }

  appendFrom(source: FixedVector, row: number): void {
    if (source.validity.isNull(row)) return this.pushNull();
    if (this.width === 8) this.pushWords(source.words[row * 2], source.words[row * 2 + 1]);
    else this.pushInt(this.width === 4 ? source.words[row] : source.bytes[row]);
  }

  /** Room for so many values in all. */
  reserve(values: number): void {
    const bytes = values * this.width;
    if (bytes > this.bytes.length) this.#grow(bytes);
  }

  free(): void {
    freeBuffer(this.bytes);
    this.validity.free();
  }

  #reserve(count = 1): void {
    const needed = (this.length + count) * this.width;
    if (needed > this.bytes.length) this.#grow(grownCapacity(this.bytes.length, needed));
  }

  #grow(bytes: number): void {
    const grown = uninitializedBytes((bytes + 7) & ~7);
    grown.set(this.bytes);
    this.bytes = grown;
    this.words = new Int32Array(grown.buffer);
    this.#doubles = new Float64Array(grown.buffer);
  }
}

/** Text as offsets and bytes. */
export class Utf8Vector {
  readonly kind = "utf8";
  readonly validity = new Validity();
  length = 0;
  offsets: Int32Array = new Int32Array(firstCapacity + 1);
  bytes: Uint8Array = new Uint8Array(firstCapacity * 16);
  #view: DataView = new DataView(this.bytes.buffer);
  /** Made when texts are first searched. */
  #folded: FoldedText | undefined;
  /** Whether a reader has asked for `folded` since it was empty. */
  isSearched = false;

  /** As `push`, from a view, four bytes at a time: short text costs no call into native code. */
  pushFrom(source: DataView, start: number, end: number): void {
    const count = end - start;
    const at = this.reserveBytes(count);
    const target = this.#view;
    if (count > wordCopyMax) {
      this.bytes.set(new Uint8Array(source.buffer, source.byteOffset + start, count), at);
    } else if (count >= 4) {
      // The last word may overlap the one before it, so that no single bytes remain.
      const last = end - 4;
      for (let from = start, to = at; from < last; from += 4, to += 4) {
        target.setInt32(to, source.getInt32(from, true), true);
      }
      target.setInt32(at + count - 4, source.getInt32(last, true), true);
    } else for (let from = start, to = at; from < end; from++, to++) this.bytes[to] = source.getUint8(from);
    this.endValue(at + count);
  }

  /** Appends `source[start, end)`, which must be valid UTF-8 by the time the row is shown to a reader. */
  push(source: Uint8Array, start: number, end: number): void {
    const at = this.reserveBytes(end - start);
    if (end - start > 48) this.bytes.set(source.subarray(start, end), at);
    else for (let from = start, to = at; from < end; from++, to++) this.bytes[to] = source[from];
    this.endValue(at + end - start);
  }

  /** Room for `count` more bytes; returns where they go. Finish the value with `endValue`. */
  reserveBytes(count: number): number {
    const at = this.offsets[this.length];
    if (at + count > this.bytes.length) {
      const grown = uninitializedBytes(grownCapacity(this.bytes.length, at + count));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }

  /** Room for so many values and bytes in a vector that is empty. */
  reserve(values: number, bytes: number): void {
    if (bytes > this.bytes.length) {
      this.bytes = uninitializedBytes(bytes);
      this.#view = new DataView(this.bytes.buffer);
    }
    if (values >= this.offsets.length) this.offsets = new Int32Array(values + 1);
  }

  free(): void {
    freeBuffer(this.bytes);
    freeBuffer(this.offsets);
    this.validity.free();
    this.#folded?.free();
  }

  /** Ends the value that was written up to byte `end`. */
  endValue(end: number): void {
    this.validity.push(this.length++);
    if (this.length >= this.offsets.length) this.#growOffsets();
    this.offsets[this.length] = end;
  }

  /**
   * Appends texts that lie side by side: text i is `bytes[offsets[i] - offsets[0], …)`.
   * @param present a byte a text, 0 for NULL; all are there when undefined
   */
  pushAll(
    offsets: Int32Array,
    bytes: Uint8Array,
    count: number,
    present: Uint8Array | undefined,
  ): void {
    const at = this.reserveBytes(offsets[count] - offsets[0]);
    this.bytes.set(bytes.subarray(0, offsets[count] - offsets[0]), at);
    while (this.length + count >= this.offsets.length) this.#growOffsets();
    const shift = at - offsets[0];
    for (let text = 1; text <= count; text++) this.offsets[this.length + text] = offsets[text] + shift;
    this.validity.pushAll(this.length, count, present);
    this.length += count;
  }

  /** Not for hot loops. */
  pushText(text: string): void {
    const bytes = textEncoder.encode(text);
    this.push(bytes, 0, bytes.length);
  }

  pushNull(): void {
    this.validity.pushNull(this.length++);
    if (this.length >= this.offsets.length) this.#growOffsets();
    this.offsets[this.length] = this.offsets[this.length - 1];
  }

  truncate(length: number): void {
    this.validity.truncate(this.length, length);
    this.length = length;
    this.#folded?.truncate(this.offsets[length]);
    if (length === 0) this.isSearched = false;
  }

  /**
   * The first `count` texts with ASCII letters in lower case: text i lies where it lies in `bytes`. A view, good until
   * values are added.
   */
  folded(count: number): { readonly bytes: Buffer; readonly others: readonly OtherCase[] } {
    this.isSearched = true;
    const bytes = this.keepFolded(count);
    return { bytes, others: this.#folded!.others };
  }

  /** Has the first `count` texts ready for `folded`, which then takes no time. */
  keepFolded(count: number): Buffer {
    this.#folded ??= new FoldedText();
    return this.#folded.follow(this.bytes, this.offsets[count]);
  }

  /** Memory that `folded` takes, once it was asked for. */
  get foldedBytes(): number {
    return this.#folded?.bytes ?? 0;
  }

  /** The value as a string; NULL as `null`. */
  text(row: number): string | null {
    if (this.validity.isNull(row)) return null;
    return textDecoder.decode(this.bytes.subarray(this.offsets[row], this.offsets[row + 1]));
  }

  appendFrom(source: Utf8Vector, row: number): void {
    if (source.validity.isNull(row)) this.pushNull();
    else this.push(source.bytes, source.offsets[row], source.offsets[row + 1]);
  }

  #growOffsets(): void {
    const grown = new Int32Array(grownCapacity(this.offsets.length, 0));
    grown.set(this.offsets);
    this.offsets = grown;
  }
}

/** Text of few distinct values: a code a row, and each distinct value once. Never NULL. */
export class DictionaryVector {
  readonly kind = "dictionary";
  length = 0;
  codes: Int32Array = new Int32Array(firstCapacity);
  /** The distinct values, by code; always valid UTF-8. */
  readonly values: Utf8Vector = new Utf8Vector();
  /** How often a value that was looked up had to be repaired to be valid UTF-8. */
  repairs = 0;
  #slots: Int32Array = new Int32Array(64).fill(-1);
  #hashes: Int32Array = new Int32Array(64);

  push(source: Uint8Array, start: number, end: number): void {
    this.pushCode(this.codeOf(source, start, end));
  }

  pushCode(code: number): void {
    if (this.length === this.codes.length) {
      const grown = new Int32Array(grownCapacity(this.codes.length, 0));
      grown.set(this.codes);
      this.codes = grown;
    }
    this.codes[this.length++] = code;
  }

  /** Appends the same code `count` times. */
  pushCodes(code: number, count: number): void {
    if (this.length + count > this.codes.length) {
      const grown = new Int32Array(grownCapacity(this.codes.length, this.length + count));
      grown.set(this.codes);
      this.codes = grown;
    }
    this.codes.fill(code, this.length, this.length += count);
  }

  /** Room for so many values in a vector that is empty. */
  reserve(values: number): void {
    if (values > this.codes.length) this.codes = new Int32Array(values);
  }

  free(): void {
    freeBuffer(this.codes);
    this.values.free();
  }

  /** Not for hot loops. */
  pushText(text: string): void {
    const bytes = textEncoder.encode(text);
    this.push(bytes, 0, bytes.length);
  }

  /** Whether the value of this code is these bytes; any code may be asked for. */
  matches(code: number, source: Uint8Array, start: number, end: number): boolean {
    return code >= 0 && code < this.values.length && this.#equals(code, source, start, end);
  }

  /** The code of these bytes, which become a new value if they are not one yet; invalid UTF-8 is repaired. */
  codeOf(source: Uint8Array, start: number, end: number): number {
    let hash = (end - start) ^ hashSeed;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ source[at], 0x01000193);
    hash ^= hash >>> 15;
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const code = this.#slots[slot];
      if (code < 0) return this.#add(hash, source, start, end);
      if (this.#hashes[code] === hash && this.#equals(code, source, start, end)) return code;
    }
  }

  truncate(length: number): void {
    this.length = length; // values that no row uses any more stay, unless `truncateValues` follows
  }

  /** Forgets the values from code `count` on, which no row may use. */
  truncateValues(count: number): void {
    if (count >= this.values.length) return;
    this.values.truncate(count);
    this.#slots.fill(-1);
    for (let code = 0; code < count; code++) this.#insert(code);
  }

  text(row: number): string {
    return this.values.text(this.codes[row])!;
  }

  appendFrom(source: DictionaryVector, row: number): void {
    const code = source.codes[row];
    this.push(source.values.bytes, source.values.offsets[code], source.values.offsets[code + 1]);
  }

  #equals(code: number, source: Uint8Array, start: number, end: number): boolean {
    const { bytes, offsets } = this.values;
    let at = offsets[code];
    if (offsets[code + 1] - at !== end - start) return false;
    for (let from = start; from < end; from++, at++) if (bytes[at] !== source[from]) return false;
    return true;
  }

  #add(hash: number, source: Uint8Array, start: number, end: number): number {
    const value = source.subarray(start, end);
    if (!isUtf8(value)) {
      this.repairs++;
      const repaired = textEncoder.encode(textDecoder.decode(value));
      return this.codeOf(repaired, 0, repaired.length);
    }
    const code = this.values.length;
    this.values.push(source, start, end);
    if ((code + 1) * 2 > this.#slots.length) this.#rehash();
    this.#hashes[code] = hash;
    this.#insert(code);
    return code;
  }

  #insert(code: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#hashes[code] & mask;
    while (this.#slots[slot] >= 0) slot = (slot + 1) & mask;
    this.#slots[slot] = code;
  }

  #rehash(): void {
    const hashes = new Int32Array(this.#slots.length * 2);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#slots = new Int32Array(hashes.length).fill(-1);
    for (let code = 0; code < this.values.length - 1; code++) this.#insert(code);
  }
}

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8", { ignoreBOM: true }); // a leading U+FEFF is text like any other
