import { expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../../env/random.ts";
import { FoundSink } from "./found.ts";

/** Adds rows with these times, some at once. */
function fill(sink: FoundSink, times: readonly number[]): void {
  for (let at = 0; at < times.length; at += 700) {
    const own = times.slice(at, at + 700);
    const words = new Int32Array(BigInt64Array.from(own, BigInt).buffer);
    sink.add(at / 700, Int32Array.from(own, (_, row) => row), 10, words);
  }
}

test("the first rows by time are kept, in its order, however many gather", () => {
  const random = seededRandom(3);
  const times = Array.from({ length: 150_000 }, () => randomBelow(random, 1_000) - 500);
  for (const isDescending of [true, false]) {
    const sink = new FoundSink(900, isDescending);
    fill(sink, times);
    const { files, rows, times: kept } = sink.finish();
    const sorted = times.toSorted((left, right) => isDescending ? right - left : left - right);
    expect([...kept].map(Number)).toEqual(sorted.slice(0, 900));
    expect([...kept].every((time, at) => times[files[at] * 700 + rows[at] - 10] === Number(time))).toBe(true);
    expect(new Set([...files].map((file, at) => `${file} ${rows[at]}`)).size).toBe(900);
  }
});

test("without an order any rows are kept, and it is full when there are as many as are wanted", () => {
  const sink = new FoundSink(1_000, undefined);
  fill(sink, Array.from({ length: 700 }, (_, at) => at));
  expect(sink.isFull).toBe(false);
  fill(sink, Array.from({ length: 700 }, (_, at) => at));
  expect(sink.isFull).toBe(true);
  expect(sink.finish().rows.length).toBe(1_000);
});
