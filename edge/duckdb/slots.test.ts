import { expect, test } from "bun:test";
import { openSlots, statementsAtOnce } from "./slots.ts";

test("slots are given in the order in which they were asked for", async () => {
  const slots = openSlots(1);
  const { signal } = new AbortController();
  const order: number[] = [];
  const release = await slots.take(signal);
  const waiting = [1, 2, 3].map(async (each) => {
    const done = await slots.take(signal);
    order.push(each);
    done();
  });
  release();
  release(); // a second time gives nothing back
  await Promise.all(waiting);
  expect(order).toEqual([1, 2, 3]);
});

test("who stops waiting takes no slot", async () => {
  const slots = openSlots(1);
  const abort = new AbortController();
  const release = await slots.take(new AbortController().signal);
  const gone = slots.take(abort.signal);
  abort.abort(new Error("gone"));
  await expect(gone).rejects.toThrow("gone");
  release();
  (await slots.take(new AbortController().signal))();
});

test("who would wait behind too many is refused", async () => {
  const slots = openSlots(1);
  const { signal } = new AbortController();
  const release = await slots.take(signal, 0);
  await expect(slots.take(signal, 0)).rejects.toMatchObject({ code: "overloaded" });
  release();
});

test.each(
  [
    [undefined, 1, 1],
    [undefined, 2, 1],
    [undefined, 4, 2],
    [undefined, 64, 8],
    ["16", 2, 8],
    ["nonsense", 4, 2],
  ] as const,
)("a pool of %p on %p processors leaves half its threads to files: %p", (size, processors, expected) => {
  expect(statementsAtOnce(size, processors)).toBe(expected);
});
