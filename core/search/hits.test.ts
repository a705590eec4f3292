import { expect, test } from "bun:test";
import { bucketCount, chooseStep, fillHits, type HitsRequest } from "./hits.ts";

const ms = 1_000_000n, second = 1_000n * ms, minute = 60n * second, hour = 60n * minute, day = 24n * hour;

test.each([
  [15n * minute, 60, 15n * second],
  [hour, 60, minute],
  [6n * hour, 60, 10n * minute],
  [day, 60, 30n * minute],
  [7n * day, 60, 3n * hour],
  [90n * day, 60, 2n * day],
  [second, 60, 20n * ms],
  [ms, 60, ms],
  [day, 1, day],
  [3_650n * day, 60, 90n * day],
  [36_500n * day, 3, 34n * 365n * day],
])("%d ns in at most %d buckets take a step of %d ns", (range, buckets, step) => {
  expect(chooseStep(range, buckets)).toBe(step);
  expect(bucketCount(0n, range, step)).toBeLessThanOrEqual(BigInt(buckets));
});

test("a bucket that is touched counts, before 1970 too", () => {
  expect(bucketCount(0n, 60n, 10n)).toBe(6n);
  expect(bucketCount(1n, 61n, 10n)).toBe(7n);
  expect(bucketCount(5n, 6n, 10n)).toBe(1n);
  expect(bucketCount(-5n, 5n, 10n)).toBe(2n);
  expect(bucketCount(-20n, -10n, 10n)).toBe(1n);
});

test("what has no group of its own is in the rest, and nothing is lost", () => {
  const request: HitsRequest = {
    filter: { services: [], fields: [] },
    sinceNs: 0n,
    untilNs: 30n,
    stepNs: 10n,
    by: "service",
    groups: 2,
  };
  const rows = [["a", 0, 5], ["b", 0, 1], ["c", 2, 3], [null, 1, 9], ["b", 2, 1]].map((
    [value, bucket, hits],
  ) => ({
    value,
    bucket: String(bucket),
    hits: String(hits),
  }));
  const { groups, total, times } = fillHits(request, rows);
  expect([total, times.length]).toEqual([19, 3]);
  expect(groups).toEqual([
    { value: null, isRest: false, total: 9, counts: [0, 9, 0] },
    { value: "a", isRest: false, total: 5, counts: [5, 0, 0] },
    { value: null, isRest: true, total: 5, counts: [1, 0, 4] },
  ]);
});

test("without a record there are buckets and no groups", () => {
  const request = { filter: { services: [], fields: [] }, sinceNs: 0n, untilNs: 20n, stepNs: 10n, groups: 2 };
  expect(fillHits(request, [])).toEqual({
    times: ["1970-01-01T00:00:00.000000000Z", "1970-01-01T00:00:00.000000010Z"],
    total: 0,
    groups: [],
  });
});
