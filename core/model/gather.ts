/**
 * Takes some rows of a vector's buffers, in Arrow's layout: a range is a view where it can be, a list of rows is
 * copied by loops over typed arrays. No value becomes an object.
 */
import type { Utf8Vector } from "./vector.ts";

/** Which rows to take: a range, or rows by number in the order wanted. */
export type Selection =
  | { readonly from: number; readonly to: number; readonly rows?: undefined; readonly made?: undefined }
  | RowList;

export interface RowList {
  readonly rows: Int32Array;
  /** Arrays that are made for the copy, for whoever frees them (free.ts). */
  readonly made?: ArrayBufferView[];
}

export function selectionLength(selection: Selection): number {
  return selection.rows === undefined ? selection.to - selection.from : selection.rows.length;
}

/** 64-bit values as words, two a value. */
export function gatherWords(words: Int32Array, selection: Selection): Int32Array {
  if (selection.rows === undefined) return words.subarray(selection.from * 2, selection.to * 2);
  const { rows } = selection;
  const taken = new Int32Array(rows.length * 2);
  selection.made?.push(taken);
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] * 2;
    taken[at * 2] = words[row];
    taken[at * 2 + 1] = words[row + 1];
  }
  return taken;
}

/** 32-bit values. */
export function gatherInts(values: Int32Array, selection: Selection): Int32Array {
  if (selection.rows === undefined) return values.subarray(selection.from, selection.to);
  const { rows } = selection;
  const taken = new Int32Array(rows.length);
  selection.made?.push(taken);
  for (let at = 0; at < rows.length; at++) taken[at] = values[rows[at]];
  return taken;
}

/** Bytes of 0 or 1 to a bitmap, least significant bit first; `ones` is how many were 1. */
export function gatherBits(bytes: Uint8Array, selection: Selection): { bitmap: Uint8Array; ones: number } {
  const length = selectionLength(selection);
  const bitmap = new Uint8Array((length + 7) >> 3);
  let ones = 0;
  if (selection.rows === undefined) {
    for (let at = 0, row = selection.from; at < length; at++, row++) {
      const bit = bytes[row];
      ones += bit;
      bitmap[at >> 3] |= bit << (at & 7);
    }
  } else {
    const { rows } = selection;
    for (let at = 0; at < length; at++) {
      const bit = bytes[rows[at]];
      ones += bit;
      bitmap[at >> 3] |= bit << (at & 7);
    }
  }
  return { bitmap, ones };
}

/** Bytes, one a value. */
export function gatherBytes(bytes: Uint8Array, selection: Selection): Uint8Array {
  if (selection.rows === undefined) return bytes.subarray(selection.from, selection.to);
  const { rows } = selection;
  const taken = new Uint8Array(rows.length);
  selection.made?.push(taken);
  for (let at = 0; at < rows.length; at++) taken[at] = bytes[rows[at]];
  return taken;
}

/** Offsets from 0 and the bytes they point into. @param vector whose offsets count from its first byte */
export function gatherText(
  vector: Pick<Utf8Vector, "offsets" | "bytes">,
  selection: Selection,
): { offsets: Int32Array; bytes: Uint8Array } {
  const source = vector.offsets;
  if (selection.rows === undefined) {
    const { from, to } = selection;
    return {
      offsets: rebasedOffsets(source, from, to),
      bytes: vector.bytes.subarray(source[from], source[to]),
    };
  }
  const { rows } = selection;
  const offsets = new Int32Array(rows.length + 1);
  let end = 0;
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at];
    end += source[row + 1] - source[row];
    offsets[at + 1] = end;
  }
  const bytes = new Uint8Array(end);
  selection.made?.push(offsets, bytes);
  // Neighbouring rows are copied together: a split by hour takes long runs.
  for (let at = 0; at < rows.length;) {
    let last = at;
    while (last + 1 < rows.length && rows[last + 1] === rows[last] + 1) last++;
    const start = source[rows[at]], stop = source[rows[last] + 1], to = offsets[at];
    if (stop - start > 48) bytes.set(vector.bytes.subarray(start, stop), to);
    else for (let from = start, into = to; from < stop; from++, into++) bytes[into] = vector.bytes[from];
    at = last + 1;
  }
  return { offsets, bytes };
}

/** Offsets of a list or map from 0, and the selection of its children. */
export function gatherLists(
  source: Int32Array,
  selection: Selection,
): { offsets: Int32Array; children: Selection } {
  if (selection.rows === undefined) {
    const { from, to } = selection;
    return { offsets: rebasedOffsets(source, from, to), children: { from: source[from], to: source[to] } };
  }
  const { rows } = selection;
  const offsets = new Int32Array(rows.length + 1);
  let end = 0;
  for (let at = 0; at < rows.length; at++) {
    end += source[rows[at] + 1] - source[rows[at]];
    offsets[at + 1] = end;
  }
  const children = new Int32Array(end);
  const { made } = selection;
  made?.push(offsets, children);
  for (let at = 0, to = 0; at < rows.length; at++) {
    for (let child = source[rows[at]]; child < source[rows[at] + 1]; child++) children[to++] = child;
  }
  return { offsets, children: { rows: children, ...made === undefined ? {} : { made } } };
}

function rebasedOffsets(source: Int32Array, from: number, to: number): Int32Array {
  if (source[from] === 0) return source.subarray(from, to + 1);
  const base = source[from];
  const offsets = new Int32Array(to - from + 1);
  for (let at = 0; at < offsets.length; at++) offsets[at] = source[from + at] - base;
  return offsets;
}
