import { expect, test } from "bun:test";
import { isoTimestamp } from "../../core/model/row.ts";
import { parseInstant } from "./instant.ts";

const now = 1_767_323_400_123_456_789n;

test.each([
  ["now", "2026-01-02T03:10:00.123456789Z"],
  ["15m", "2026-01-02T02:55:00.123456789Z"],
  ["1h30m", "2026-01-02T01:40:00.123456789Z"],
  ["0.5ms", "2026-01-02T03:10:00.122956789Z"],
  ["7d", "2025-12-26T03:10:00.123456789Z"],
  ["2026-01-02", "2026-01-02T00:00:00.000000000Z"],
  ["2026-01-02 03:04", "2026-01-02T03:04:00.000000000Z"],
  ["2026-01-02T03:04:05", "2026-01-02T03:04:05.000000000Z"],
  ["2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"],
  ["2026-01-02T05:04:05.5+02:00", "2026-01-02T03:04:05.500000000Z"],
  ["1767322800", "2026-01-02T03:00:00.000000000Z"],
])("%s is %s", (text, expected) => {
  expect(isoTimestamp(parseInstant(text, "since", now))).toBe(expected);
});

test.each(["yesterday", "15", "15 parsecs", "2026-13-01", "2026-01-02T25:00:00Z", "", "2026-01-02x"])(
  "%s is no time, and the error names the parameter",
  (text) => expect(() => parseInstant(text, "since", now)).toThrow(/since/),
);
