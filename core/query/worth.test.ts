import { expect, test } from "bun:test";
import { blockScanMs, isWorthRanges } from "./worth.ts";

const narrow = blockScanMs("spans", new Set(["start_timestamp", "service_name", "status_code"]));
const body = blockScanMs("logs", new Set(["timestamp", "body"]));
const all = blockScanMs("logs", undefined);

test.each([
  ["a failed status of few blocks of a small file", 1, 4, narrow, false],
  ["the same of a large one", 1, 34, narrow, true],
  ["a word of one block of a few", 1, 4, body, true],
  ["a word of all but one", 3, 4, body, false],
  ["all columns of all blocks but one", 3, 4, all, true],
  ["all columns of all blocks", 4, 4, all, false],
])("%s: %d of %d blocks at %d ms each are read alone: %p", (_what, left, blocks, blockMs, isWorth) => {
  expect(isWorthRanges(left, blocks, blockMs)).toBe(isWorth);
});

test("text and maps take longer than what is short", () => {
  expect(narrow).toBeLessThan(body);
  expect(all).toBeGreaterThan(4 * body);
});
