/**
 * A set of blocks of one segment: block n holds the rows [n × 8,192, (n + 1) × 8,192) of its file. A segment has at
 * most 120 blocks, so a set is four words.
 */
import { blockRows, segmentRowsMax } from "../segment/encoder.ts";

const words = 4;
const blocksMax = segmentRowsMax / blockRows;

export class BlockSet {
  readonly #bits = new Uint32Array(words);

  /** @param count blocks that the segment has. @throws Error when it can have no such number */
  constructor(readonly count: number) {
    if (count < 0 || count > blocksMax) throw new Error(`a segment has no ${count} blocks`);
  }

  static all(count: number): BlockSet {
    const set = new BlockSet(count);
    for (let block = 0; block < count; block++) set.add(block);
    return set;
  }

  /** A set from another's `words`. */
  static from(count: number, words: Uint32Array): BlockSet {
    const set = new BlockSet(count);
    set.#bits.set(words);
    return set;
  }

  /** Its bits, 32 blocks a word, the first block lowest. */
  get words(): Uint32Array {
    return this.#bits;
  }

  add(block: number): void {
    this.#bits[block >>> 5] |= 1 << (block & 31);
  }

  has(block: number): boolean {
    return (this.#bits[block >>> 5] & 1 << (block & 31)) !== 0;
  }

  /** Takes out what the other does not have. */
  intersect(other: BlockSet): void {
    for (let word = 0; word < words; word++) this.#bits[word] &= other.#bits[word];
  }

  /** Takes in what the other has. */
  unite(other: BlockSet): void {
    for (let word = 0; word < words; word++) this.#bits[word] |= other.#bits[word];
  }

  get size(): number {
    let size = 0;
    for (const word of this.#bits) for (let bits = word; bits !== 0; bits &= bits - 1) size++;
    return size;
  }

  get isEmpty(): boolean {
    return this.#bits.every((word) => word === 0);
  }

  /** Ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let block = 0; block < this.count; block++) if (this.has(block)) yield block;
  }

  /** Runs of neighbouring blocks as ranges of rows of a file of `rows` rows, the end excluded; ascending. */
  rowRanges(rows: number): { from: number; end: number }[] {
    const ranges: { from: number; end: number }[] = [];
    for (const block of this) {
      const from = block * blockRows;
      const end = Math.min(from + blockRows, rows);
      const last = ranges.at(-1);
      if (last?.end === from) last.end = end;
      else ranges.push({ from, end });
    }
    return ranges;
  }
}
