/**
 * Text columns that hold what was sent are checked for valid UTF-8 in bulk after a request, by native code,
 * because invalid UTF-8 fails a whole Parquet batch. What is not valid becomes U+FFFD, and is counted.
 */
import { isAscii, isUtf8 } from "node:buffer";
import type { Utf8Vector } from "../model/vector.ts";

const textDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
const textEncoder = new TextEncoder();

/** Repairs the values from row `from` on, which no reader has seen yet; returns how many were repaired. */
export function repairTexts(vector: Utf8Vector, from: number): number {
  const { bytes, offsets, length } = vector;
  const region = bytes.subarray(offsets[from], offsets[length]);
  if (isAscii(region)) return 0;
  if (isUtf8(region) && !beginsInsideCharacter(vector, from)) return 0;

  const replacements = new Map<number, Uint8Array>();
  let growth = 0;
  for (let row = from; row < length; row++) {
    const value = bytes.subarray(offsets[row], offsets[row + 1]);
    if (isUtf8(value)) continue;
    const repaired = textEncoder.encode(textDecoder.decode(value));
    replacements.set(row, repaired);
    growth += repaired.length - value.length;
  }
  const before = region.slice();
  const begin = offsets[from];
  // Room is counted from the end of the last value, which is where the region ends.
  vector.reserveBytes(Math.max(0, growth));
  let to = begin, at = begin;
  for (let row = from; row < length; row++) {
    const stop = offsets[row + 1];
    const value = replacements.get(row) ?? before.subarray(at - begin, stop - begin);
    vector.bytes.set(value, to);
    to += value.length;
    at = stop;
    offsets[row + 1] = to;
  }
  return replacements.size;
}

/** The bytes of all values may be valid in a row while one value ends, and the next begins, inside a character. */
function beginsInsideCharacter({ bytes, offsets, length }: Utf8Vector, from: number): boolean {
  for (let row = from; row < length; row++) {
    if (offsets[row] < offsets[row + 1] && (bytes[offsets[row]] & 0xc0) === 0x80) return true;
  }
  return false;
}
