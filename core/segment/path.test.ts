import { expect, test } from "bun:test";
import type { Clock } from "../env/clock.ts";
import { seededRandom } from "../env/random.ts";
import { isSegmentId, newSegmentId, parseSegmentPath, type SegmentName, segmentPath } from "./path.ts";

const id = "019b7c3f5e0011112222333344ff";
const name: SegmentName = {
  tenant: "acme",
  signal: "logs",
  hour: Date.UTC(2026, 0, 2, 20) / 3_600_000,
  late: false,
  nodeId: "node-1",
  level: 0,
  id,
};

test.each<[SegmentName, string]>([
  [name, `parquet/acme/2026/01/02/node-1/logs-20-L0-${id}_active.parquet`],
  [{ ...name, hour: name.hour + 4 }, `parquet/acme/2026/01/03/node-1/logs-00-L0-${id}_active.parquet`],
  [{ ...name, signal: "spans", level: 1 }, `parquet/acme/2026/01/02/node-1/spans-20-L1-${id}_active.parquet`],
  [
    { ...name, signal: "metrics", level: 2 },
    `parquet/acme/2026/01/02/node-1/metrics-20-L2-${id}_stable.parquet`,
  ],
  [{ ...name, hour: -1 }, `parquet/acme/1969/12/31/node-1/logs-23-L0-${id}_active.parquet`],
])("%j lies at %s, and its path says so", (segment, path) => {
  expect(segmentPath(segment)).toBe(path);
  expect(parseSegmentPath(path)).toEqual(segment);
});

test("a late segment lies under the day of its ingest, and its path gives the day's first hour", () => {
  const path = segmentPath({ ...name, late: true });
  expect(path).toBe(`parquet/acme/2026/01/02/node-1/logs-late-L0-${id}_active.parquet`);
  expect(parseSegmentPath(path)).toEqual({ ...name, late: true, hour: name.hour - 20 });
});

test.each([
  "",
  `parquet/acme/2026/02/30/node-1/logs-20-L0-${id}_active.parquet`,
  `parquet/acme/2026/01/02/node-1/logs-24-L0-${id}_active.parquet`,
  `parquet/acme/2026/01/02/node-1/traces-20-L0-${id}_active.parquet`,
  `parquet/acme/2026/01/02/node-1/logs-20-L0-${id}_stable.parquet`,
  `parquet/acme/2026/01/02/../logs-20-L0-${id}_active.parquet`,
  `parquet/acme/2026/01/02/node-1/logs-20-L0-${id}_active.parquet.tmp`,
  `parquet/ACME/2026/01/02/node-1/logs-20-L0-${id}_active.parquet`,
])("%j is no segment's path", (path) => {
  expect(() => parseSegmentPath(path)).toThrow("is not the path of a segment");
});

test("ids sort by the time of their making and do not repeat", () => {
  let ns = 1_767_322_800_000_000_000n;
  const clock = { nowNs: () => ns } as Clock;
  const random = seededRandom(1);
  const ids = Array.from({ length: 1_000 }, () => {
    ns += 1_000_000n;
    return newSegmentId(clock, random);
  });
  expect(ids.every(isSegmentId)).toBe(true);
  expect(ids.toSorted()).toEqual(ids);
  ns = 0n;
  expect(new Set(Array.from({ length: 1_000 }, () => newSegmentId(clock, random))).size).toBe(1_000);
});
