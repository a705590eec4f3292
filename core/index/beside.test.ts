import { expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../env/random.ts";
import { eachPair, greatestBeside } from "./beside.ts";
import type { TextLeaf } from "./leaf.ts";

function leafOf(count: number, textOf: number[] | undefined): TextLeaf {
  const texts = { count, offsets: new Int32Array(count + 1), bytes: new Uint8Array(0) };
  return {
    texts,
    textOf: textOf && Int32Array.from(textOf),
    isShared: textOf !== undefined,
    rowStarts: undefined,
  };
}

test.each([[7, 3], [700, 400]])(
  "of %d and %d texts each pair that stands in a row is told once, in a table and in a set",
  (left, right) => {
    const random = seededRandom(left);
    const codes = (count: number) => Array.from({ length: 3_000 }, () => randomBelow(random, count + 1) - 1);
    const ones = codes(left), others = codes(right);
    const from = 100, end = 2_900;
    const told: string[] = [];
    eachPair(
      leafOf(left, ones),
      leafOf(right, others),
      from,
      end,
      (one, other) => told.push(`${one} ${other}`),
    );
    const expected = new Set<string>();
    for (let row = from; row < end; row++) {
      if (ones[row] >= 0 && others[row] >= 0) expected.add(`${ones[row]} ${others[row]}`);
    }
    expect(told.sort()).toEqual([...expected].sort());
  },
);

test("texts that no dictionary shares are each a row's own", () => {
  const told: number[][] = [];
  eachPair(leafOf(4, undefined), leafOf(2, [1, 1, -1, 0]), 1, 4, (one, other) => told.push([one, other]));
  expect(told).toEqual([[1, 1], [3, 0]]);
});

test("the greatest number is that of the rows asked about, by their texts, those without one last", () => {
  const numbers = Int32Array.of(99, 3, -5, 7, 4, 21, 50);
  const least = -0x8000_0000;
  expect([...greatestBeside(leafOf(3, [0, 0, 1, 0, -1, -1, 0]), numbers, 1, 6)]).toEqual([7, -5, least, 21]);
});
