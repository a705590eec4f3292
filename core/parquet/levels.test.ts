import { expect, test } from "bun:test";
import { listLevels, nullableLevels, rowLevels } from "./levels.ts";

// DuckDB alone does not hold this: it takes the rows of a struct from its last field, and forgives the others.
test("values of maps inside lists know the row, the element and the entry that they belong to", () => {
  // [{a: 1, b: NULL}, {}], [], [{c: 2}]
  const elements = listLevels(rowLevels(3), Int32Array.of(0, 2, 2, 3), 3);
  expect(elements).toMatchObject({ count: 4, maxRepetition: 1, maxDefinition: 1 });
  expect([[...elements.repetition!], [...elements.definition!]]).toEqual([[0, 1, 0, 0], [1, 1, 0, 1]]);
  const entries = listLevels(elements, Int32Array.of(0, 2, 2, 3), 3);
  expect(entries).toMatchObject({ count: 5, maxRepetition: 2, maxDefinition: 2 });
  expect([[...entries.repetition!], [...entries.definition!]]).toEqual([[0, 2, 1, 0, 0], [2, 2, 1, 0, 2]]);
  const values = nullableLevels(entries, Uint8Array.of(1, 0, 1));
  expect([values.maxDefinition, [...values.definition!]]).toEqual([3, [3, 2, 1, 0, 3]]);
});

test("offsets need not begin at 0, and lists without an empty one need no definition levels", () => {
  const entries = listLevels(rowLevels(2), Int32Array.of(10, 12, 13), 2);
  expect([[...entries.repetition!], entries.definition]).toEqual([[0, 1, 0], undefined]);
  expect(nullableLevels(entries, undefined).definition).toBeUndefined();
  expect([...nullableLevels(entries, Uint8Array.of(1, 0, 1)).definition!]).toEqual([2, 1, 2]);
});
