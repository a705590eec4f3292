/**
 * Which blocks have a token: the body of an index file.
 *
 * Tokens are numbers of `keyBits` bits, of which the file keeps the topmost: enough that a token which a segment does
 * not have is taken for one of its own once in 2^14 = 16,384 times (0.006%). So a look-up is also the filter of the
 * whole segment. The topmost of the kept bits choose a bucket of about 128 tokens, which is read by itself:
 *
 *   u16  check: the low half of the CRC-32C of the rest
 *   varint  tokens
 *   bits, from the least significant of each byte on; for each token in ascending order
 *     its difference from the last one (from -1), less one, as Golomb-Rice: the quotient by 2^rice in ones and a
 *       zero, then the rest in `rice` bits
 *     0, and a block in 7 bits                                              when it stands in one
 *     1 0, a count less two in 4 bits, and that many blocks in 7 bits each   when in up to 17, and that is shorter
 *     1 1, and a bit a block                                                else
 *
 * A token that stands in one block takes about 24 bits. bucket.ts reads them.
 */
import { OpenWitError } from "../error.ts";
import { crc32c } from "../wal/crc32c.ts";
import type { BlockKeys } from "./block_keys.ts";
import { keyBits } from "./token.ts";

/** How an index file cut its keys. A rest has at most `riceBitsMax` bits, which are read at once. */
export interface KeyShape {
  /** Bits that are kept, the topmost of `keyBits`. */
  readonly keptBits: number;
  /** The topmost of those, which choose the bucket. */
  readonly bucketBits: number;
  readonly riceBits: number;
}

export const riceBitsMax = 23;

/** One in 2^this look-ups of an unknown token finds something. */
const falsePositiveBits = 14;
const bucketTokens = 128;
/** Buckets whose tokens are put in order at once: 64 KiB of them, which the nearest cache holds or nearly does. */
const sortedBuckets = 64;
/** Bits of a block's number. */
export const blockBits = 7;
const listMax = 17;

export interface Postings {
  readonly shape: KeyShape;
  readonly tokens: number;
  /** Bytes of each bucket. */
  readonly lengths: Uint16Array;
  readonly buckets: Uint8Array;
}

/** Encodes the postings of blocks that have all ended. */
export function encodePostings(keys: BlockKeys, blockCount: number): Postings {
  const sizeBits = Math.ceil(Math.log2(Math.max(2, keys.count)));
  const keptBits = Math.min(keyBits, sizeBits + falsePositiveBits);
  const bucketBits = Math.max(0, sizeBits - Math.log2(bucketTokens));
  const shape = {
    keptBits,
    bucketBits,
    riceBits: Math.max(0, keptBits - bucketBits - Math.log2(bucketTokens)),
  };
  const cut = 2 ** (keyBits - keptBits + blockBits);
  const bucketSize = 2 ** (keptBits - bucketBits);
  const lengths = new Uint16Array(2 ** bucketBits);
  const out = new BucketWriter(blockCount, shape.riceBits);
  let bucket = 0;
  const bucketsAtOnce = Math.min(lengths.length, sortedBuckets);
  for (const entries of keys.ranges(2 ** (keyBits - bucketBits) * bucketsAtOnce)) {
    for (let at = 0, last = bucket + bucketsAtOnce; bucket < last; bucket++) {
      out.begin();
      at = writeTokens(out, entries, at, bucket * bucketSize, (bucket + 1) * bucketSize, cut);
      lengths[bucket] = out.end();
    }
  }
  return { shape, tokens: out.tokens, lengths, buckets: out.taken() };
}

/** Writes the tokens whose kept keys are below `end`, from entry `at` on. Returns the entry after them. */
function writeTokens(
  out: BucketWriter,
  entries: Float64Array,
  at: number,
  start: number,
  end: number,
  cut: number,
): number {
  let before = start - 1;
  while (at < entries.length && entries[at] < end * cut) {
    const key = Math.floor(entries[at] / cut), keyEnd = (key + 1) * cut;
    out.beginToken(key - before - 1);
    for (; at < entries.length && entries[at] < keyEnd; at++) out.add(blockOf(entries[at]));
    out.endToken();
    before = key;
  }
  return at;
}

/** The bucket of a key, and what is left of the key there. */
export function placeOf(key: number, { keptBits, bucketBits }: KeyShape): { bucket: number; rest: number } {
  const kept = Math.floor(key / 2 ** (keyBits - keptBits));
  const bucketSize = 2 ** (keptBits - bucketBits);
  return { bucket: Math.floor(kept / bucketSize), rest: kept % bucketSize };
}

/** The remainder by 128: of numbers that are no 32-bit integers the operator takes five times as long. */
function blockOf(entry: number): number {
  return entry - Math.floor(entry / 128) * 128;
}

class BucketWriter {
  /** In all buckets. */
  tokens = 0;
  #bytes = new Uint8Array(1 << 16);
  #length = 0;
  #start = 0;
  #count = 0;
  /** Bits of the bucket at hand begin here: its count takes up to three bytes before them. */
  #bitsStart = 0;
  #pending = 0;
  #pendingBits = 0;
  readonly #blocks = new Uint8Array(128);
  #blockCountOfToken = 0;
  readonly #riceSize: number;

  constructor(readonly blockCount: number, readonly riceBits: number) {
    this.#riceSize = 2 ** riceBits;
  }

  begin(): void {
    this.#start = this.#length;
    this.#count = this.#pending = this.#pendingBits = 0;
    this.#reserve(8);
    this.#length += headBytesMax;
    this.#bitsStart = this.#length;
  }

  beginToken(difference: number): void {
    this.#reserve(64 + (difference >>> this.riceBits >>> 3));
    let quotient = Math.floor(difference / this.#riceSize);
    const rest = difference - quotient * this.#riceSize;
    if (quotient + 1 + this.riceBits <= bitsAtOnce) {
      this.#bits((1 << quotient) - 1 | rest << quotient + 1, quotient + 1 + this.riceBits);
    } else {
      for (; quotient >= 8; quotient -= 8) this.#bits(0xff, 8);
      this.#bits((1 << quotient) - 1, quotient + 1);
      this.#bits(rest, this.riceBits);
    }
    this.#blockCountOfToken = 0;
    this.#count++;
    this.tokens++;
  }

  /** Blocks of the token; the same one may come twice where two keys were cut to one. */
  add(block: number): void {
    const blocks = this.#blocks;
    let at = this.#blockCountOfToken;
    if (at === 0 || blocks[at - 1] < block) {
      blocks[this.#blockCountOfToken++] = block;
      return;
    }
    while (at > 0 && blocks[at - 1] > block) at--;
    if (at > 0 && blocks[at - 1] === block) return;
    blocks.copyWithin(at + 1, at, this.#blockCountOfToken++);
    blocks[at] = block;
  }

  endToken(): void {
    const count = this.#blockCountOfToken;
    if (count === 1) return this.#bits(this.#blocks[0] << 1, 1 + blockBits);
    if (count <= listMax && 4 + count * blockBits < this.blockCount) {
      this.#bits(1 | (count - 2) << 2, 6);
      for (let at = 0; at < count; at++) this.#bits(this.#blocks[at], blockBits);
      return;
    }
    this.#bits(3, 2);
    for (let from = 0, at = 0; from < this.blockCount; from += bitsAtOnce) {
      const end = Math.min(from + bitsAtOnce, this.blockCount);
      let bits = 0;
      for (; at < count && this.#blocks[at] < end; at++) bits |= 1 << this.#blocks[at] - from;
      this.#bits(bits, end - from);
    }
  }

  /** Bytes of the bucket. */
  end(): number {
    if (this.#count === 0) {
      this.#length = this.#start;
      return 0;
    }
    if (this.#pendingBits > 0) this.#bytes[this.#length++] = this.#pending;
    const bytes = this.#bytes;
    // The count is written last, and the bits moved up to it.
    let at = this.#start + 2;
    let count = this.#count;
    for (; count > 127; count >>>= 7) bytes[at++] = count & 127 | 128;
    bytes[at++] = count;
    bytes.copyWithin(at, this.#bitsStart, this.#length);
    this.#length -= this.#bitsStart - at;
    const check = crc32c(bytes.subarray(this.#start + 2, this.#length));
    bytes[this.#start] = check;
    bytes[this.#start + 1] = check >>> 8;
    const length = this.#length - this.#start;
    if (length > 0xffff) throw new OpenWitError("internal", `a bucket of an index has ${length} bytes`);
    return length;
  }

  taken(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** At most `bitsAtOnce`. */
  #bits(value: number, count: number): void {
    this.#pending |= value << this.#pendingBits;
    for (this.#pendingBits += count; this.#pendingBits >= 8; this.#pendingBits -= 8) {
      this.#bytes[this.#length++] = this.#pending;
      this.#pending >>>= 8;
    }
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + bytes));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** They fit a word beside the seven that may wait for a whole byte. */
const bitsAtOnce = 24;
/** Check and count. */
const headBytesMax = 5;
