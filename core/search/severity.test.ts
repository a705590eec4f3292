import { expect, test } from "bun:test";
import { levelOf, levels, parseSeverity } from "./severity.ts";

test.each([
  ["warn", 13, 24],
  ["WARNING", 13, 24],
  ["=warn", 13, 16],
  ["13", 13, 24],
  ["=13", 13, 13],
  ["0", 0, 24],
  ["=unset", 0, 0],
  ["err", 17, 24],
  ["=fatal", 21, 24],
])("%s is from %d to %d", (text, min, max) => expect(parseSeverity(text, "severity")).toEqual({ min, max }));

test.each(["loud", "25", "-1", "", "=", "1.5", "constructor"])("%s is no severity", (text) => {
  expect(() => parseSeverity(text, "--severity")).toThrow("--severity");
});

test("each number has a level, and a level's own number has it", () => {
  expect(Array.from({ length: 25 }, (_, number) => levelOf(number))).toEqual([
    "unset",
    ...(["trace", "debug", "info", "warn", "error", "fatal"] as const).flatMap((level) =>
      Array(4).fill(level)
    ),
  ]);
  expect([levelOf(-1), levelOf(25), levelOf(NaN)]).toEqual(["unset", "unset", "unset"]);
  for (const level of levels) expect(levelOf(parseSeverity(level, "severity").min)).toBe(level);
});
