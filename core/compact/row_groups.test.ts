import { expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../env/random.ts";
import { rowGroupRows } from "../segment/encoder.ts";
import { cutRowGroups, type InputGroup, planRowGroup } from "./row_groups.ts";

function groupsOf(rows: readonly number[], rowBytes = 100): InputGroup[] {
  let firstRow = 0;
  return rows.map((rows) => ({ firstRow, rows, rowBytes, next: firstRow += rows }));
}

const inOrder = (count: number) => Int32Array.from({ length: count }, (_, row) => row);

test("the parts of a row group, put in its order, are its rows", () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = seededRandom(seed);
    const groups = groupsOf(
      Array.from({ length: 1 + randomBelow(random, 9) }, () => 1 + randomBelow(random, 60)),
    );
    const last = groups[groups.length - 1];
    // Rows move by some places, as those of flushes do; and some are left out.
    const distance = randomBelow(random, 40);
    const order = inOrder(last.firstRow + last.rows)
      .map((row) => row * 1_000 + randomBelow(random, 1 + distance) * 1_000 + row % 7)
      .map((key, row) => key * 1_000 + row).sort().map((key) => key % 1_000)
      .filter(() => randomBelow(random, 5) > 0);
    const from = randomBelow(random, order.length + 1),
      to = from + randomBelow(random, order.length - from + 1);
    const plan = planRowGroup(order, from, to, groups);
    const read: number[] = [];
    for (const { group, rows } of plan.parts) {
      expect([...rows]).toEqual([...rows].sort((a, b) => a - b));
      for (const row of rows) {
        expect(row).toBeLessThan(groups[group].rows);
        read.push(groups[group].firstRow + row);
      }
    }
    const made = plan.order === undefined ? read : [...plan.order].map((at) => read[at]);
    expect(made).toEqual([...order.subarray(from, to)]);
    expect(new Set(plan.parts.map(({ group }) => group)).size).toBe(plan.parts.length);
  }
});

test("row groups are two blocks, and fewer rows where they are large", () => {
  const rows = [20_000, 20_000];
  expect(cutRowGroups(inOrder(40_000), groupsOf(rows)).ends).toEqual([16_384, 32_768, 40_000]);
  expect(cutRowGroups(inOrder(40_000), groupsOf(rows, 4_096)).ends[0]).toBe(4_096);
  expect(cutRowGroups(inOrder(2), groupsOf([2], 2 ** 30)).ends).toEqual([1, 2]);
  expect(cutRowGroups(new Int32Array(0), groupsOf([5])).ends).toEqual([]);
});

test("it is known before how often row groups are read", () => {
  const groups = groupsOf(Array.from({ length: 10 }, () => rowGroupRows));
  expect(cutRowGroups(inOrder(10 * rowGroupRows), groups).reads).toBe(10);
  // Each row group of the output takes a tenth of each of the inputs'.
  const shuffled = inOrder(10 * rowGroupRows).map((at) => at % 10 * rowGroupRows + Math.floor(at / 10));
  expect(cutRowGroups(shuffled, groups).reads).toBe(100);
});
