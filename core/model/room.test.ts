import { expect, test } from "bun:test";
import { grownCapacity, scaleRoom, uninitializedBytes } from "./room.ts";

test("what takes the place of a full buffer has twice its room when it is small, half as much again when large, and what is needed", () => {
  expect(grownCapacity(64, 65)).toBe(128);
  expect(grownCapacity(1 << 20, (1 << 20) + 1)).toBe(3 << 19);
  expect(grownCapacity(64, 1_000)).toBe(1_000);
});

test("room is scaled in all its parts, and rounded up", () => {
  const inner = { values: 3, bytes: 10, parts: [] };
  expect(scaleRoom({ values: 1, bytes: 0, parts: [inner] }, 1.25))
    .toEqual({ values: 2, bytes: 0, parts: [{ values: 4, bytes: 13, parts: [] }] });
});

test("bytes of any content begin where their buffer begins, and share it with nothing", () => {
  for (const length of [0, 1, 100, 100_000]) {
    const { byteOffset, buffer } = uninitializedBytes(length);
    expect([byteOffset, buffer.byteLength]).toEqual([0, length]);
  }
});
