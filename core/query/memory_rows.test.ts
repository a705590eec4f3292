import { expect, test } from "bun:test";
import { Chunk } from "../model/chunk.ts";
import { columnIndex, timeColumnOf } from "../model/columns.ts";
import type { FixedVector } from "../model/vector.ts";
import { seesNewest } from "./memory_rows.ts";

test("a range sees the newest row when it has the time of the last one that readers see", () => {
  const chunk = new Chunk("logs");
  const times = chunk.vectors[columnIndex("logs", timeColumnOf.logs)] as FixedVector;
  for (const timeNs of [10n, 30n, 20n, 99n]) times.pushBigint(timeNs);
  const chunks = [{ chunk, rows: 3 }, { chunk, rows: 0 }]; // the fourth is not durable yet
  const sees = (minNs?: bigint, maxNs?: bigint) =>
    seesNewest(chunks, { ...minNs === undefined ? {} : { minNs }, ...maxNs === undefined ? {} : { maxNs } });
  expect([sees(), sees(20n), sees(undefined, 20n), sees(15n, 25n)]).toEqual([true, true, true, true]);
  expect([sees(21n), sees(undefined, 19n), sees(90n, 100n)]).toEqual([false, false, false]);
  expect(seesNewest([], {})).toBe(false);
});
