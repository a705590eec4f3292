import { expect, test } from "bun:test";
import { OpenWitError } from "../error.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import { batchesMax, BatchHistory } from "./batches.ts";

function segment(id: string, lsnFrom = 1, lsnTo = 5): SegmentMeta {
  return {
    id,
    tenant: "shop",
    signal: "logs",
    path: `parquet/shop/${id}.parquet`,
    level: 0,
    rows: 10,
    bytes: 100,
    minTimeNs: 1n,
    maxTimeNs: 2n,
    minIngestNs: BigInt(lsnFrom),
    maxIngestNs: BigInt(lsnTo),
    lsnFrom,
    lsnTo,
    late: false,
    schemaVersion: 1,
    replaces: [],
    hour: 0,
  };
}

test("a batch is all segments of its flush, from the first request to the manifest edit", () => {
  const history = new BatchHistory();
  history.stored("shop", "logs", [segment("a", 3, 9), segment("b", 3, 9)], 20n, 30n);
  expect(history.of("shop")).toEqual([{
    tenant: "shop",
    signal: "logs",
    lsnFrom: 3,
    lsnTo: 9,
    rows: 20,
    bytes: 200,
    segments: 2,
    receivedNs: 3n,
    ingestedNs: 20n,
    storedNs: 30n,
    indexedNs: undefined,
    evictedNs: undefined,
    retries: 0,
    error: undefined,
  }]);
  expect(history.of("other")).toEqual([]);
});

test("flushes that failed are told while they fail, and counted with the one that stored the rows", () => {
  const history = new BatchHistory();
  history.failed("shop", "logs", new OpenWitError("disk_full", "no room"));
  history.failed("shop", "logs", new OpenWitError("io", "no disk"));
  expect(history.trouble("shop", "logs")).toMatchObject({ failures: 2, error: { message: "no disk" } });
  expect(history.trouble("shop", "spans")).toBeUndefined();
  history.stored("shop", "logs", [segment("a")], 1n, 2n);
  expect(history.of("shop")[0]).toMatchObject({ retries: 2, error: "no disk" });
  expect(history.trouble("shop", "logs")).toBeUndefined();
});

test("a batch is evicted with the last of its rows, through any number of merges", () => {
  const history = new BatchHistory();
  history.stored("shop", "logs", [segment("a"), segment("b")], 1n, 2n);
  history.stored("shop", "logs", [segment("c", 6, 9)], 3n, 4n);
  history.retired(["a", "c"], [segment("merged")], 10n);
  history.retired(["merged"], [segment("stable")], 11n);
  history.retired(["b"], [], 12n);
  expect(history.of("shop").map(({ evictedNs }) => evictedNs)).toEqual([undefined, undefined]);
  history.retired(["stable"], [], 13n);
  expect(history.of("shop").map(({ evictedNs }) => evictedNs)).toEqual([13n, 13n]);
});

test("a batch is indexed when every segment that has its rows is", () => {
  const history = new BatchHistory();
  history.stored("shop", "logs", [segment("a"), segment("b")], 1n, 2n);
  history.indexed("merged", 9n); // a merge indexes what it wrote before it is brought in
  history.retired(["a"], [segment("merged")], 10n);
  expect(history.of("shop")[0].indexedNs).toBeUndefined();
  history.retired(["b"], [segment("other")], 11n);
  history.indexed("other", 12n);
  history.retired(["merged"], [segment("later")], 13n);
  expect(history.of("shop")[0].indexedNs).toBe(12n);
});

test("the history is bounded", () => {
  const history = new BatchHistory();
  for (let n = 0; n < batchesMax + 5; n++) history.stored("shop", "logs", [segment(`s${n}`, n + 1)], 1n, 2n);
  expect(history.of("shop")).toHaveLength(batchesMax);
  expect(history.of("shop")[0].lsnFrom).toBe(6);
});
