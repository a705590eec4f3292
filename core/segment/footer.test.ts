import { expect, test } from "bun:test";
import { buildFooter, parseFooter, type SegmentFooter } from "./footer.ts";

const segment: SegmentFooter = {
  id: "019b7c3f5e0011112222333344ff",
  tenant: "acme",
  signal: "spans",
  level: 1,
  rows: 983_040,
  minTimeNs: -(2n ** 63n),
  maxTimeNs: 2n ** 63n - 1n,
  minIngestNs: 0n,
  maxIngestNs: 1_767_322_800_123_456_789n,
  lsnFrom: 1,
  lsnTo: 2 ** 53 - 1,
  hour: -1,
  late: true,
  schemaVersion: 1,
  replaces: ["019b7c3f5e0011112222333344fe"],
};
const origin = {
  nodeId: "node-1",
  flushIds: [segment.id],
  sources: [{ source: "logs.raw", partition: 3, fromOffset: 0, toOffset: 99 }],
};
const good = buildFooter(segment, origin);

test("what is built is read back", () => {
  expect(parseFooter(good)).toEqual({ ...segment, ...origin });
  expect(parseFooter(buildFooter(segment, { nodeId: "n", flushIds: [] })).sources).toEqual([]);
});

test("keys of others are left alone, and all of ours say so", () => {
  expect(Object.keys(good).every((key) => key.startsWith("openwit."))).toBe(true);
  expect(parseFooter({ ...good, "pandas": "{}", "openwit.future": "x" })).toEqual({ ...segment, ...origin });
});

test("a newer format is refused, with what to do", () => {
  expect(() => parseFooter({ ...good, "openwit.format": "2" })).toThrow(
    expect.objectContaining({ code: "unsupported", hint: expect.stringContaining("newer openwit") }),
  );
});

test.each(Object.keys(good))("a footer without %s is refused", (key) => {
  const { [key]: _, ...others } = good;
  expect(() => parseFooter(others)).toThrow(expect.objectContaining({ code: "malformed" }));
});

test.each([
  ["openwit.format", ""],
  ["openwit.segment_id", "../../etc/passwd"],
  ["openwit.signal", "traces"],
  ["openwit.level", "-1"],
  ["openwit.rows", "1e3"],
  ["openwit.rows", " 1"],
  ["openwit.rows", "9007199254740993"],
  ["openwit.min_time_ns", "9223372036854775808"],
  ["openwit.max_time_ns", "0x10"],
  ["openwit.late", "yes"],
  ["openwit.hour", "1.5"],
  ["openwit.replaces", "[1]"],
  ["openwit.flush_ids", "{}"],
  ["openwit.sources", '[{"source":"a"}]'],
  ["openwit.sources", "["],
])("%s = %j is refused by name", (key, value) => {
  expect(() => parseFooter({ ...good, [key]: value })).toThrow(`the footer's ${key} is`);
});
