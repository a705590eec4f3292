import { expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../env/random.ts";
import { OpenWitError } from "../error.ts";
import { BlockKeys } from "./block_keys.ts";
import { BlockSet } from "./blocks.ts";
import { checkBucket, findInBucket } from "./bucket.ts";
import { encodePostings, placeOf, type Postings } from "./postings.ts";

const keyMax = 2 ** 40;

/** @param entries `key * 128 + block` */
function keysOf(entries: Iterable<number>, blockCount: number): BlockKeys {
  const blocks = Array.from({ length: blockCount }, (): number[] => []);
  for (const entry of entries) blocks[entry % 128].push(Math.floor(entry / 128));
  const keys = new BlockKeys();
  for (const block of blocks) {
    for (const key of block) keys.add(key);
    keys.endBlock();
  }
  return keys;
}

function find(postings: Postings, key: number, blockCount: number): BlockSet | undefined {
  const { bucket, rest } = placeOf(key, postings.shape);
  let from = 0;
  for (let before = 0; before < bucket; before++) from += postings.lengths[before];
  const bytes = postings.buckets.subarray(from, from + postings.lengths[bucket]);
  return findInBucket(bytes, bytes.length, rest, postings.shape, blockCount);
}

test.each([[0, 1], [1, 1], [7, 3], [1_000, 120], [60_000, 120], [5_000, 19]])(
  "%d tokens in %d blocks are found where they are, and others hardly ever",
  (tokens, blockCount) => {
    const random = seededRandom(tokens + blockCount);
    const key = () => (random.uint32() % 2 ** 20) * 2 ** 20 + random.uint32() % 2 ** 20;
    const expected = new Map<number, Set<number>>();
    for (let token = 0; token < tokens; token++) {
      const count = random.uint32() % 3 > 0 ? 1 : 1 + randomBelow(random, blockCount);
      expected.set(key(), new Set(Array.from({ length: count }, () => randomBelow(random, blockCount))));
    }
    expected.set(0, new Set([0])).set(keyMax - 1, new Set([blockCount - 1]));
    const entries = [...expected].flatMap(([key, blocks]) => [...blocks].map((block) => key * 128 + block));
    const postings = encodePostings(keysOf(entries, blockCount), blockCount);
    for (const [key, blocks] of expected) {
      const found = find(postings, key, blockCount)!;
      for (const block of blocks) expect(found.has(block)).toBe(true);
    }
    let at = 0, counted = 0;
    for (const length of postings.lengths) {
      counted += checkBucket(postings.buckets.subarray(at, at += length), postings.shape, blockCount);
    }
    expect(counted).toBe(postings.tokens);
    let falsePositives = 0;
    for (let round = 0; round < 40_000; round++) {
      const unknown = key();
      if (!expected.has(unknown) && find(postings, unknown, blockCount) !== undefined) falsePositives++;
    }
    expect(falsePositives).toBeLessThan(20); // 40,000 / 16,384 are expected at most
  },
);

test("keys come in order, by ranges that hold all of them", () => {
  const random = seededRandom(5);
  const entries = Array.from({ length: 50_000 }, () => {
    const key = (random.uint32() % 2 ** 20) * 2 ** 20 + random.uint32() % 2 ** 20;
    return (random.uint32() % 9 === 0 ? key : key % 2 ** 30) * 128 + random.uint32() % 100;
  });
  entries.push(3 * 128, 3 * 128 + 99, (keyMax - 1) * 128 + 7);
  for (const size of [2 ** 40, 2 ** 33, 2 ** 25]) {
    const given: number[] = [];
    let from = 0;
    for (const range of keysOf(entries, 100).ranges(size)) {
      for (const entry of range) expect(entry >= from * 128 && entry < (from + size) * 128).toBe(true);
      given.push(...range);
      from += size;
    }
    expect(from).toBe(keyMax);
    expect(given).toEqual(entries.toSorted((left, right) => left - right));
  }
});

test("a token that stands in one block takes about three bytes", () => {
  const random = seededRandom(1);
  const entries = Float64Array.from(
    { length: 200_000 },
    () => (random.uint32() * 256 + random.uint32() % 256) * 128 + random.uint32() % 120,
  );
  const { buckets, lengths } = encodePostings(keysOf(entries, 120), 120);
  expect((buckets.length + lengths.byteLength) / entries.length).toBeLessThan(3.3);
});

test("a bucket whose bytes have changed is refused", () => {
  const random = seededRandom(2);
  const entries = Float64Array.from(
    { length: 100 },
    () => random.uint32() * 256 * 128 + random.uint32() % 120,
  );
  const { buckets, shape } = encodePostings(keysOf(entries, 120), 120);
  for (let round = 0; round < 2_000; round++) {
    const bytes = buckets.slice();
    bytes[randomBelow(random, bytes.length)] ^= 1 << randomBelow(random, 8);
    try {
      checkBucket(bytes, shape, 120);
      throw new Error("was read");
    } catch (error) {
      expect(error).toBeInstanceOf(OpenWitError);
    }
  }
});

test("ranges of rows of a set of blocks join neighbours and end with the file", () => {
  const blocks = new BlockSet(4);
  for (const block of [0, 1, 3]) blocks.add(block);
  expect(blocks.rowRanges(30_000)).toEqual([{ from: 0, end: 16_384 }, {
    from: 24_576,
    end: 30_000,
    isToEnd: true,
  }]);
  expect(blocks.size).toBe(3);
});
