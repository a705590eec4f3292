import { describe, expect, test } from "bun:test";
import type { SegmentMeta } from "../manifest/manifest.ts";
import { nextToShed, severityClasses } from "./shed.ts";

function segment(id: string, changes: Partial<SegmentMeta> = {}): SegmentMeta {
  return {
    id,
    tenant: "t",
    signal: "logs",
    path: id,
    level: 2,
    rows: 10,
    bytes: 1_000,
    minTimeNs: 0n,
    maxTimeNs: 0n,
    minIngestNs: 0n,
    maxIngestNs: 0n,
    lsnFrom: 1,
    lsnTo: 1,
    late: false,
    schemaVersion: 1,
    replaces: [],
    hour: 100,
    ...changes,
  };
}

const cases: readonly [promise: string, segments: SegmentMeta[], expected: string | undefined][] = [
  ["nothing of nothing", [], undefined],
  ["the oldest hour first", [segment("b", { hour: 101 }), segment("a")], "a"],
  ["of an hour the largest first", [segment("a"), segment("b", { bytes: 2_000 })], "b"],
  ["spans and metrics have no severities", [
    segment("a", { signal: "spans" }),
    segment("b", { signal: "metrics" }),
  ], undefined],
  ["what is to be merged anyway waits", [segment("a", { level: 0 }), segment("b", { level: 1 })], undefined],
  ["none twice for a severity", [segment("a", { evictedSeverity: 8 }), segment("b", { hour: 101 })], "b"],
  ["again for a greater one", [segment("a", { evictedSeverity: 4 }), segment("b", { hour: 101 })], "a"],
  ["not what was passed over", [segment("passed"), segment("b", { hour: 101 })], "b"],
];

describe("severities that go first:", () => {
  for (const [promise, segments, expected] of cases) {
    test(promise, () => {
      expect(nextToShed(segments, severityClasses.debug, new Set(["passed"]))?.id).toBe(expected);
    });
  }
});
