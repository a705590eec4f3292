import { expect, test } from "bun:test";
import type { FoundPlaces } from "../parquet/read/found.ts";
import type { OwnConditions } from "./needs.ts";
import type { PreparedMention } from "./prepare.ts";
import { type FindEnv, pageRowsMax, RowFinder } from "./row_finder.ts";
import type { FindRowsRequest } from "./row_reader.ts";

const nothing: FoundPlaces = {
  files: new Int32Array(0),
  rows: new Int32Array(0),
  times: new BigInt64Array(0),
};

/** A finder of log records without a condition, and what its reader is asked. */
function finder() {
  const asked: FindRowsRequest[] = [];
  const find = (request: FindRowsRequest) => {
    asked.push(request);
    return Promise.resolve(nothing);
  };
  const prepared = { mention: { signal: "logs", conditions: [] } } as unknown as PreparedMention;
  const own: OwnConditions = { conditions: [], isWhole: true, columns: new Set() };
  return { finder: new RowFinder(prepared, own, true, { rowReader: { find } } as unknown as FindEnv), asked };
}

test("as many rows as their numbers fit in memory are looked through on pages, more are left to the engine", async () => {
  const half = pageRowsMax / 2;
  const { finder: rows, asked } = finder();
  const some = { path: "a", rows: [{ from: 10, end: 10 + half }] }, whole = { path: "b" };
  const find = (wholeRows: number) =>
    rows.findOnPages({ files: [some, whole], chunks: [] }, 100, () => wholeRows);
  expect(await find(half)).toEqual([]);
  expect(asked.map(({ files }) => files)).toEqual([
    [{ path: "a", ranges: some.rows }, { path: "b", ranges: [{ from: 0, end: half }] }],
  ]);
  expect(await find(half + 1)).toBeUndefined();
  expect(asked.length).toBe(1);
});
