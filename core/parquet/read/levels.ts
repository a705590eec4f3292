/**
 * Reads repetition and definition levels: runs and packed bits as in runs.ts, but of a bit or two a level, which are
 * taken a byte at a time. The writer's side is ../levels.ts.
 */
import { malformedPage } from "./page.ts";

/** A byte a place, or the level of all of them. */
export type PageLevels = Uint8Array | number;

/** @throws OpenWitError `malformed` */
export function readLevels(
  bytes: Uint8Array,
  from: number,
  end: number,
  max: number,
  count: number,
): PageLevels {
  const width = 32 - Math.clz32(max);
  if (width > 8) throw malformedPage(`levels up to ${max}`);
  const mask = (1 << width) - 1;
  let levels: Uint8Array | undefined;
  let at = from, filled = 0;
  while (filled < count) {
    let header = 0, shift = 0;
    for (;;) {
      if (at >= end || shift > 28) throw malformedPage("levels that end early");
      const byte = bytes[at++];
      header += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
      shift += 7;
    }
    const length = Math.floor(header / 2);
    if (header % 2 === 0) {
      if (length === 0 || at >= end) throw malformedPage("an empty run of levels");
      const level = bytes[at++] & mask;
      if (level > max) throw malformedPage(`a level of ${level} above ${max}`);
      if (filled === 0 && length >= count) return level;
      levels ??= new Uint8Array(count);
      levels.fill(level, filled, filled = Math.min(count, filled + length));
      continue;
    }
    const packedEnd = at + length * width;
    if (length === 0 || packedEnd > end) throw malformedPage("packed levels that end early");
    levels ??= new Uint8Array(count);
    const upTo = Math.min(count, filled + length * 8);
    unpack(bytes, at, width, levels, filled, upTo);
    // As many bits as the greatest level has may say more than it is.
    if (max !== mask) checkLevels(levels, filled, upTo, max);
    at = packedEnd;
    filled = upTo;
  }
  return levels ?? max;
}

function checkLevels(levels: Uint8Array, from: number, to: number, max: number): void {
  for (let place = from; place < to; place++) {
    if (levels[place] > max) throw malformedPage(`a level of ${levels[place]} above ${max}`);
  }
}

function unpack(
  bytes: Uint8Array,
  at: number,
  width: number,
  levels: Uint8Array,
  from: number,
  to: number,
): void {
  let place = from;
  if (width === 1) {
    for (; place + 8 <= to; place += 8) {
      const byte = bytes[at++];
      levels[place] = byte & 1;
      levels[place + 1] = byte >> 1 & 1;
      levels[place + 2] = byte >> 2 & 1;
      levels[place + 3] = byte >> 3 & 1;
      levels[place + 4] = byte >> 4 & 1;
      levels[place + 5] = byte >> 5 & 1;
      levels[place + 6] = byte >> 6 & 1;
      levels[place + 7] = byte >> 7;
    }
  } else if (width === 2) {
    for (; place + 4 <= to; place += 4) {
      const byte = bytes[at++];
      levels[place] = byte & 3;
      levels[place + 1] = byte >> 2 & 3;
      levels[place + 2] = byte >> 4 & 3;
      levels[place + 3] = byte >> 6;
    }
  }
  const mask = (1 << width) - 1;
  let pending = 0, bits = 0;
  for (; place < to; place++) {
    for (; bits < width; bits += 8) pending |= bytes[at++] << bits;
    levels[place] = pending & mask;
    pending >>>= width;
    bits -= width;
  }
}
