/**
 * The keys of the tokens that each block of a segment has, while its index is built.
 *
 * A block's keys are sorted when the block ends, and kept in five bytes each; what puts all in order takes a small range of
 * keys at a time out of every block. A segment of a million rows has some millions of them, and a list of numbers that grows,
 * sorted as a whole, took three times the memory.
 */
import { freeBuffer } from "../model/free.ts";

/** The ascending keys of a block: the upper 32 of `keyBits`, and the lower 8. */
interface Run {
  readonly upper: Uint32Array;
  readonly lower: Uint8Array;
}

export class BlockKeys {
  /** Keys in all blocks that have ended. */
  count = 0;
  /** By block. */
  readonly #runs: Run[] = [];
  /** Of the block at hand, as they came. */
  #keys = new Float64Array(1 << 14);
  #length = 0;

  /** @param key of `keyBits` bits; two tokens of a block hardly ever have the same */
  add(key: number): void {
    if (this.#length === this.#keys.length) {
      const grown = new Float64Array(this.#length * 2);
      grown.set(this.#keys);
      freeBuffer(this.#keys);
      this.#keys = grown;
    }
    this.#keys[this.#length++] = key;
  }

  /** What comes from now on is of the next block. */
  endBlock(): void {
    const keys = this.#keys.subarray(0, this.#length).sort();
    const upper = new Uint32Array(keys.length), lower = new Uint8Array(keys.length);
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at], high = Math.floor(key / 256);
      upper[at] = high;
      lower[at] = key - high * 256;
    }
    this.#runs.push({ upper, lower });
    this.count += keys.length;
    this.#length = 0;
  }

  /**
   * All keys with their blocks, `key * 128 + block`, ascending, a range of keys at a time; a range may be empty, and is to
   * be looked at before the next one.
   * @param size of a range, a multiple of 256
   */
  *ranges(size: number): Generator<Float64Array> {
    const runs = this.#runs;
    const next = new Int32Array(runs.length);
    let entries = new Float64Array(1 << 10);
    for (let end = size / 256; end <= 2 ** 32; end += size / 256) {
      let count = 0;
      for (let block = 0; block < runs.length; block++) {
        const { upper, lower } = runs[block];
        let at = next[block];
        for (; at < upper.length && upper[at] < end; at++) {
          if (count === entries.length) {
            const grown = new Float64Array(count * 2);
            grown.set(entries);
            entries = grown;
          }
          entries[count++] = (upper[at] * 256 + lower[at]) * 128 + block;
        }
        next[block] = at;
      }
      yield entries.subarray(0, count).sort();
    }
  }
}
