import { expect, test } from "bun:test";
import { SpareBuffers, spareBytesMax } from "./spare-buffers.ts";

const mebibyte = 1024 * 1024;

test("a buffer that was given back is taken again, also for a little more", () => {
  const spares = new SpareBuffers();
  const first = spares.take(5.2 * mebibyte);
  spares.give(first);
  expect(spares.take(5.9 * mebibyte)).toBe(first);
});

test("a buffer that has become too small makes way for a larger one", () => {
  const spares = new SpareBuffers();
  spares.give(new ArrayBuffer(mebibyte));
  const larger = spares.take(2 * mebibyte);
  expect(larger.byteLength).toBe(2 * mebibyte);
  spares.give(larger);
  expect(spares.take(mebibyte)).toBe(larger);
  expect(spares.take(1).byteLength).toBe(mebibyte); // a new one: nothing lay there any more
});

test("buffers of huge rows are not kept, nor more than can be under way", () => {
  const spares = new SpareBuffers();
  const huge = new ArrayBuffer(spareBytesMax + 1);
  spares.give(huge);
  expect(spares.take(spareBytesMax + 1)).not.toBe(huge);
  const given = Array.from({ length: 4 }, () => new ArrayBuffer(mebibyte));
  for (const buffer of given) spares.give(buffer);
  const taken = given.map(() => spares.take(1));
  expect(taken.filter((buffer) => given.includes(buffer)).length).toBe(2);
});
