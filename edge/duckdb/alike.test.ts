import { expect, test } from "bun:test";
import type { FileRead, RowRange } from "../../core/query/engine.ts";
import { alikeReads } from "./alike.ts";

const block = 8_192;

function blockRange(from: number, count = 1): RowRange {
  return { from: from * block, end: (from + count) * block };
}

/** `file:from-end` of each range that is read, sorted. */
function rangesRead(reads: ReturnType<typeof alikeReads>): string[] {
  return reads.flatMap(({ files, rows }) =>
    files.flatMap((file) => (rows ?? []).map(({ from, end }) => `${file}:${from}-${end}`))
  ).sort();
}

function rangesOf(files: readonly FileRead[]): string[] {
  return files.flatMap(({ rows }, file) => rows!.map(({ from, end }) => `${file}:${from}-${end}`)).sort();
}

test("files of which the same rows are read stand in one list, those of other times known apart", () => {
  const rows = [blockRange(1), blockRange(4, 2)];
  expect(alikeReads([
    { path: "a", rows },
    { path: "b" },
    { path: "c", rows: [blockRange(1), blockRange(4, 2)] },
    { path: "d", rows, isInWindow: true },
    { path: "e", rows, isInWindow: true, timeNs: 5n },
    { path: "f" },
    { path: "g", rows, isInWindow: true, timeNs: 6n },
    { path: "h", rows: [blockRange(1)] },
  ])).toEqual([
    { files: [0, 2], rows },
    { files: [1, 5], rows: undefined },
    { files: [3], rows },
    { files: [4, 6], rows },
    { files: [7], rows: [blockRange(1)] },
  ]);
});

test("the end of a file is the same wherever it is", () => {
  const reads = [130_000, 131_000].map((end): FileRead => ({
    path: String(end),
    rows: [{ from: 15 * block, end, isToEnd: true }],
  }));
  expect(alikeReads(reads)).toEqual([{ files: [0, 1], rows: reads[0].rows }]);
  const [whole, cut] = [blockRange(15), { ...blockRange(15), isToEnd: true }];
  expect(alikeReads([{ path: "a", rows: [whole] }, { path: "b", rows: [cut] }])).toHaveLength(2);
});

test("many combinations of blocks are read by range: no more lists than there are ranges, and each row once", () => {
  const files = Array.from({ length: 700 }, (_, at): FileRead => ({
    path: String(at),
    rows: [0, 5, 10].map((from, part) => blockRange(from + Math.floor(at / 5 ** part) % 5)),
  }));
  const reads = alikeReads(files);
  expect(reads.length).toBe(15);
  expect(rangesRead(reads)).toEqual(rangesOf(files));
});

test("single rows of a file stay together, and what would not get less stays as it is", () => {
  const files = Array.from({ length: 100 }, (_, at): FileRead => ({
    path: String(at),
    rows: [at, at + 200, at + 400].map((from) => ({ from, end: from + 1 })),
  }));
  expect(alikeReads(files)).toEqual(files.map(({ rows }, at) => ({ files: [at], rows })));
  const mixed = files.map(({ path, rows }): FileRead => ({
    path,
    rows: [...rows!, blockRange(3), blockRange(7)],
  }));
  expect(alikeReads(mixed)).toHaveLength(100);
});
