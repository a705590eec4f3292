/**
 * Parquet's hybrid of run lengths and packed bits (Encodings.md, "RLE = 3"): levels, and codes of a dictionary.
 *
 * Requests bring runs (one resource, one scope, one ingest time), so runs are looked for; between them values are
 * packed in groups of eight.
 */
import { assert } from "../error.ts";
import type { ByteSink } from "./sink.ts";

/** Bits that the numbers 0 to `max` take. */
export function bitWidth(max: number): number {
  return 32 - Math.clz32(max);
}

/** @param width bits a value, 0 to 24 */
export function writeCodes(sink: ByteSink, codes: Int32Array, count: number, width: number): void {
  assert(width <= 24, "a row group has fewer than 2^24 distinct values");
  let at = 0;
  while (at < count) {
    const run = runOfCodes(codes, at, count);
    if (run >= runMin || run === count - at) {
      writeRun(sink, run, codes[at], width);
      at += run;
      continue;
    }
    const from = at;
    at += 8;
    while (at < count && (codes[at] !== codes[at + 7] || runOfCodes(codes, at, count) < runMin)) at += 8;
    at = Math.min(at, count);
    packCodes(sink, codes, from, at, width);
  }
}

/** As `writeCodes`, for levels: they are bytes. */
export function writeLevelRuns(sink: ByteSink, levels: Uint8Array, count: number, width: number): void {
  let at = 0;
  while (at < count) {
    const run = runOfLevels(levels, at, count);
    if (run >= runMin || run === count - at) {
      writeRun(sink, run, levels[at], width);
      at += run;
      continue;
    }
    const from = at;
    at += 8;
    while (at < count && (levels[at] !== levels[at + 7] || runOfLevels(levels, at, count) < runMin)) at += 8;
    at = Math.min(at, count);
    packLevels(sink, levels, from, at, width);
  }
}

/** `count` times the same value. */
export function writeRun(sink: ByteSink, count: number, value: number, width: number): void {
  sink.varint(count * 2);
  for (let bits = 0; bits < width; bits += 8) sink.byte(value >>> bits);
}

/** Shorter runs are packed like the values around them: a run costs up to four bytes, and a branch to read. */
const runMin = 64;

// Codes and levels have loops of their own: a loop that sees both kinds of array is not compiled for either.

function runOfCodes(codes: Int32Array, from: number, count: number): number {
  const value = codes[from];
  let at = from + 1;
  while (at < count && codes[at] === value) at++;
  return at - from;
}

function runOfLevels(levels: Uint8Array, from: number, count: number): number {
  const value = levels[from];
  let at = from + 1;
  while (at < count && levels[at] === value) at++;
  return at - from;
}

/** Packs `[from, to)`; only the last group of the whole may be filled up, with zeros. */
function packCodes(sink: ByteSink, codes: Int32Array, from: number, to: number, width: number): void {
  const groups = (to - from + 7) >> 3;
  sink.varint(groups * 2 + 1);
  let at = sink.reserve(groups * width);
  const { bytes } = sink;
  const end = at + groups * width;
  let pending = 0, bits = 0;
  for (let index = from; index < to; index++) {
    pending |= codes[index] << bits;
    for (bits += width; bits >= 8; bits -= 8) {
      bytes[at++] = pending;
      pending >>>= 8;
    }
  }
  if (bits > 0) bytes[at++] = pending;
  bytes.fill(0, at, end);
  sink.length = end;
}

function packLevels(sink: ByteSink, levels: Uint8Array, from: number, to: number, width: number): void {
  const groups = (to - from + 7) >> 3;
  sink.varint(groups * 2 + 1);
  let at = sink.reserve(groups * width);
  const { bytes } = sink;
  const end = at + groups * width;
  let pending = 0, bits = 0;
  for (let index = from; index < to; index++) {
    pending |= levels[index] << bits;
    for (bits += width; bits >= 8; bits -= 8) {
      bytes[at++] = pending;
      pending >>>= 8;
    }
  }
  if (bits > 0) bytes[at++] = pending;
  bytes.fill(0, at, end);
  sink.length = end;
}
