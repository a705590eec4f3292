import { describe, expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../env/random.ts";
import { Chunk } from "../model/chunk.ts";
import { columnIndex } from "../model/columns.ts";
import type { FixedVector } from "../model/vector.ts";
import type { SegmentPart } from "./encoder.ts";
import { type HourGroup, hourOfWords, hoursPerFlushMax, splitByHour } from "./hours.ts";

const hourNs = 3_600_000_000_000n;
/** 2026-01-02T03:00:00Z in hours since 1970. */
const h = 490_923;

describe("each row goes to its event hour, or to the late lane", () => {
  const at = (hour: number, ns = 0n) => BigInt(hour) * hourNs + ns;
  const cases: [string, { time: bigint; ingest: bigint }, string][] = [
    ["the first nanosecond of an hour", { time: at(h), ingest: at(h) }, `${h}`],
    ["the last nanosecond of an hour", { time: at(h, hourNs - 1n), ingest: at(h) }, `${h}`],
    ["one nanosecond before an hour", { time: at(h, -1n), ingest: at(h) }, `${h - 1}`],
    ["48 hours before", { time: at(h - 48), ingest: at(h) }, `${h - 48}`],
    ["49 hours before", { time: at(h - 49), ingest: at(h) }, `late ${h}`],
    ["a clock one hour ahead", { time: at(h + 1), ingest: at(h) }, `${h + 1}`],
    ["a clock two hours ahead", { time: at(h + 2), ingest: at(h) }, `late ${h}`],
    ["a sender at 1970", { time: 5n, ingest: at(h) }, `late ${h}`],
    ["a box at 1970", { time: 5n, ingest: 7n }, "0"],
    ["a box at 1970, a sender just before", { time: -1n, ingest: 7n }, "-1"],
    ["the least time that there is", { time: -(2n ** 63n), ingest: at(h) }, `late ${h}`],
    ["the largest time that there is", { time: 2n ** 63n - 1n, ingest: at(h) }, `late ${h}`],
    ["both at the largest", { time: 2n ** 63n - 1n, ingest: 2n ** 63n - 1n }, "2562047"],
    ["both at the least", { time: -(2n ** 63n), ingest: -(2n ** 63n) }, "-2562048"],
  ];
  test.each(cases)("%s", (_, row, expected) => {
    const [group, ...others] = splitByHour("logs", [part([row])]);
    expect(others).toEqual([]);
    expect(group.late ? `late ${group.hour}` : `${group.hour}`).toBe(expected);
    expect(group.minTimeNs).toBe(row.time);
    expect(group.maxTimeNs).toBe(row.time);
    expect([group.minIngestNs, group.maxIngestNs]).toEqual([row.ingest, row.ingest]);
  });
});

test("the hour of a time is exact around every border of an hour (seed 1)", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 20_000; round++) {
    const hour = BigInt(randomBelow(random, 5_124_094) - 2_562_047);
    const time = hour * hourNs + BigInt(randomBelow(random, 5) - 2);
    if (BigInt.asIntN(64, time) !== time) continue;
    const floor = time / hourNs - (time % hourNs < 0n ? 1n : 0n);
    const words = [Number(BigInt.asIntN(32, time)), Number(BigInt.asIntN(32, time >> 32n))];
    expect(hourOfWords(words[0], words[1])).toBe(Number(floor));
  }
});

test("a part of one hour is passed on as it is, so that nothing is gathered", () => {
  const only = part([0n, 1n, 2n].map((ns) => onTime(h, ns)));
  expect(splitByHour("logs", [only])[0].parts).toEqual([only]);
  expect(splitByHour("logs", [only])[0].parts[0]).toBe(only);
});

test("rows keep their order of arrival within an hour, over several parts", () => {
  const one = part([onTime(h, 3n), onTime(h + 1, 0n), onTime(h, 1n)]);
  const two = part([onTime(h, 2n), onTime(h, 0n)]);
  const groups = splitByHour("logs", [one, two]);
  expect(groups.map(described)).toEqual([
    { hour: h, late: false, rows: 4, parts: [[0, 2], "all"] },
    { hour: h + 1, late: false, rows: 1, parts: [[1]] },
  ]);
  expect(groups[0].minTimeNs).toBe(BigInt(h) * hourNs);
  expect(groups[0].maxTimeNs).toBe(BigInt(h) * hourNs + 3n);
});

test("a part that is itself a list of rows is split by that list", () => {
  const { chunk } = part([onTime(h, 0n), onTime(h + 1, 0n), onTime(h, 0n), onTime(h + 1, 1n)]);
  const groups = splitByHour("logs", [{ chunk, rows: Int32Array.of(3, 2, 1), rowCount: 3 }]);
  expect(groups.map(described)).toEqual([
    { hour: h, late: false, rows: 1, parts: [[2]] },
    { hour: h + 1, late: false, rows: 2, parts: [[3, 1]] },
  ]);
});

test("rows beyond the row count are not taken: their requests are not durable yet", () => {
  const { chunk } = part([onTime(h, 0n), onTime(h, 1n), onTime(h + 1, 0n)]);
  expect(splitByHour("logs", [{ chunk, rowCount: 2 }]).map(described)).toEqual([
    { hour: h, late: false, rows: 2, parts: ["all"] },
  ]);
});

test("of more than 24 hours the smallest go to the late lane", () => {
  const rows = Array.from(
    { length: 40 },
    (_, hour) => Array.from({ length: hour < 16 ? 1 : 2 }, () => onTime(h - hour, 0n, h)),
  );
  const groups = splitByHour("spans", [part(rows.flat(), "spans")]);
  expect(groups.length).toBe(hoursPerFlushMax + 1);
  expect(groups.slice(0, -1).map(({ hour }) => hour)).toEqual(
    Array.from({ length: 24 }, (_, at) => h - 39 + at),
  );
  expect(groups.at(-1)).toMatchObject({ late: true, hour: h, rows: 16 });
});

test("an hour with more rows than a segment holds becomes several segments", () => {
  const parts = [
    part(Array.from({ length: 7 }, (_, ns) => onTime(h, BigInt(ns)))),
    part([onTime(h, 7n), onTime(h, 8n)]),
  ];
  const groups = splitByHour("logs", parts, 4);
  expect(groups.map(described)).toEqual([
    { hour: h, late: false, rows: 4, parts: [[0, 1, 2, 3]] },
    { hour: h, late: false, rows: 4, parts: [[4, 5, 6], [0]] },
    { hour: h, late: false, rows: 1, parts: [[1]] },
  ]);
  expect(groups.map(({ minTimeNs }) => minTimeNs - BigInt(h) * hourNs)).toEqual([0n, 4n, 8n]);
});

test("every row is in exactly one group (seed 2)", () => {
  const random = seededRandom(2);
  const parts = Array.from(
    { length: 5 },
    () =>
      part(
        Array.from(
          { length: randomBelow(random, 400) },
          () => onTime(h + randomBelow(random, 70) - 60, 0n, h),
        ),
      ),
  );
  const seen = new Set<string>();
  for (const group of splitByHour("logs", parts, 50)) {
    expect(group.rows).toBeLessThanOrEqual(50);
    for (const { chunk, rows, rowCount } of group.parts) {
      const index = parts.findIndex((each) => each.chunk === chunk);
      for (const row of rows ?? Array.from({ length: rowCount }, (_, at) => at)) {
        expect(seen.has(`${index}/${row}`)).toBe(false);
        seen.add(`${index}/${row}`);
      }
    }
  }
  expect(seen.size).toBe(parts.reduce((sum, { rowCount }) => sum + rowCount, 0));
});

test("no rows make no groups", () => {
  expect(splitByHour("logs", [])).toEqual([]);
  expect(splitByHour("logs", [part([])])).toEqual([]);
});

interface Row {
  readonly time: bigint;
  readonly ingest: bigint;
}

function onTime(hour: number, ns: bigint, ingestHour = hour): Row {
  return { time: BigInt(hour) * hourNs + ns, ingest: BigInt(ingestHour) * hourNs };
}

function part(rows: readonly Row[], signal: "logs" | "spans" = "logs"): SegmentPart {
  const chunk = new Chunk(signal);
  const time = chunk
    .vectors[columnIndex(signal, signal === "logs" ? "timestamp" : "start_timestamp")] as FixedVector;
  const ingest = chunk.vectors[columnIndex(signal, "ingest_timestamp")] as FixedVector;
  for (const row of rows) {
    time.pushBigint(row.time);
    ingest.pushBigint(row.ingest);
    chunk.rows++;
  }
  return { chunk, rowCount: rows.length };
}

function described({ hour, late, rows, parts }: HourGroup) {
  return { hour, late, rows, parts: parts.map((part) => part.rows === undefined ? "all" : [...part.rows]) };
}
