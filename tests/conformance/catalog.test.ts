/**
 * What every catalog database must do, held against PGlite and a real PostgreSQL (Debian's package, where it is
 * installed): the same schema, the same rows back, in the same order.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Catalog, type HistoryBatch } from "../../core/catalog/catalog.ts";
import type { CatalogDatabase } from "../../core/catalog/database.ts";
import { batchRow, segmentRow, taskRow } from "../../core/catalog/rows.ts";
import { migrations } from "../../core/catalog/schema.ts";
import { silentLog } from "../../core/env/log.ts";
import { OpenWitError } from "../../core/error.ts";
import type { SegmentMeta } from "../../core/manifest/manifest.ts";
import type { BatchRecord } from "../../core/system/batches.ts";
import { PGliteDatabase } from "../../edge/catalog/pglite.ts";
import { PostgresDatabase } from "../../edge/catalog/postgres.ts";
import { PostgresServer } from "./postgres.ts";

setDefaultTimeout(120_000); // opening PGlite takes a second of a whole processor, and others may want it

const programs = PostgresServer.programs();
if (programs === undefined) {
  console.log("PostgreSQL: skipped, for it is not installed (apt install postgresql)");
}

interface Subject {
  readonly name: string;
  open(): Promise<CatalogDatabase>;
  /** Another connection to the same rows, with nothing of the first in memory. */
  again(): Promise<CatalogDatabase>;
  close(): Promise<void>;
}

function pglite(): Subject {
  const dataDir = mkdtempSync(join(tmpdir(), "openwit-catalog-"));
  const open = async () => new PGliteDatabase({ dataDir, log: silentLog, idleMs: 60_000 });
  return {
    name: "PGlite",
    open,
    again: open,
    close: async () => rmSync(dataDir, { recursive: true, force: true }),
  };
}

function postgres(bin: string): Subject {
  let server: PostgresServer | undefined;
  const again = async () => new PostgresDatabase({ url: server!.url, idleMs: 60_000 });
  return {
    name: "PostgreSQL",
    async open() {
      server = await PostgresServer.start(bin);
      return await again();
    },
    again,
    close: async () => await server?.[Symbol.asyncDispose](),
  };
}

const day = 86_400_000;
const ns = (ms: number) => BigInt(ms) * 1_000_000n;
const nowNs = ns(1_780_000_000_000) + 123n;
const retention = { ageMs: 30 * day, rowsMax: 1_000 };
const nothing: HistoryBatch = { batches: [], tasks: [], segments: [], removals: [] };

function batch(lsnTo: number, more: Partial<BatchRecord> = {}): BatchRecord {
  return {
    tenant: "shop",
    signal: "logs",
    lsnFrom: lsnTo - 9,
    lsnTo,
    rows: 1_000,
    bytes: 2 ** 40,
    segments: 1,
    receivedNs: nowNs - 3n,
    ingestedNs: nowNs - 2n,
    storedNs: nowNs - 1n + BigInt(lsnTo),
    indexedNs: undefined,
    evictedNs: undefined,
    retries: 0,
    error: undefined,
    ...more,
  };
}

function segment(id: string, lsnTo: number, more: Partial<SegmentMeta> = {}): SegmentMeta {
  return {
    id,
    tenant: "shop",
    signal: "logs",
    path: `parquet/shop/${id}.parquet`,
    level: 0,
    rows: 1_000,
    bytes: 5_000,
    minTimeNs: -1n,
    maxTimeNs: 2n ** 63n - 1n,
    minIngestNs: nowNs - 3n,
    maxIngestNs: nowNs - 2n,
    lsnFrom: lsnTo - 9,
    lsnTo,
    late: false,
    schemaVersion: 1,
    replaces: [],
    hour: 0,
    ...more,
  };
}

const removal = (id: string, more = {}) => ({
  id,
  removed_ns: String(nowNs),
  removed_by: "evicted" as const,
  replaced_by: [],
  ...more,
});

/** Not `expect().rejects`: that turns the event loop by itself, and messages of a worker do not come in there. */
const refusal = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);

for (const subject of [pglite(), ...(programs === undefined ? [] : [postgres(programs)])]) {
  describe(`the catalog in ${subject.name}`, () => {
    let database: CatalogDatabase;
    let catalog: Catalog;
    let nodes = 0;

    beforeAll(async () => {
      database = await subject.open();
      await new Catalog(database, "first").write(nothing); // the template is made, the schema too
    });
    afterAll(async () => {
      await database.close();
      await subject.close();
    });
    beforeEach(() => {
      catalog = new Catalog(database, `node-${nodes++}`);
    });

    test("has the newest schema, and does not make it twice", async () => {
      expect(await catalog.version()).toBe(migrations.length);
      await database.close();
      expect(await new Catalog(database, "n").version()).toBe(migrations.length);
    });

    test("gives back every value as it was noted", async () => {
      const error = new OpenWitError("io", "half a pair \ud800, a zero \0, quotes '\" and \\, ünï, 🐘");
      await catalog.write({
        batches: [batchRow(batch(10, { retries: 2, error: error.message }))],
        tasks: [
          taskRow({
            task: "compaction",
            startedNs: nowNs,
            durationMs: 1.5,
            outcome: "failed",
            did: "",
            error,
          }),
        ],
        segments: [segmentRow(segment("s1", 10), nowNs), segmentRow(segment("s2", 10), nowNs)],
        removals: [removal("s1", { removed_by: "merged", replaced_by: ["s2", "s3"] })],
      });
      const clean = "half a pair \ufffd, a zero \ufffd, quotes '\" and \\, ünï, 🐘";
      expect(await catalog.read("batch_history", "shop", 10)).toEqual([{
        node_id: catalog.nodeId,
        ...batchRow(batch(10)),
        retries: 2,
        error: clean,
      }]);
      expect(await catalog.read("task_history", "shop", 10)).toEqual([{
        node_id: catalog.nodeId,
        task: "compaction",
        started_ns: String(nowNs),
        duration_ms: 1.5,
        outcome: "failed",
        did: "",
        error: clean,
      }]);
      expect(await catalog.read("segment_history", "shop", 10)).toEqual([
        {
          node_id: catalog.nodeId,
          ...segmentRow(segment("s1", 10), nowNs),
          removed_ns: String(nowNs),
          removed_by: "merged",
          replaced_by: ["s2", "s3"],
        },
        { node_id: catalog.nodeId, ...segmentRow(segment("s2", 10), nowNs) },
      ]);
    });

    test("the same notes again change nothing", async () => {
      const notes = {
        batches: [batchRow(batch(10))],
        tasks: [taskRow({ task: "sweep", startedNs: nowNs, durationMs: 1, outcome: "done", did: "swept" })],
        segments: [segmentRow(segment("s1", 10), nowNs)],
        removals: [],
      };
      await catalog.write(notes);
      await catalog.write(notes);
      for (const table of ["batch_history", "task_history", "segment_history"] as const) {
        expect(await catalog.read(table, "shop", 10)).toHaveLength(1);
      }
    });

    test("a batch that was evicted stays so, whatever older note comes after", async () => {
      await catalog.write({ ...nothing, batches: [batchRow(batch(10, { evictedNs: nowNs }))] });
      await catalog.write({ ...nothing, batches: [batchRow(batch(10))] });
      expect(await catalog.read("batch_history", "shop", 10)).toMatchObject([{ evicted_ns: String(nowNs) }]);
    });

    test("a tenant sees its own rows, a node's tasks are seen by all, and nodes do not see each other", async () => {
      await catalog.write({
        batches: [batchRow(batch(10)), batchRow(batch(10, { tenant: "other" }))],
        tasks: [taskRow({ task: "sweep", startedNs: nowNs, durationMs: 1, outcome: "done", did: "swept" })],
        segments: [segmentRow(segment("s1", 10, { tenant: "other" }), nowNs)],
        removals: [],
      });
      expect(await catalog.read("batch_history", "shop", 10)).toHaveLength(1);
      expect(await catalog.read("segment_history", "shop", 10)).toEqual([]);
      expect(await catalog.read("task_history", "shop", 10)).toHaveLength(1);
      expect(await new Catalog(database, "elsewhere").read("task_history", "shop", 10)).toEqual([]);
    });

    test("reads the newest rows, oldest first", async () => {
      await catalog.write({ ...nothing, batches: [30, 10, 20].map((lsn) => batchRow(batch(lsn))) });
      const rows = await catalog.read("batch_history", "shop", 2);
      expect(rows.map(({ lsn_to }) => lsn_to)).toEqual([20, 30]);
    });

    test("a batch is evicted when the last segment with its requests is gone, through merges", async () => {
      await catalog.write({
        ...nothing,
        batches: [batchRow(batch(10)), batchRow(batch(20)), batchRow(batch(30))],
        segments: [segment("a", 10), segment("b", 20), segment("c", 30)].map((each) =>
          segmentRow(each, nowNs)
        ),
      });
      await catalog.write({
        ...nothing,
        segments: [segmentRow(segment("ab", 20, { lsnFrom: 1, level: 1 }), nowNs)],
        removals: ["a", "b"].map((id) => removal(id, { removed_by: "merged", replaced_by: ["ab"] })),
      });
      const evicted = async () =>
        (await catalog.read("batch_history", "shop", 10)).map(({ evicted_ns }) => evicted_ns);
      expect(await evicted()).toEqual([null, null, null]);
      await catalog.write({ ...nothing, removals: [removal("ab")] });
      expect(await evicted()).toEqual([String(nowNs), String(nowNs), null]);
    });

    test("what left the data is settled in a moment among tens of thousands of batches", async () => {
      const many = Array.from({ length: 20_000 }, (_, n) => 10 * n + 10);
      await catalog.write({
        ...nothing,
        batches: many.map((lsn) => batchRow(batch(lsn))),
        segments: many.map((lsn) => segmentRow(segment(`s${lsn}`, lsn), nowNs)),
      });
      const started = performance.now();
      await catalog.write({ ...nothing, removals: [removal("s70000"), removal("s10")] });
      expect(performance.now() - started).toBeLessThan(10_000); // asked batch by batch it took minutes
      const rows = await catalog.read("batch_history", "shop", 100_000);
      expect(rows.filter(({ evicted_ns }) => evicted_ns !== null).map(({ lsn_to }) => lsn_to)).toEqual([
        10,
        70_000,
      ]);
    });

    test("is rebuilt from the manifest: batches and segments come in, what is gone is marked", async () => {
      const gone = segment("gone", 10);
      await catalog.write({
        ...nothing,
        batches: [batchRow(batch(10)), batchRow(batch(20, { retries: 7 }))],
        segments: [segmentRow(gone, nowNs)],
      });
      const left = [segment("x", 20), segment("y", 30), segment("z", 30), segment("m", 40, { level: 1 })];
      await catalog.reconcile(left, nowNs + 5n, retention);
      const segments = await catalog.read("segment_history", "shop", 10);
      expect(Object.fromEntries(segments.map(({ id, removed_by }) => [id, removed_by]))).toEqual({
        gone: "unknown",
        m: null,
        x: null,
        y: null,
        z: null,
      });
      const batches = await catalog.read("batch_history", "shop", 10);
      expect(
        batches.map(({ lsn_to, rows, segments, retries, evicted_ns }) => ({
          lsn_to,
          rows,
          segments,
          retries,
          evicted_ns,
        })),
      )
        .toEqual([
          { lsn_to: 30, rows: 2_000, segments: 2, retries: null, evicted_ns: null },
          { lsn_to: 10, rows: 1_000, segments: 1, retries: 0, evicted_ns: String(nowNs + 5n) },
          { lsn_to: 20, rows: 1_000, segments: 1, retries: 7, evicted_ns: null },
        ]);
    });

    test("many segments are reconciled, and read, in one go", async () => {
      const many = Array.from(
        { length: 2_345 },
        (_, n) => segment(`many-${String(n).padStart(5, "0")}`, n * 10 + 10),
      );
      await catalog.reconcile(many, nowNs, { ...retention, ageMs: 10 ** 13 });
      expect(await catalog.read("segment_history", "shop", 10_000)).toHaveLength(2_345);
      expect(await catalog.read("batch_history", "shop", 10_000)).toHaveLength(2_345);
    });

    test("what is older or more than is to be kept goes, and no segment that exists", async () => {
      const task = (n: number) =>
        taskRow({ task: `t${n}`, startedNs: nowNs - ns(n * day), durationMs: 1, outcome: "done", did: "d" });
      await catalog.write({
        ...nothing,
        tasks: [0, 1, 2, 29, 31].map(task),
        segments: [segmentRow(segment("old", 1), 0n), segmentRow(segment("gone", 1), 0n)],
        removals: [removal("gone", { removed_ns: String(nowNs - ns(31 * day)) })],
      });
      expect(await catalog.prune(nowNs, { ...retention, rowsMax: 3 })).toBe(3);
      expect((await catalog.read("task_history", "shop", 10)).map(({ task }) => task)).toEqual([
        "t2",
        "t1",
        "t0",
      ]);
      expect((await catalog.read("segment_history", "shop", 10)).map(({ id }) => id)).toEqual(["old"]);
    });

    test("a statement that fails changes nothing, and the next one is answered", async () => {
      const failing = [{ sql: "CREATE TABLE openwit.half (x int)" }, { sql: "SELECT 1 / 0" }];
      expect(await refusal(database.run(failing))).toMatchObject({ code: "internal" });
      expect(await database.run([{ sql: "SELECT to_regclass('openwit.half')::text" }])).toEqual([undefined]);
    });

    test("a catalog of a newer version is left alone", async () => {
      await database.run([{ sql: "INSERT INTO openwit.catalog_migration (version) VALUES (999)" }]);
      const late = new Catalog(database, "late");
      expect(await refusal(late.write(nothing))).toMatchObject({ code: "unsupported" });
      await database.run([{ sql: "DELETE FROM openwit.catalog_migration WHERE version = 999" }]);
      await late.write(nothing);
    });

    test("rows are there for whoever opens it next, and two may migrate at once", async () => {
      await catalog.write({ ...nothing, batches: [batchRow(batch(10))] });
      if (subject.name === "PGlite") await database.close(); // one process, one at a time
      const again = await subject.again();
      try {
        expect(await new Catalog(again, catalog.nodeId).read("batch_history", "shop", 10)).toHaveLength(1);
        await again.run([{ sql: "DROP SCHEMA openwit CASCADE" }]);
        if (subject.name === "PGlite") return;
        await Promise.all([database, again].map((each) => new Catalog(each, "n").write(nothing)));
        expect(await new Catalog(again, "n").version()).toBe(migrations.length);
      } finally {
        await again.close();
      }
    });
  });
}
