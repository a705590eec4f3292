import { expect, test } from "bun:test";
import { coverageJson, coverageOf, coverageWarnings, joinCoverage, type MissingSegment } from "./coverage.ts";
import type { TableSource } from "./sources.ts";

const second = 1_000_000_000n;
const file = (from: bigint, to: bigint) => ({
  path: `${from}.parquet`,
  minTimeNs: from * second,
  maxTimeNs: to * second,
  rows: 10,
  bytes: 100,
});
const missing = (id: string, signal: "logs" | "spans", from: bigint, to: bigint): MissingSegment => ({
  ...file(from, to),
  id,
  signal,
  why: `${id} is cut short`,
});
const logs: TableSource = {
  signal: "logs",
  files: [file(10n, 20n), file(5n, 9n), file(30n, 40n)],
  chunks: [],
};

test("an answer covers from its oldest segment on, and says which segment is missing", () => {
  const coverage = coverageOf([logs], {}, [missing("a", "logs", 1n, 2n), missing("b", "spans", 1n, 2n)]);
  expect(coverage).toMatchObject({ sinceNs: 5n * second, untilNs: undefined, segments: 3 });
  expect(coverageWarnings(coverage)).toEqual(["a segment is missing from this answer: a is cut short"]);
  expect(coverageJson(coverage, "rows")).toMatchObject({
    since: "1970-01-01T00:00:05.000000000Z",
    until: null,
    tiers: { memory: { rows: 0 }, hot: { segments: 3 } },
    missing: [{ segment: "a", signal: "logs", rows: 10 }],
    limited: "rows",
  });
});

test("what lies outside of the window takes nothing from the answer", () => {
  const coverage = coverageOf([logs], { minNs: 25n * second, maxNs: 50n * second }, [
    missing("a", "logs", 1n, 2n),
  ]);
  expect(coverage).toMatchObject({ sinceNs: 25n * second, untilNs: 50n * second, segments: 1, missing: [] });
});

test("two statements of one answer cover what both could see, and a segment is missing once", () => {
  const parts = [
    coverageOf([logs], { minNs: 8n * second }, [missing("a", "logs", 9n, 9n)]),
    coverageOf([logs], { minNs: 6n * second, maxNs: 50n * second }, [missing("a", "logs", 9n, 9n)]),
  ];
  expect(joinCoverage(parts)).toMatchObject({ sinceNs: 6n * second, untilNs: undefined, segments: 3 });
  expect(joinCoverage(parts).missing.map(({ id }) => id)).toEqual(["a"]);
});
