import { expect, test } from "bun:test";
import { planRebuild } from "./rebuild.ts";

type Found = Parameters<typeof planRebuild>[0][number];

/** A segment named by one letter, of LSNs `from` to `to`. */
function found(id: string, [from, to]: [number, number], changes: Partial<Found> = {}): Found {
  return {
    id,
    tenant: "t",
    signal: "logs",
    path: `parquet/${id}`,
    level: 0,
    rows: 1,
    bytes: 1,
    minTimeNs: 0n,
    maxTimeNs: 0n,
    minIngestNs: 0n,
    maxIngestNs: 0n,
    lsnFrom: from,
    lsnTo: to,
    hour: 0,
    late: false,
    schemaVersion: 1,
    replaces: [],
    nodeId: "node",
    flushIds: [id],
    sources: [],
    ...changes,
  };
}

const idsOf = (segments: readonly Found[]) => planRebuild(segments).segments.map(({ id }) => id).sort();

test("what a merge replaced does not count, nor what those had replaced", () => {
  const merged = found("m", [1, 2], { level: 1, replaces: ["a", "b"] });
  const again = found("n", [1, 3], { level: 2, replaces: ["m", "a", "b", "c"] });
  const flushed = [found("a", [1, 1]), found("b", [2, 2]), found("c", [3, 3])];
  expect(idsOf([...flushed, merged])).toEqual(["c", "m"]);
  expect(idsOf([...flushed, merged, again])).toEqual(["n"]);
  expect(planRebuild([again]).watermarks).toEqual({ "t/logs": 3 });
});

test("a flush that lacks a file does not count", () => {
  expect(idsOf([found("a", [1, 5], { flushIds: ["a", "gone"] })])).toEqual([]);
});

test("it counts when the file that is gone was merged, however long ago", () => {
  const rest = found("a", [1, 5], { flushIds: ["a", "gone"] });
  expect(idsOf([rest, found("m", [1, 5], { level: 1, replaces: ["gone"] })])).toEqual(["a", "m"]);
  expect(idsOf([rest, found("n", [1, 9], { level: 2, replaces: ["m"] })])).toEqual(["a", "n"]);
});

test("a newer flush that lacks a file does not count beside merges of older ones", () => {
  const torn = found("a", [6, 7], { flushIds: ["a", "gone"] });
  expect(idsOf([torn, found("m", [1, 5], { level: 1, replaces: ["b"] })])).toEqual(["m"]);
});

test("of two tries of one flush the one that reaches further counts", () => {
  expect(idsOf([found("a", [1, 5]), found("b", [1, 7])])).toEqual(["b"]);
});

test("it counts when the WAL has let go of its requests: the file that is gone was evicted", () => {
  const rest = found("a", [1, 5], { flushIds: ["a", "gone"] });
  const counted = (walFrom: number) => planRebuild([rest], new Set(), walFrom).segments.map(({ id }) => id);
  expect(counted(6)).toEqual(["a"]);
  expect(counted(Infinity)).toEqual(["a"]);
  expect(counted(5)).toEqual([]);
});

test("what was imported counts, and says nothing of this node's requests", () => {
  const imported = (id: string, lsns: [number, number]) =>
    found(id, [0, 0], { origin: { nodeId: "other", lsnFrom: lsns[0], lsnTo: lsns[1] } });
  const own = found("a", [4, 5]);
  const { segments, watermarks } = planRebuild([imported("x", [1, 900]), own, imported("y", [1, 900])]);
  expect(segments.map(({ id }) => id).sort()).toEqual(["a", "x", "y"]);
  expect(watermarks).toEqual({ "t/logs": 5 });
  expect(planRebuild([imported("x", [1, 900])]).watermarks).toEqual({});
});

test("of what was imported twice only that counts which took the other's place", () => {
  const origin = { nodeId: "other", lsnFrom: 1, lsnTo: 9 };
  const later = found("m", [0, 0], { origin, level: 2, replaces: ["x"] });
  expect(idsOf([found("x", [0, 0], { origin }), later])).toEqual(["m"]);
});
