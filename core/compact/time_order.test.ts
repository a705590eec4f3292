import { expect, test } from "bun:test";
import { type Random, randomBelow, seededRandom } from "../env/random.ts";
import { failuresLast, timeOrder } from "./time_order.ts";

const extremes = [0n, -1n, 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n, 0xffff_ffffn, -(2n ** 32n)];

/** Times of a kind: an hour's, few distinct, any at all, already in order, and the ends of the range. */
const kinds: Record<string, (random: Random, row: number) => bigint> = {
  "of an hour": (random) =>
    1_800_000_000_000_000_000n + BigInt(random.uint32()) * 838n + BigInt(random.uint32() & 7),
  "of few values": (random) => BigInt(randomBelow(random, 5)) * 3_000_000_000n - 6_000_000_000n,
  "of all 64 bits": (random) => BigInt.asIntN(64, BigInt(random.uint32()) << 32n | BigInt(random.uint32())),
  "in order": (_, row) => BigInt(row) * 1_000_003n - 5_000_000n,
  "at the ends": (random) => extremes[randomBelow(random, extremes.length)],
};

test.each(Object.keys(kinds))("times %s are put in order, equal ones as they come", (kind) => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(seed);
    const times = BigInt64Array.from(
      { length: randomBelow(random, seed === 0 ? 1 : 3_000) },
      (_, row) => kinds[kind](random, row),
    );
    const expected = [...times.keys()].sort((a, b) =>
      times[a] < times[b] ? -1 : times[a] > times[b] ? 1 : a - b
    );
    expect([...timeOrder(new Int32Array(times.slice().buffer))]).toEqual(expected);
  }
});

test("failures stand behind all other rows, each of both as they were", () => {
  const order = Int32Array.of(4, 0, 3, 1, 2, 5);
  expect([...failuresLast(order, Uint8Array.of(1, 0, 0, 1, 0, 0))]).toEqual([4, 1, 2, 5, 0, 3]);
  expect([...failuresLast(order, new Uint8Array(6))]).toEqual([...order]);
  expect([...failuresLast(order, new Uint8Array(6).fill(1))]).toEqual([...order]);
});
