/**
 * A set of blocks of one segment: block n holds the rows [n × 8,192, (n + 1) × 8,192) of its file. A segment has at
 * most 120 blocks, so a set is four words, and costs little more than a number: a statement makes hundreds of them.
 */
import { blockRows, segmentRowsMax } from "../segment/encoder.ts";

/** Words of 32 blocks each, the first block lowest, as a set is handed to another thread. */
export const blockSetWords = 4;
const blocksMax = segmentRowsMax / blockRows;

export class BlockSet {
  #first = 0;
  #second = 0;
  #third = 0;
  #fourth = 0;

  /** @param count blocks that the segment has. @throws Error when it can have no such number */
  constructor(readonly count: number) {
    if (count < 0 || count > blocksMax) throw new Error(`a segment has no ${count} blocks`);
  }

  static all(count: number): BlockSet {
    const set = new BlockSet(count);
    set.#first = lowBits(count);
    set.#second = lowBits(count - 32);
    set.#third = lowBits(count - 64);
    set.#fourth = lowBits(count - 96);
    return set;
  }

  /** A set that `write` wrote. */
  static read(count: number, words: Uint32Array, at: number): BlockSet {
    const set = new BlockSet(count);
    set.#first = words[at] | 0;
    set.#second = words[at + 1] | 0;
    set.#third = words[at + 2] | 0;
    set.#fourth = words[at + 3] | 0;
    return set;
  }

  /** Writes its `blockSetWords` words. */
  write(words: Uint32Array, at: number): void {
    words[at] = this.#first;
    words[at + 1] = this.#second;
    words[at + 2] = this.#third;
    words[at + 3] = this.#fourth;
  }

  add(block: number): void {
    const bit = 1 << (block & 31);
    switch (block >>> 5) {
      case 0:
        this.#first |= bit;
        return;
      case 1:
        this.#second |= bit;
        return;
      case 2:
        this.#third |= bit;
        return;
      case 3:
        this.#fourth |= bit;
    }
  }

  has(block: number): boolean {
    return (this.#word(block >>> 5) & 1 << (block & 31)) !== 0;
  }

  /** Takes out what the other does not have. */
  intersect(other: BlockSet): void {
    this.#first &= other.#first;
    this.#second &= other.#second;
    this.#third &= other.#third;
    this.#fourth &= other.#fourth;
  }

  /** Takes in what the other has. */
  unite(other: BlockSet): void {
    this.#first |= other.#first;
    this.#second |= other.#second;
    this.#third |= other.#third;
    this.#fourth |= other.#fourth;
  }

  get size(): number {
    let size = 0;
    for (let word = 0; word < blockSetWords; word++) {
      for (let bits = this.#word(word); bits !== 0; bits &= bits - 1) size++;
    }
    return size;
  }

  get isEmpty(): boolean {
    return (this.#first | this.#second | this.#third | this.#fourth) === 0;
  }

  /** Ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let block = 0; block < this.count; block++) if (this.has(block)) yield block;
  }

  /** Runs of neighbouring blocks as ranges of rows of a file of `rows` rows, the end excluded; ascending. */
  rowRanges(rows: number): BlockRun[] {
    const ranges: BlockRun[] = [];
    for (const block of this) {
      const from = block * blockRows;
      const end = Math.min(from + blockRows, rows);
      const last = ranges.at(-1);
      if (last?.end === from) last.end = end;
      else ranges.push({ from, end });
    }
    const last = ranges.at(-1);
    if (last?.end === rows) last.isToEnd = true;
    return ranges;
  }

  #word(word: number): number {
    return word === 0 ? this.#first : word === 1 ? this.#second : word === 2 ? this.#third : this.#fourth;
  }
}

interface BlockRun {
  from: number;
  end: number;
  /** Whether the file has no rows behind it. */
  isToEnd?: boolean;
}

/** A word of which the lowest `count` bits are set. */
function lowBits(count: number): number {
  return count <= 0 ? 0 : count >= 32 ? -1 : (1 << count) - 1;
}
