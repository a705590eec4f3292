/**
 * Reads DELTA_BINARY_PACKED (Encodings.md): the lengths of texts, whole numbers and times. The writer's side is
 * ../delta.ts.
 *
 * 64-bit values are two 32-bit words, low first; arithmetic wraps round, as the specification has it. Differences are
 * unpacked a miniblock at a time, and those behind the last value that is wanted are passed over.
 */
import { malformedPage } from "./page.ts";

/** Where the values of a page end, and how many there were. */
export interface DeltaEnd {
  readonly count: number;
  readonly end: number;
}

/**
 * Reads values as pairs of words.
 * @param words room for two words a value of `countMax` values
 * @param wanted how many of the first values are wanted
 * @throws OpenWitError `malformed`
 */
export function readDelta64(
  bytes: Uint8Array,
  from: number,
  words: Int32Array,
  countMax: number,
  wanted = countMax,
): DeltaEnd {
  const reader = new DeltaReader(bytes, from, countMax);
  const { count, lows, highs } = reader;
  const upTo = Math.min(count, wanted);
  let low = reader.firstLow, high = reader.firstHigh;
  if (upTo > 0) {
    words[0] = low;
    words[1] = high;
  }
  for (let index = 1; index < upTo;) {
    const end = Math.min(upTo, index + reader.next());
    const { leastLow, leastHigh } = reader;
    for (let at = 0; index < end; index++, at++) {
      const step = (lows[at] >>> 0) + (leastLow >>> 0);
      const sum = (low >>> 0) + (step >>> 0);
      high = high + highs[at] + leastHigh + (step > 0xffff_ffff ? 1 : 0) + (sum > 0xffff_ffff ? 1 : 0) | 0;
      low = sum | 0;
      words[index * 2] = low;
      words[index * 2 + 1] = high;
    }
  }
  return { count, end: reader.finish() };
}

/** The same for values that fit 32 bits. @throws OpenWitError `malformed` */
export function readDelta32(
  bytes: Uint8Array,
  from: number,
  values: Int32Array,
  countMax: number,
  wanted = countMax,
): DeltaEnd {
  const reader = new DeltaReader(bytes, from, countMax);
  const { count, lows } = reader;
  const upTo = Math.min(count, wanted);
  let value = reader.firstLow;
  if (upTo > 0) values[0] = value;
  for (let index = 1; index < upTo;) {
    const end = Math.min(upTo, index + reader.next());
    const { leastLow } = reader;
    for (let at = 0; index < end; index++, at++) {
      value = value + lows[at] + leastLow | 0;
      values[index] = value;
    }
  }
  return { count, end: reader.finish() };
}

/** More values in a miniblock than any writer puts there: DuckDB has 256, we have 32. */
const miniblockValuesMax = 32_768;

/** Steps through the differences of one page. */
class DeltaReader {
  readonly count: number;
  readonly firstLow: number;
  readonly firstHigh: number;
  /** Differences of the miniblock at hand, above the least one of its block. */
  readonly lows: Int32Array;
  readonly highs: Int32Array;
  leastLow = 0;
  leastHigh = 0;
  readonly #view: DataView;
  readonly #miniblocks: number;
  readonly #miniblockValues: number;
  #at: number;
  #low = 0;
  #high = 0;
  #widths = 0;
  #miniblock: number;
  /** Differences that are not yet passed. */
  #left: number;

  constructor(readonly bytes: Uint8Array, from: number, countMax: number) {
    this.#at = from;
    const blockValues = this.#varint();
    this.#miniblocks = this.#varint();
    this.count = this.#varint();
    if (this.count > countMax) throw malformedPage(`${this.count} values where ${countMax} were expected`);
    const each = blockValues / this.#miniblocks;
    if (this.count > 1 && !(each >= 8 && each % 8 === 0 && each <= miniblockValuesMax)) {
      throw malformedPage(`blocks of ${blockValues} values in ${this.#miniblocks} parts`);
    }
    this.#miniblockValues = each;
    this.#zigzag();
    this.firstLow = this.#low;
    this.firstHigh = this.#high;
    this.#miniblock = this.#miniblocks;
    this.#left = this.count - 1;
    const room = this.count > 1 ? each : 0;
    this.lows = new Int32Array(room);
    this.highs = new Int32Array(room);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Unpacks the next miniblock; returns how many differences it has room for. */
  next(): number {
    const width = this.#open();
    const at = this.#at;
    this.#at += this.#miniblockValues * width / 8;
    if (width === 0) this.lows.fill(0);
    else if (width <= 25) this.#unpackNarrow(at, width);
    else this.#unpack(at, width);
    if (width <= 32) this.highs.fill(0);
    return this.#miniblockValues;
  }

  /** Where the bytes after the page's last miniblock begin. */
  finish(): number {
    while (this.#left > 0) {
      const width = this.#open(); // which moves to where its bits begin
      this.#at += width * this.#miniblockValues / 8;
    }
    return this.#at;
  }

  /** Goes to the next miniblock, whose bits begin at `#at`; returns their width. */
  #open(): number {
    if (this.#miniblock === this.#miniblocks) {
      this.#zigzag();
      this.leastLow = this.#low;
      this.leastHigh = this.#high;
      this.#widths = this.#at;
      this.#at += this.#miniblocks;
      this.#miniblock = 0;
    }
    const width = this.bytes[this.#widths + this.#miniblock++];
    this.#left -= this.#miniblockValues;
    if (!(width <= 64) || this.#at + this.#miniblockValues * width / 8 > this.bytes.length) {
      throw malformedPage("differences that end early");
    }
    return width;
  }

  /** Up to 25 bits lie within a word that begins at a whole byte. */
  #unpackNarrow(from: number, width: number): void {
    const { lows } = this;
    const view = this.#view, mask = (1 << width) - 1;
    const inside = this.#inside(from, width, 4);
    for (let index = 0, bit = from * 8; index < inside; index++, bit += width) {
      lows[index] = view.getInt32(bit >>> 3, true) >>> (bit & 7) & mask;
    }
    for (let index = inside; index < lows.length; index++) {
      lows[index] = this.#bitsAt(from * 8 + index * width) & mask;
    }
  }

  #unpack(from: number, width: number): void {
    const { lows, highs } = this;
    const view = this.#view;
    const lowMask = width < 32 ? (1 << width) - 1 : -1, highMask = width <= 32 ? 0 : -1 >>> (64 - width);
    const inside = this.#inside(from, width, 12);
    for (let index = 0, bit = from * 8; index < inside; index++, bit += width) {
      const at = bit >>> 3, shift = bit & 7;
      // Shifted twice, for a shift by 32 is none.
      const middle = view.getInt32(at + 4, true);
      lows[index] = (view.getInt32(at, true) >>> shift | middle << 1 << (31 - shift)) & lowMask;
      if (width > 32) {
        highs[index] = (middle >>> shift | view.getInt32(at + 8, true) << 1 << (31 - shift)) & highMask;
      }
    }
    for (let index = inside; index < lows.length; index++) {
      lows[index] = this.#bitsAt(from * 8 + index * width) & lowMask;
      highs[index] = width > 32 ? this.#bitsAt(from * 8 + index * width + 32) & highMask : 0;
    }
  }

  /** How many of a miniblock's values can be read with so many bytes from where each begins. */
  #inside(from: number, width: number, bytes: number): number {
    const bits = (this.bytes.length - bytes - from) * 8;
    return bits < 0 ? 0 : Math.min(this.lows.length, Math.floor(bits / width) + 1);
  }

  #bitsAt(bit: number): number {
    const at = Math.floor(bit / 8), shift = bit & 7;
    const word = this.#wordAt(at);
    return shift === 0 ? word : word >>> shift | (this.bytes[at + 4] ?? 0) << (32 - shift);
  }

  /** Four bytes, of which those behind the end are 0. */
  #wordAt(at: number): number {
    const { bytes } = this;
    if (at + 4 <= bytes.length) return this.#view.getInt32(at, true);
    let word = 0;
    for (let byte = 0; at + byte < bytes.length; byte++) word |= bytes[at + byte] << byte * 8;
    return word;
  }

  #varint(): number {
    let value = 0, shift = 0;
    for (;;) {
      if (this.#at >= this.bytes.length || shift > 28) throw malformedPage("a number that ends early");
      const byte = this.bytes[this.#at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
      shift += 7;
    }
  }

  #zigzag(): void {
    let low = 0, high = 0;
    for (let shift = 0;; shift += 7) {
      if (this.#at >= this.bytes.length || shift > 63) throw malformedPage("a number that ends early");
      const byte = this.bytes[this.#at++];
      const bits = byte & 127;
      if (shift < 32) low |= bits << shift;
      if (shift > 25) high |= shift < 32 ? bits >>> (32 - shift) : bits << (shift - 32);
      if (byte < 128) break;
    }
    const sign = -(low & 1);
    this.#low = (low >>> 1 | high << 31) ^ sign;
    this.#high = high >>> 1 ^ sign;
  }
}
