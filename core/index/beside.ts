/**
 * What stands beside a text in its rows. Texts are the numbers that they have in their leaf, so that no text is
 * touched a row; of a dictionary there are few.
 */
import type { TextLeaf } from "./leaf.ts";

/** For each text the greatest number in its rows, and last that in rows without one; the least there is where none is. */
export function greatestBeside(
  { texts, textOf }: TextLeaf,
  numbers: Int32Array,
  from: number,
  end: number,
): Int32Array {
  const greatest = new Int32Array(texts.count + 1).fill(-0x8000_0000);
  for (let row = from; row < end; row++) {
    const text = textOf === undefined ? row : textOf[row];
    const place = text < 0 ? texts.count : text;
    if (numbers[row] > greatest[place]) greatest[place] = numbers[row];
  }
  return greatest;
}

/** Calls back once for each two texts of two leaves that stand in one row. */
export function eachPair(
  left: TextLeaf,
  right: TextLeaf,
  from: number,
  end: number,
  each: (left: number, right: number) => void,
): void {
  const { count } = right.texts;
  const isSmall = left.texts.count * count <= pairsMax;
  const table = isSmall ? new Uint8Array(left.texts.count * count) : undefined;
  const set = new Set<number>();
  let before = -1;
  for (let row = from; row < end; row++) {
    const one = left.textOf === undefined ? row : left.textOf[row];
    const other = right.textOf === undefined ? row : right.textOf[row];
    if (one < 0 || other < 0) continue;
    const pair = one * count + other;
    if (pair === before) continue;
    before = pair;
    if (table !== undefined) {
      if (table[pair] !== 0) continue;
      table[pair] = 1;
    } else {
      if (set.has(pair)) continue;
      set.add(pair);
    }
    each(one, other);
  }
}

/** A table of more pairs would take more memory than a set of those that there are. */
const pairsMax = 1 << 18;
