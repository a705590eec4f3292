import { expect, test } from "bun:test";
import { SimClock } from "../../tests/sim/clock.ts";
import { silentLog } from "../env/log.ts";
import { seededRandom } from "../env/random.ts";
import { OpenWitError } from "../error.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import { Metrics } from "../metrics/metrics.ts";
import type { BatchRecord } from "../system/batches.ts";
import { boundedDatabase } from "./bounded.ts";
import type { HistoryBatch } from "./catalog.ts";
import { CatalogProjector } from "./projector.ts";

function segment(id: string): SegmentMeta {
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
    minIngestNs: 1n,
    maxIngestNs: 2n,
    lsnFrom: 1,
    lsnTo: 5,
    late: false,
    schemaVersion: 1,
    replaces: [],
    hour: 0,
  };
}

function batch(lsnTo: number, evictedNs?: bigint): BatchRecord {
  return {
    tenant: "shop",
    signal: "logs",
    lsnFrom: lsnTo,
    lsnTo,
    rows: 1,
    bytes: 1,
    segments: 1,
    receivedNs: 1n,
    ingestedNs: 2n,
    storedNs: 3n,
    indexedNs: undefined,
    evictedNs,
    retries: 0,
    error: undefined,
  };
}

/** A catalog that remembers what it was told, and fails or hangs when it is to. */
function made(options: { pendingMax?: number; mayWrite?: () => boolean } = {}) {
  const clock = new SimClock();
  const metrics = new Metrics();
  const fake = {
    written: [] as HistoryBatch[],
    reconciled: [] as string[][],
    prunes: 0,
    closes: 0,
    timesRenewed: 0,
    behaviour: "answer" as "answer" | "fail" | "hang",
  };
  const answer = async () => {
    if (fake.behaviour === "fail") throw new OpenWitError("io", "no disk");
    if (fake.behaviour === "hang") await new Promise(() => {});
  };
  const database = {
    run: () => answer().then(() => []),
    maintain: answer,
    isOpen: true,
    get timesRenewed() {
      return fake.timesRenewed;
    },
    close: async () => {
      fake.closes++;
    },
  };
  const bounded = boundedDatabase(database, clock);
  const catalog = {
    database: bounded,
    async write(batch: HistoryBatch) {
      await bounded.run([]);
      fake.written.push(batch);
    },
    async reconcile(segments: readonly SegmentMeta[]) {
      await bounded.run([]);
      fake.reconciled.push(segments.map(({ id }) => id));
    },
    async prune() {
      await bounded.run([]);
      return fake.prunes++;
    },
    async read() {
      await bounded.run([]);
      return fake.written.flatMap(({ batches }) => [...batches]);
    },
  };
  const projector = new CatalogProjector(
    catalog,
    { clock, random: seededRandom(1), log: silentLog, metrics },
    {
      writeEveryMs: 10_000,
      retention: { ageMs: 1_000, rowsMax: 10 },
      pendingMax: options.pendingMax ?? 100,
      mayWrite: options.mayWrite ?? (() => true),
    },
  );
  const pass = async (ms: number, stepMs = 1_000) => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await clock.advance(stepMs);
      for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    }
  };
  return { clock, metrics, fake, projector, pass };
}

const lsns = (written: readonly HistoryBatch[]) =>
  written.map(({ batches }) => batches.map(({ lsn_to }) => lsn_to));

test("what is noted is written in one batch after a while, once, after the manifest was told", async () => {
  const { projector, fake, pass } = made();
  projector.start(() => [segment("a")]);
  projector.batch(batch(1));
  projector.batch(batch(2));
  projector.batch(batch(1, 9n));
  await pass(9_000);
  expect(fake.written).toEqual([]);
  await pass(2_000);
  expect(fake.reconciled).toEqual([["a"]]);
  expect(lsns(fake.written)).toEqual([[2, 1]]);
  expect(fake.written[0].batches[1].evicted_ns).toBe("9");
  await pass(60_000);
  expect(fake.written).toHaveLength(1);
  expect(fake.reconciled).toHaveLength(1);
  await projector.stop();
  expect(fake.closes).toBe(1);
});

test("a merge is noted with what it took and what it made", async () => {
  const { projector, fake, pass } = made();
  projector.start(() => []);
  projector.retired(["a", "b"], [segment("ab")]);
  projector.retired(["c"], []);
  await pass(11_000);
  const [{ segments, removals }] = fake.written;
  expect(segments.map(({ id }) => id)).toEqual(["ab"]);
  expect(removals.map(({ id, removed_by, replaced_by }) => [id, removed_by, replaced_by])).toEqual([
    ["a", "merged", ["ab"]],
    ["b", "merged", ["ab"]],
    ["c", "evicted", []],
  ]);
});

test("when too much waits the oldest is dropped, counted, and made good from the manifest", async () => {
  const { projector, fake, pass, metrics } = made({ pendingMax: 10 });
  projector.start(() => [segment("a")]);
  await pass(11_000);
  fake.behaviour = "fail";
  for (let lsn = 1; lsn <= 25; lsn++) projector.batch(batch(lsn));
  expect(projector.status()).toMatchObject({ pending: 10, dropped: 15 });
  expect(metrics.total("openwit_catalog_dropped_total")).toBe(15);
  await pass(11_000);
  expect(projector.status().error?.message).toBe("no disk");
  fake.behaviour = "answer";
  await pass(30_000);
  expect(fake.reconciled).toHaveLength(2);
  expect(lsns(fake.written).at(-1)).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
  expect(projector.status()).toMatchObject({ pending: 0, dropped: 15 });
  expect(projector.status().error).toBeUndefined();
});

test("a database that fails is tried again, ever more rarely, and nothing that waits is lost", async () => {
  const { projector, fake, pass, metrics } = made();
  fake.behaviour = "fail";
  projector.start(() => []);
  projector.batch(batch(1));
  await pass(600_000);
  const tries = metrics.total("openwit_catalog_failures_total", { reason: "io" });
  expect(tries).toBeGreaterThan(6);
  expect(tries).toBeLessThan(20);
  fake.behaviour = "answer";
  await pass(600_000);
  expect(lsns(fake.written)).toEqual([[1]]);
});

test("a database that never answers is given up after a minute, and notes go on", async () => {
  const { projector, fake, pass } = made({ pendingMax: 10 });
  fake.behaviour = "hang";
  projector.start(() => []);
  for (let lsn = 1; lsn <= 30; lsn++) projector.batch(batch(lsn));
  await pass(75_000);
  expect(fake.closes).toBe(1);
  expect(projector.status()).toMatchObject({ pending: 10, dropped: 20, error: { code: "unavailable" } });
  fake.behaviour = "answer";
  await pass(75_000);
  expect(projector.status()).toMatchObject({ pending: 0 });
});

test("a node stops within seconds though its catalog hangs", async () => {
  const { projector, fake, pass } = made();
  fake.behaviour = "hang";
  projector.start(() => []);
  projector.batch(batch(1));
  await pass(15_000);
  let isStopped = false;
  const stopped = projector.stop().then(() => isStopped = true);
  await pass(16_000);
  expect(isStopped).toBe(true);
  await stopped;
});

test("what waits is written when the node stops", async () => {
  const { projector, fake } = made();
  projector.start(() => []);
  projector.batch(batch(1));
  await projector.stop();
  expect(lsns(fake.written)).toEqual([[1]]);
});

test("a question is answered with all that was noted before, and ends when the asker has gone", async () => {
  const { projector, fake } = made();
  projector.batch(batch(1));
  expect(await projector.read("batch_history", "shop")).toMatchObject([{ lsn_to: 1 }]);
  fake.behaviour = "hang";
  const gone = new AbortController();
  const asked = projector.read("batch_history", "shop", gone.signal);
  gone.abort(new OpenWitError("cancelled", "gone"));
  expect(await asked.catch((error) => error.code)).toBe("cancelled");
});

test("a database that was begun anew is told everything again", async () => {
  const { projector, fake, pass } = made();
  projector.start(() => [segment("a")]);
  await pass(11_000);
  fake.timesRenewed++;
  await pass(11_000);
  expect(fake.reconciled).toEqual([["a"], ["a"]]);
  await pass(60_000);
  expect(fake.reconciled).toHaveLength(2);
});

test("nothing is written while writes are not welcome", async () => {
  let isWelcome = false;
  const { projector, fake, pass } = made({ mayWrite: () => isWelcome });
  projector.start(() => []);
  projector.batch(batch(1));
  await pass(60_000);
  expect(fake.written).toEqual([]);
  isWelcome = true;
  await pass(11_000);
  expect(lsns(fake.written)).toEqual([[1]]);
});

test("old history is pruned once a day, and when the node starts", async () => {
  const { projector, fake, pass } = made();
  projector.start(() => []);
  for (let hour = 0; hour < 49; hour++) {
    projector.batch(batch(hour));
    await pass(3_600_000, 60_000);
  }
  expect(fake.prunes).toBe(3);
});

test("an opening may take longer than a call, and is given up all the same", async () => {
  const clock = new SimClock();
  let isOpen = false;
  const hanging = {
    run: () => new Promise<never>(() => {}),
    maintain: async () => {},
    close: async () => {},
    timesRenewed: 0,
  };
  const database = boundedDatabase(
    {
      ...hanging,
      get isOpen() {
        return isOpen;
      },
    },
    clock,
    {
      openMsMax: 600_000,
      runMsMax: 60_000,
      closeMsMax: 5_000,
    },
  );
  for (const [opened, ms] of [[true, 60_000], [false, 600_000]] as const) {
    isOpen = opened;
    let code = "";
    const asked = database.run([]).catch((error) => code = error.code);
    await clock.advance(ms - 1);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect(code).toBe("");
    await clock.advance(1);
    await asked;
    expect(code).toBe("unavailable");
  }
});
