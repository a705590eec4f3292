/**
 * Reads the buckets of an index file (postings.ts has the format), where they lie in a buffer: a look-up in hundreds
 * of files makes no object for a file that does not have the token.
 */
import { OpenWitError } from "../error.ts";
import { crc32c } from "../wal/crc32c.ts";
import { BlockSet } from "./blocks.ts";
import { blockBits, type KeyShape } from "./postings.ts";

/** A length of a bucket is a u16. */
export const bucketBytesMax = 0xffff;

/**
 * Looks for a token in its bucket.
 * @param length bytes of the bucket, from the first of `bytes` on; what follows them does not matter
 * @param wanted what is left of the token's key there
 * @returns its blocks; `undefined` when the segment does not have it
 * @throws OpenWitError `corrupt`
 */
export function findInBucket(
  bytes: Uint8Array,
  length: number,
  wanted: number,
  { riceBits }: KeyShape,
  blockCount: number,
): BlockSet | undefined {
  if (length === 0) return undefined;
  const riceSize = 2 ** riceBits, riceMask = riceSize - 1, endBit = length * 8;
  const head = headOf(bytes, length);
  let bit = head % headSize * 8, rest = -1;
  for (let left = Math.floor(head / headSize); left > 0; left--) {
    let quotient = 0, word = bitsAt(bytes, bit);
    let ones = leadingOnes(word);
    for (; ones >= bitsAtOnce; ones = leadingOnes(word)) {
      quotient += bitsAtOnce;
      bit += bitsAtOnce;
      if (bit > endBit) throw endsEarly();
      word = bitsAt(bytes, bit);
    }
    quotient += ones;
    let taken = ones + 1;
    if (taken + riceBits + flagBits > bitsAtOnce) {
      bit += taken;
      taken = 0;
      word = bitsAt(bytes, bit);
    }
    word >>>= taken;
    rest += quotient * riceSize + (word & riceMask) + 1;
    bit += taken + riceBits;
    if (bit >= endBit) throw endsEarly();
    if (rest > wanted) return undefined;
    if (rest === wanted) return new BitReader(bytes, length, bit).blocks(blockCount);
    const flags = word >>> riceBits;
    if ((flags & 1) === 0) bit += 1 + blockBits;
    else if ((flags & 2) === 0) bit += 6 + ((bitsAt(bytes, bit) >>> 2 & 15) + 2) * blockBits;
    else bit += flagBits + blockCount;
    if (bit > endBit) throw endsEarly();
  }
  return undefined;
}

/** So many bits are read at once, the next one lowest. */
const bitsAtOnce = 25;
/** They say how the blocks of a token are written. */
const flagBits = 2;

/** `bitsAtOnce` bits, or more, from a place on. */
function bitsAt(bytes: Uint8Array, bit: number): number {
  const at = bit >>> 3;
  return (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24) >>> (bit & 7);
}

/** From the lowest bit on. */
function leadingOnes(word: number): number {
  const zeros = ~word;
  return zeros === 0 ? 32 : 31 - Math.clz32(zeros & -zeros);
}

/** Reads a bucket to its end; for checking. @returns its tokens. @throws OpenWitError `corrupt` */
export function checkBucket(bytes: Uint8Array, { riceBits }: KeyShape, blockCount: number): number {
  if (bytes.length === 0) return 0;
  const head = headOf(bytes, bytes.length);
  const reader = new BitReader(bytes, bytes.length, head % headSize * 8);
  const count = Math.floor(head / headSize);
  for (let left = count; left > 0; left--) {
    reader.difference(riceBits);
    reader.blocks(blockCount);
  }
  return count;
}

/** Checks a bucket's bytes. @returns its tokens times `headSize`, and where their bits begin */
function headOf(bytes: Uint8Array, length: number): number {
  if ((bytes[0] | bytes[1] << 8) !== (crc32c(bytes.subarray(2, length)) & 0xffff)) {
    throw corrupt("a bucket's check does not fit its bytes");
  }
  let count = 0, at = 2;
  for (let shift = 0;; shift += 7) {
    if (at >= length || shift > 14) throw corrupt("a bucket's count does not end");
    const byte = bytes[at++];
    count |= (byte & 127) << shift;
    if (byte < 128) return count * headSize + at;
  }
}

/** A check and a count take fewer bytes. */
const headSize = 8;

class BitReader {
  #at: number;
  #pending = 0;
  #bits = 0;

  /** @param bit where it begins */
  constructor(readonly bytes: Uint8Array, readonly length: number, bit: number) {
    this.#at = bit >>> 3;
    if ((bit & 7) !== 0) this.#take(bit & 7);
  }

  difference(riceBits: number): number {
    let quotient = 0;
    while (this.#take(1) === 1) quotient++;
    return quotient * 2 ** riceBits + this.#take(riceBits);
  }

  blocks(blockCount: number): BlockSet {
    const blocks = new BlockSet(blockCount);
    const add = (block: number) => {
      if (block >= blockCount) throw corrupt(`block ${block} of ${blockCount}`);
      blocks.add(block);
    };
    const isOne = this.#take(1) === 0;
    if (isOne) {
      add(this.#take(blockBits));
      return blocks;
    }
    const isList = this.#take(1) === 0;
    if (isList) {
      for (let left = this.#take(4) + 2; left > 0; left--) add(this.#take(blockBits));
      return blocks;
    }
    for (let block = 0; block < blockCount; block++) if (this.#take(1) === 1) add(block);
    return blocks;
  }

  #take(count: number): number {
    while (this.#bits < count) {
      if (this.#at >= this.length) throw endsEarly();
      this.#pending |= this.bytes[this.#at++] << this.#bits;
      this.#bits += 8;
    }
    const value = this.#pending & (1 << count) - 1;
    this.#pending >>>= count;
    this.#bits -= count;
    return value;
  }
}

function endsEarly(): OpenWitError {
  return corrupt("a bucket ends early");
}

function corrupt(what: string): OpenWitError {
  return new OpenWitError("corrupt", `cannot read an index: ${what}`);
}
