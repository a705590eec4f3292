/**
 * Reads DELTA_BINARY_PACKED (Encodings.md): the lengths of texts, and times. The writer's side is ../delta.ts.
 *
 * 64-bit values are two 32-bit words, low first; arithmetic wraps round, as the specification has it.
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
 * @throws OpenWitError `malformed`
 */
export function readDelta64(bytes: Uint8Array, from: number, words: Int32Array, countMax: number): DeltaEnd {
  const reader = new DeltaReader(bytes, from);
  const { count } = reader;
  if (count > countMax) throw malformedPage(`${count} values where ${countMax} were expected`);
  let low = reader.firstLow, high = reader.firstHigh;
  for (let index = 0; index < count; index++) {
    if (index > 0) {
      reader.next();
      const sum = (low >>> 0) + (reader.deltaLow >>> 0);
      high = high + reader.deltaHigh + (sum > 0xffff_ffff ? 1 : 0) | 0;
      low = sum | 0;
    }
    words[index * 2] = low;
    words[index * 2 + 1] = high;
  }
  return { count, end: reader.finish() };
}

/** The same for values that fit 32 bits. @throws OpenWitError `malformed` */
export function readDelta32(bytes: Uint8Array, from: number, values: Int32Array, countMax: number): DeltaEnd {
  const reader = new DeltaReader(bytes, from);
  const { count } = reader;
  if (count > countMax) throw malformedPage(`${count} values where ${countMax} were expected`);
  let value = reader.firstLow;
  for (let index = 0; index < count; index++) {
    if (index > 0) {
      reader.next();
      value = value + reader.deltaLow | 0;
    }
    values[index] = value;
  }
  return { count, end: reader.finish() };
}

/** Steps through the differences of one page. */
class DeltaReader {
  readonly count: number;
  readonly firstLow: number;
  readonly firstHigh: number;
  deltaLow = 0;
  deltaHigh = 0;
  readonly #miniblocks: number;
  readonly #miniblockValues: number;
  #at: number;
  #low = 0;
  #high = 0;
  #leastLow = 0;
  #leastHigh = 0;
  #widths = 0;
  #miniblock: number;
  #left = 0;
  #width = 0;
  #pending = 0;
  #bits = 0;
  #miniblockEnd: number;

  constructor(readonly bytes: Uint8Array, from: number) {
    this.#at = from;
    const blockValues = this.#varint();
    this.#miniblocks = this.#varint();
    this.count = this.#varint();
    this.#miniblockValues = blockValues / this.#miniblocks;
    if (this.count > 1 && (!(this.#miniblockValues >= 8) || this.#miniblockValues % 8 !== 0)) {
      throw malformedPage(`blocks of ${blockValues} values in ${this.#miniblocks} parts`);
    }
    this.#zigzag();
    this.firstLow = this.#low;
    this.firstHigh = this.#high;
    this.#miniblock = this.#miniblocks;
    this.#miniblockEnd = this.#at;
  }

  /** Sets `deltaLow` and `deltaHigh`. */
  next(): void {
    if (this.#left === 0) this.#openMiniblock();
    this.#left--;
    let low = 0, high = 0;
    for (let done = 0; done < this.#width;) {
      const wanted = Math.min(16, this.#width - done);
      while (this.#bits < wanted) {
        this.#pending |= this.bytes[this.#at++] << this.#bits;
        this.#bits += 8;
      }
      const part = this.#pending & (1 << wanted) - 1;
      this.#pending >>>= wanted;
      this.#bits -= wanted;
      if (done < 32) low |= part << done;
      else high |= part << (done - 32);
      done += wanted;
    }
    const sum = (low >>> 0) + (this.#leastLow >>> 0);
    this.deltaLow = sum | 0;
    this.deltaHigh = high + this.#leastHigh + (sum > 0xffff_ffff ? 1 : 0) | 0;
  }

  /** Where the bytes after the page's last miniblock begin. */
  finish(): number {
    return this.#miniblockEnd;
  }

  #openMiniblock(): void {
    this.#at = this.#miniblockEnd;
    if (this.#miniblock === this.#miniblocks) {
      this.#zigzag();
      this.#leastLow = this.#low;
      this.#leastHigh = this.#high;
      this.#widths = this.#at;
      this.#at += this.#miniblocks;
      this.#miniblock = 0;
    }
    this.#width = this.bytes[this.#widths + this.#miniblock++];
    this.#miniblockEnd = this.#at + this.#miniblockValues * this.#width / 8;
    if (!(this.#width <= 64) || this.#miniblockEnd > this.bytes.length) {
      throw malformedPage("differences that end early");
    }
    this.#left = this.#miniblockValues;
    this.#pending = this.#bits = 0;
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
