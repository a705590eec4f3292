import { expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../env/random.ts";
import { Chunk } from "../model/chunk.ts";
import { columnIndex } from "../model/columns.ts";
import type { FixedVector } from "../model/vector.ts";
import { failuresBehind } from "./failures.ts";

test("failures of all parts stand behind all other rows, each of both in the order that it had", () => {
  const parts = failuresBehind("logs", [
    { chunk: logs([9, 17, 16, 24]), rowCount: 4 },
    { chunk: logs([21, 5, 0, 18, 9]), rows: Int32Array.of(0, 1, 3), rowCount: 3 },
  ]);
  expect(severities(parts)).toEqual([9, 16, 5, 17, 24, 21, 18]);
});

test("a part without failures, or of failures alone, is passed on as it is, so that nothing is gathered", () => {
  const others = { chunk: logs([9, 9]), rowCount: 2 }, failures = { chunk: logs([17, 20]), rowCount: 2 };
  const parts = failuresBehind("logs", [failures, others]);
  expect(parts[0]).toBe(others);
  expect(parts[1]).toBe(failures);
  const points = [{ chunk: new Chunk("metrics"), rowCount: 0 }];
  expect(failuresBehind("metrics", points)).toBe(points);
});

test("no row is lost or doubled (seed 3)", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 200; round++) {
    const parts = Array.from({ length: 1 + randomBelow(random, 3) }, () => {
      const chunk = logs(Array.from({ length: randomBelow(random, 40) }, () => randomBelow(random, 25)));
      return { chunk, rowCount: randomBelow(random, chunk.rows + 1) }; // rows may have come since
    });
    const before = severities(parts);
    const isFailure = (severity: number) => severity >= 17;
    expect(severities(failuresBehind("logs", parts))).toEqual([
      ...before.filter((each) => !isFailure(each)),
      ...before.filter(isFailure),
    ]);
  }
});

function logs(severityNumbers: readonly number[]): Chunk {
  const chunk = new Chunk("logs");
  const { words } = severityOf(chunk);
  expect(words.length).toBeGreaterThanOrEqual(severityNumbers.length);
  words.set(severityNumbers);
  chunk.rows = severityNumbers.length;
  return chunk;
}

function severities(parts: ReturnType<typeof failuresBehind>): number[] {
  return parts.flatMap(({ chunk, rows, rowCount }) =>
    Array.from({ length: rowCount }, (_, at) => severityOf(chunk).words[rows?.[at] ?? at])
  );
}

function severityOf(chunk: Chunk): FixedVector {
  return chunk.vectors[columnIndex("logs", "severity_number")] as FixedVector;
}
