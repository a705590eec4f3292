/**
 * Least and largest value of a column in a row group, by which readers skip it (parquet.thrift, Statistics): copies, for
 * the footer is written when the buffers of the rows are gone.
 */
import type { TextSlice } from "./slice.ts";

export interface Statistics {
  readonly nulls: number;
  /** PLAIN bytes without a length; absent when there is no value, or when a text is too long to be repeated. */
  readonly min?: Uint8Array;
  readonly max?: Uint8Array;
}

/** Of signed 64-bit numbers, two words a value. */
export function timeStatistics(words: Int32Array, nulls: number): Statistics {
  if (words.length === 0) return { nulls };
  let least = 0, largest = 0;
  for (let at = 2; at < words.length; at += 2) {
    if (isLess(words, at, least)) least = at;
    if (isLess(words, largest, at)) largest = at;
  }
  return { nulls, min: bytesOf(words, least, 2), max: bytesOf(words, largest, 2) };
}

/** Of signed 32-bit numbers. @param values each at least once */
export function integerStatistics(values: Int32Array, nulls: number): Statistics {
  if (values.length === 0) return { nulls };
  let least = 0, largest = 0;
  for (let at = 1; at < values.length; at++) {
    if (values[at] < values[least]) least = at;
    if (values[at] > values[largest]) largest = at;
  }
  return { nulls, min: bytesOf(values, least, 1), max: bytesOf(values, largest, 1) };
}

/** Of the texts of a dictionary that are used, by their bytes. */
export function textStatistics({ offsets, bytes }: TextSlice, used: Int32Array): Statistics {
  const textOf = (code: number) => bytes.subarray(offsets[code] - offsets[0], offsets[code + 1] - offsets[0]);
  if (used.length === 0) return { nulls: 0 };
  let min = textOf(used[0]), max = min;
  for (const code of used) {
    const text = textOf(code);
    if (compare(text, min) < 0) min = text;
    if (compare(text, max) > 0) max = text;
  }
  if (min.length > textBytesMax || max.length > textBytesMax) return { nulls: 0 };
  return { nulls: 0, min: min.slice(), max: max.slice() };
}

/** A footer repeats them for each row group. */
const textBytesMax = 256;

function isLess(words: Int32Array, one: number, other: number): boolean {
  const high = words[one + 1], otherHigh = words[other + 1];
  return high < otherHigh || (high === otherHigh && words[one] >>> 0 < words[other] >>> 0);
}

function bytesOf(words: Int32Array, at: number, count: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + at * 4, count * 4).slice();
}

function compare(one: Uint8Array, other: Uint8Array): number {
  const shared = Math.min(one.length, other.length);
  for (let at = 0; at < shared; at++) if (one[at] !== other[at]) return one[at] - other[at];
  return one.length - other.length;
}
