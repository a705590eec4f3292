/** Encodes the values of a leaf, NULLs left out (Encodings.md); which encoding for which: see column.ts. */
import { isUtf8 } from "node:buffer";
import { OpenWitError } from "../error.ts";
import { freeWhole } from "../model/free.ts";
import { writeLengths } from "./delta.ts";
import { bitWidth, writeCodes } from "./rle.ts";
import type { ByteSink } from "./sink.ts";
import type { TextSlice } from "./slice.ts";

/** DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes, which the slice has side by side already. */
export function writeTexts(sink: ByteSink, { offsets, bytes, present, count }: TextSlice): void {
  checkUtf8(offsets, bytes, count);
  const lengths = new Int32Array(count);
  let values = 0;
  for (let row = 0; row < count; row++) {
    if (present === undefined || present[row] === 1) lengths[values++] = offsets[row + 1] - offsets[row];
  }
  writeLengths(sink, lengths, values);
  freeWhole(lengths);
  sink.append(bytes);
}

/** Codes numbered anew for a row group, and what they stand for. */
export interface CodeTable {
  readonly codes: Int32Array;
  /** The codes of the slice that occur, by their new number. */
  readonly used: Int32Array;
}

/** Numbers the codes that occur in order of first use: a page's bits are as few as what it uses needs. */
export function renumber(codes: Int32Array, count: number, valueCount: number): CodeTable {
  const numbers = new Int32Array(valueCount);
  const used = new Int32Array(Math.min(valueCount, count));
  const renumbered = new Int32Array(count);
  let distinct = 0;
  for (let at = 0; at < count; at++) {
    const code = codes[at];
    let number = numbers[code];
    if (number === 0) {
      used[distinct] = code;
      number = numbers[code] = ++distinct;
    }
    renumbered[at] = number - 1;
  }
  return { codes: renumbered, used: used.subarray(0, distinct) };
}

/** The same for 32-bit integers, whose table are the integers themselves. */
export function numberIntegers(values: Int32Array, count: number): CodeTable {
  const codes = new Int32Array(count);
  const numbers = new Map<number, number>();
  const used: number[] = [];
  let last = 0, code = -1; // most columns of integers are runs
  for (let at = 0; at < count; at++) {
    const value = values[at];
    if (code < 0 || value !== last) {
      last = value;
      code = numbers.get(value) ?? -1;
      if (code < 0) {
        code = used.push(value) - 1;
        numbers.set(value, code);
      }
    }
    codes[at] = code;
  }
  return { codes, used: Int32Array.from(used) };
}

/** A data page's codes, after their width. */
export function writeCodePage(sink: ByteSink, { codes, used }: CodeTable): void {
  const width = used.length === 0 ? 0 : Math.max(1, bitWidth(used.length - 1));
  sink.byte(width);
  writeCodes(sink, codes, codes.length, width);
}

/** PLAIN texts of a dictionary: each after its length in four bytes. */
export function writeDictionary(sink: ByteSink, { offsets, bytes }: TextSlice, used: Int32Array): void {
  let size = 0;
  for (const code of used) size += 4 + offsets[code + 1] - offsets[code];
  let at = sink.reserve(size);
  for (const code of used) {
    const start = offsets[code] - offsets[0], length = offsets[code + 1] - offsets[code];
    sink.setUint32(at, length);
    sink.bytes.set(bytes.subarray(start, start + length), at + 4);
    at += 4 + length;
  }
  sink.length = at;
}

/** PLAIN booleans: a bit each, least significant first. */
export function writeBooleans(sink: ByteSink, values: Uint8Array): void {
  const at = sink.reserve((values.length + 7) >> 3);
  sink.length += (values.length + 7) >> 3;
  sink.bytes.fill(0, at, sink.length);
  for (let row = 0; row < values.length; row++) sink.bytes[at + (row >> 3)] |= values[row] << (row & 7);
}

/** Values of `words` 32-bit words each, without those that are NULL. */
export function withoutNulls<A extends Int32Array | Uint8Array>(
  values: A,
  present: Uint8Array | undefined,
  words: 1 | 2,
): A {
  if (present === undefined) return values;
  const kept = values.slice() as A;
  let at = 0;
  for (let row = 0; row < present.length; row++) {
    if (present[row] === 0) continue;
    kept[at++] = values[row * words];
    if (words === 2) kept[at++] = values[row * 2 + 1];
  }
  return kept.subarray(0, at) as A;
}

/** Readers refuse a file over one text that is not UTF-8: rather none is written, and the flush says why. */
function checkUtf8(offsets: Int32Array, bytes: Uint8Array, count: number): void {
  let isValid = isUtf8(bytes);
  // The whole may be valid while a value begins in the middle of a character.
  for (let row = 0; row < count && isValid; row++) {
    const start = offsets[row] - offsets[0];
    if (start < bytes.length) isValid = (bytes[start] & 0xc0) !== 0x80;
  }
  if (!isValid) {
    throw new OpenWitError("internal", "cannot encode a segment: a text is not UTF-8", {
      hint: "the decoder repairs such text, so this is a bug of ours",
    });
  }
}
