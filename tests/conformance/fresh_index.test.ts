/**
 * What a flush writes has an index before readers see it, where somebody searches; and the flush neither waits for it for
 * long, nor fails with it, nor leaves one behind.
 */
import { expect, test } from "bun:test";
import { seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { IndexDemand, scannedRowsMax, searchedMs } from "../../core/index/demand.ts";
import { indexPath, indexSuffix } from "../../core/index/format.ts";
import type { IndexSource } from "../../core/index/build.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import { noIndexes } from "../../core/index/indexes.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { queuedMax, waitMsMax } from "../../core/store/fresh-index.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { SimClock } from "../sim/clock.ts";
import { SimDisk } from "../sim/disk.ts";
import { logRequest } from "../sim/log-request.ts";

/** All segments are asked in vain. */
const unusable: ReadonlyMap<string, string> = Object.assign(new Map(), { get: () => "none" });

async function boxOf({ memoryBytesMax = defaultStoreOptions.memoryBytesMax } = {}) {
  const sim = new SimDisk(1);
  const disk = sim.process();
  const clock = new SimClock();
  const demand = new IndexDemand({ ...noIndexes, unusable }, clock);
  const direct = directIndexer(disk, seededRandom(2));
  const box = {
    isShort: false,
    isDiskShort: false,
    /** What an index takes, once its file is there. */
    beside: () => Promise.resolve(),
    /** Ids of the segments whose build began, and whether readers saw them then. */
    begun: [] as (readonly [id: string, isSeen: boolean])[],
    logged: [] as string[],
  };
  const env = {
    disk,
    clock,
    random: seededRandom(1),
    log: (_level: string, message: string) => void box.logged.push(message),
    encoder: inProcessEncoder(),
    metrics: new Metrics(),
    indexes: demand,
    fresh: {
      demand,
      isShort: () => box.isShort || box.isDiskShort,
      isDiskShort: () => box.isDiskShort,
      indexer: {
        async build(segment: IndexSource) {
          box.begun.push([segment.id, store.manifest.state.segments.has(segment.id)]);
          const bytes = await direct.build(segment);
          await box.beside();
          return bytes;
        },
      },
    },
  };
  const store = await openStore(env, { ...defaultStoreOptions, memoryBytesMax });
  const ingest = async (body = "some words") => {
    await store.ingest(logRequest([{ timeUnixNano: String(clock.nowNs()), body: { stringValue: body } }]));
    await clock.advance(1);
  };
  const search = async () => {
    const { segments, release } = store.pin("default", "logs");
    await demand.candidatesOf(segments, { kind: "word", column: "body", word: "words" });
    release();
  };
  const segments = () => [...store.manifest.state.segments.values()];
  const indexes = () => [...sim.files().keys()].filter((path) => path.endsWith(indexSuffix));
  /** Lets work go on that waits for nothing but its turns. */
  const turns = async () => {
    for (let turn = 0; turn < 500; turn++) await Promise.resolve();
  };
  return Object.assign(box, { sim, clock, demand, env, store, ingest, search, segments, indexes, turns });
}

/** Flushes, and the flush is over before its index is; resolve what it gives for that to end. */
async function flushedBesideIndex(box: Awaited<ReturnType<typeof searchedBox>>) {
  const { store, clock, turns } = box, slow = Promise.withResolvers<void>();
  box.beside = () => slow.promise;
  const flush = store.flush();
  for (let ms = 0; ms <= waitMsMax; ms += 50) {
    await turns();
    await clock.advance(50);
  }
  await flush;
  return slow;
}

/** A box with a segment that was searched just now, and rows that wait for their flush. */
async function searchedBox(options: Parameters<typeof boxOf>[0] = {}) {
  const box = await boxOf(options);
  await box.ingest("the first");
  await box.store.flush();
  await box.search();
  await box.ingest("the second");
  return box;
}

test("what nobody searches has no index, and what somebody does has one before it is seen", async () => {
  const { store, ingest, search, segments, indexes, begun, clock, env } = await boxOf();
  await ingest("the first");
  await store.flush();
  expect(indexes()).toEqual([]);
  await search();
  await ingest("the second");
  await store.flush();
  const second = segments().at(-1)!;
  expect(begun).toEqual([[second.id, false]]);
  expect(indexes()).toEqual([indexPath(second.path)]);
  expect(env.metrics.total("openwit_indexed_rows_total")).toBe(1);
  expect(store.batches.of("default").map(({ indexedNs }) => indexedNs !== undefined)).toEqual([false, true]);
  await clock.advance(searchedMs);
  await ingest("the third");
  await store.flush();
  expect(indexes()).toHaveLength(1);
});

test("where somebody searches a flush comes sooner", async () => {
  for (const isSearched of [false, true]) {
    const { store, ingest, search, segments, clock, turns } = await boxOf();
    await ingest("the first");
    await store.flush();
    if (isSearched) await search();
    store.startMaintenance();
    await ingest("x".repeat(21 * 1024 * 1024));
    for (let ms = 0; ms < 2_000; ms += 50) {
      await turns();
      await clock.advance(50);
    }
    expect(segments()).toHaveLength(isSearched ? 2 : 1);
    await store.close();
  }
});

test("a search of another signal is none of this one", async () => {
  const { store, ingest, demand, indexes, clock } = await boxOf();
  await ingest("the first");
  await store.flush();
  const path = "parquet/default/2026/11/23/n/spans-20-L0-0000000000000000000000000000_active.parquet";
  await demand.candidatesOf([{ id: "x", signal: "spans", path, rows: 1 }], { kind: "all" });
  expect(demand.isSearched("default", "spans")).toBe(true);
  await ingest("the second");
  await store.flush();
  expect(indexes()).toEqual([]);
  await clock.advance(searchedMs);
  expect(demand.isSearched("default", "spans")).toBe(false);
});

test("statements about merged segments alone want no index of fresh ones", async () => {
  const { demand } = await boxOf();
  const path = "parquet/default/2026/11/23/n-L0-n/logs-20-L1-0000000000000000000000000000_active.parquet";
  await demand.candidatesOf([{ id: "x", signal: "logs", path, rows: 1 }], { kind: "all" });
  expect(demand.isSearched("default", "logs")).toBe(false);
});

test("statements about merged segments and rows in memory want indexes of what comes of those", async () => {
  const { clock, demand } = await boxOf();
  const path = "parquet/default/2026/11/23/n-L0-n/logs-20-L1-0000000000000000000000000000_active.parquet";
  expect(demand.isAnySearched).toBe(false);
  await demand.candidatesOf([{ id: "x", signal: "logs", path, rows: 1 }], { kind: "all" }, true);
  expect([demand.isSearched("default", "logs"), demand.isAnySearched]).toEqual([true, true]);
  await clock.advance(searchedMs);
  expect(demand.isAnySearched).toBe(false);
});

test("a flush does not wait for an index that takes long, which is finished beside, and then the next one", async () => {
  const box = await searchedBox();
  const { store, clock, ingest, segments, indexes, begun, turns } = box;
  const slow = Promise.withResolvers<void>();
  box.beside = () => slow.promise;
  let isFlushed = false;
  const flush = store.flush().then(() => isFlushed = true);
  for (let ms = 0; ms < waitMsMax; ms += 50) {
    await turns();
    expect([isFlushed, segments().length]).toEqual([false, 1]);
    await clock.advance(50);
  }
  await flush;
  expect(segments()).toHaveLength(2);
  // Asked in vain meanwhile, it is not wanted from anybody else; and the next flush's waits for its turn.
  const asked = { ...segments()[1], rows: scannedRowsMax + 1 };
  const ask = () => box.demand.candidatesOf([asked], { kind: "word", column: "body", word: "words" });
  await ask();
  expect(box.demand.wanted()).toEqual([]);
  await ingest("the third");
  await store.flush();
  const third = segments()[2];
  expect(begun).toHaveLength(1);
  // Its file stays, whoever takes the segment away.
  const second = segments()[1];
  await store.retired.retire([second]);
  await clock.advance(61_000);
  expect(await store.retired.sweep()).toBe(0);
  slow.resolve();
  await turns();
  expect(begun.map(([id]) => id)).toEqual([second.id, third.id]);
  await ask();
  expect(box.demand.wanted()).toContainEqual(asked);
  expect(await store.retired.sweep()).toBe(1);
  expect(indexes()).toEqual([indexPath(third.path)]);
});

test("all segments of a flush that takes long are indexed, and what is merged before its turn is not", async () => {
  const box = await searchedBox();
  const { store, clock, begun, segments, turns } = box;
  for (const hours of [2, 3]) {
    const old = String(clock.nowNs() - BigInt(hours) * 3_600_000_000_000n);
    await store.ingest(logRequest([{ timeUnixNano: old, body: { stringValue: `${hours} hours ago` } }]));
  }
  await clock.advance(1);
  const slow = await flushedBesideIndex(box);
  expect([segments().length, begun.length]).toEqual([4, 1]);
  const [gone, left] = segments().slice(1).filter(({ id }) => id !== begun[0][0]);
  await store.retired.retire([gone]);
  slow.resolve();
  await turns();
  expect(begun.slice(1).map(([id]) => id)).toEqual([left.id]);
});

test("few wait for their index: those beyond are left to whoever asks for them", async () => {
  const box = await searchedBox();
  const { store, ingest, begun, turns } = box;
  const slow = await flushedBesideIndex(box);
  for (let flush = 0; flush < queuedMax + 3; flush++) {
    await ingest(`flush ${flush}`);
    await store.flush();
  }
  slow.resolve();
  for (let left = queuedMax; left > 0; left--) await turns();
  expect(begun).toHaveLength(1 + queuedMax);
});

test("a flush waits for no index where memory is short, which it has soon, and stops waiting when it gets short", async () => {
  const box = await searchedBox();
  const { store, clock, ingest, segments, indexes, begun, turns } = box;
  box.isShort = true;
  const held = Promise.withResolvers<void>();
  box.beside = () => held.promise;
  await store.flush();
  expect([begun.length, segments().length]).toEqual([1, 2]);
  held.resolve();
  await turns();
  expect(indexes()).toEqual([indexPath(segments()[1].path)]);
  box.isShort = false;
  await ingest("the third");
  const slow = Promise.withResolvers<void>();
  box.beside = () => slow.promise;
  const flush = store.flush();
  await turns();
  expect([begun.length, segments().length]).toEqual([2, 2]);
  box.isShort = true;
  await clock.advance(50);
  await flush;
  expect(segments()).toHaveLength(3);
  slow.resolve();
});

test("no index is begun where disk is short", async () => {
  const box = await searchedBox();
  const { store, ingest, segments, begun, turns } = box;
  box.isDiskShort = true;
  await store.flush();
  expect([begun.length, segments().length]).toEqual([0, 2]);
  box.isDiskShort = false;
  await ingest("the third");
  const slow = await flushedBesideIndex(box);
  await ingest("the fourth");
  await store.flush();
  box.isDiskShort = true;
  slow.resolve();
  await turns();
  expect([begun.length, segments().length]).toEqual([1, 4]); // the fourth's turn came too late
});

test("a flush waits for no index while rows take half of their memory, and begins none while they take three quarters", async () => {
  const memoryBytesMax = 40 * 1024 * 1024, mebibyte = "x".repeat(1024 * 1024);
  const flushWith = async (mebibytes: number) => {
    const box = await searchedBox({ memoryBytesMax });
    for (let sent = 0; sent < mebibytes; sent++) await box.ingest(`${sent} ${mebibyte}`);
    const slow = Promise.withResolvers<void>();
    box.beside = () => slow.promise;
    const flush = box.store.flush();
    const isOver = await Promise.race([flush.then(() => true), box.turns().then(() => false)]);
    slow.resolve();
    await flush;
    return { isOver, begun: box.begun.length };
  };
  expect(await flushWith(12)).toEqual({ isOver: false, begun: 1 });
  expect(await flushWith(22)).toEqual({ isOver: true, begun: 1 });
  expect(await flushWith(32)).toEqual({ isOver: true, begun: 0 });
});

test("an index that cannot be built fails no flush, and may be wanted again", async () => {
  const box = await searchedBox();
  box.beside = () => Promise.reject(new Error("the indexer died"));
  const warned = () => box.logged.filter((message) => message.includes("could not be indexed")).length;
  await box.store.flush();
  expect([box.segments().length, warned()]).toEqual([2, 1]);
  box.beside = () => Promise.reject(new OpenWitError("unavailable", "the indexer is closed"));
  await box.ingest("the third");
  await box.store.flush();
  expect([box.segments().length, warned()]).toEqual([3, 1]); // nothing is wrong with a server that stops
  box.beside = () => Promise.resolve();
  await box.ingest("the fourth");
  await box.store.flush();
  expect(box.indexes()).toContain(indexPath(box.segments()[3].path));
});

test("a flush whose edit fails leaves no index behind, also one that was still being built", async () => {
  for (const isSlow of [false, true]) {
    const box = await searchedBox();
    const { sim, store, clock, segments, indexes, turns } = box;
    const slow = Promise.withResolvers<void>();
    box.beside = async () => {
      if (isSlow) await slow.promise;
      else sim.failAt(sim.operations + 1, "io"); // the edit
    };
    const flush = store.flush().then(() => "done", () => "failed");
    for (let ms = 0; ms <= waitMsMax && isSlow; ms += 50) {
      await turns();
      if (ms === waitMsMax - 50) sim.failAt(sim.operations + 1, "io");
      await clock.advance(50);
    }
    expect(await flush).toBe("failed");
    expect([segments().length, indexes().length]).toEqual([1, 1]);
    box.beside = () => Promise.resolve();
    const again = store.flush();
    await turns();
    slow.resolve();
    await again;
    expect(segments()).toHaveLength(2);
    expect(indexes()).toEqual([indexPath(segments()[1].path)]);
  }
});

test("the last flush of a store waits for no index", async () => {
  const { store, begun, segments } = await searchedBox();
  await store.close({ flush: true });
  expect([begun.length, segments().length]).toEqual([0, 2]);
});

test("a store that closes waits for the index that is being built", async () => {
  const box = await searchedBox();
  const { store, begun, turns } = box;
  const slow = await flushedBesideIndex(box);
  let isClosed = false;
  const closed = store.close().then(() => isClosed = true);
  await turns();
  expect([isClosed, begun.length]).toEqual([false, 1]);
  slow.resolve();
  await closed;
});
