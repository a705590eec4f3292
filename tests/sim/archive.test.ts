/**
 * Imports on a disk that fails: at each operation in turn the power goes, or the operation fails. Afterwards the node
 * has all of the archive's rows or none, its own once each, and the same archive again completes it; so it is when the
 * manifest is lost as well, whose watermarks must not be another node's.
 */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Importer, type ImportReport } from "../../core/archive/import.ts";
import { exportArchive } from "../../core/archive/writer.ts";
import type { Disk } from "../../core/env/disk.ts";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { columnIndex } from "../../core/model/columns.ts";
import type { Utf8Vector } from "../../core/model/vector.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { readParquetFooter } from "../../core/segment/reader.ts";
import { parseFooter } from "../../core/segment/footer.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { loadParquetWasm } from "./parquet-wasm.ts";
import { SimClock } from "./clock.ts";
import { segmentBodies, simCompaction } from "./compaction.ts";
import { SimDisk } from "./disk.ts";
import { logRequest } from "./log-request.ts";

setDefaultTimeout(120_000);

type Files = Map<string, Uint8Array>;

/** From a node of many requests: its LSNs are far beyond those of the node that imports. */
let archive: Uint8Array;
/** A later one of the same node, whose segments were merged since. */
let later: Uint8Array;
let target: Files;

const ownRows = ["own-0", "own-1", "own-2", "in-wal"];
const foreignRows = Array.from({ length: 12 }, (_, index) => `foreign-${index}`);
const laterRows = [...foreignRows, "foreign-later"];

beforeAll(async () => {
  loadParquetWasm();
  const disk = new SimDisk(1);
  const clock = new SimClock();
  const store = await openOn(disk.process(), clock, 1);
  for (const row of foreignRows) {
    await send(store, row, clock);
    if (foreignRows.indexOf(row) % 4 === 3) await store.flush();
  }
  archive = await exported(store);
  await send(store, "foreign-later", clock);
  await store.flush();
  const compaction = simCompaction(store, disk);
  await compaction.merge(false);
  await clock.advance(3_600_000);
  await compaction.sweep();
  await compaction.merge(false);
  later = await exported(store);
  expect(store.manifest.state.segments.size).toBeLessThan(4);
  await store.close();
  const own = new SimDisk(2);
  const ownStore = await openOn(own.process(), clock, 2);
  for (const row of ownRows.slice(0, 3)) await send(ownStore, row, clock);
  await ownStore.flush();
  await send(ownStore, "in-wal", clock);
  await ownStore.close();
  target = own.files();
});

for (const loses of [false, true]) {
  const also = loses ? ", and the manifest with it," : "";
  test(`a power cut at any operation of an import${also} leaves all or nothing of it`, async () => {
    const { operations } = await cutImport(Infinity, loses);
    expect(operations).toBeGreaterThan(40);
    let imported = 0;
    for (let at = 1; at <= operations + 1; at++) imported += (await cutImport(at, loses)).imported;
    expect(imported).toBeGreaterThan(0); // the last cut came after the edit at least
    expect(imported).toBeLessThan(operations);
  });
}

test("an operation that fails costs the import alone, and the next one ends it", async () => {
  const whole = await failImport(Infinity, "io");
  for (let at = 1; at <= whole; at++) await failImport(at, at % 2 === 0 ? "io" : "disk_full");
});

test("a later archive takes over what an earlier one brought, at any cut", async () => {
  const { disk, clock, store } = await start(1);
  await importInto(store, disk, archive);
  await store.close();
  const files = disk.files();
  const run = async (at: number) => {
    const again = await diskOf(files, at);
    const from = again.operations;
    again.cutAt(Number.isFinite(at) ? from + at : undefined);
    const process = again.process();
    try {
      const first = await openOn(process, clock, 3);
      const report = await importInto(first, process, later);
      expect([report.replaced.length > 0, report.leftOut]).toEqual([true, []]);
    } catch (error) {
      expected(error);
    }
    const operations = again.operations - from;
    again.cut();
    again.restart();
    if (at % 2 === 1) await loseManifest(again); // both are in footers: one of them names the other as replaced
    const next = await openOn(again, clock, 4);
    const rows = await rowsOf(next, again);
    const isLater = rows.includes("foreign-later");
    expect([at, rows]).toEqual([at, [...ownRows, ...(isLater ? laterRows : foreignRows)].sort()]);
    await importInto(next, again, later);
    expect([at, await rowsOf(next, again)]).toEqual([at, [...ownRows, ...laterRows].sort()]);
    return operations;
  };
  const operations = await run(Infinity);
  for (let at = 1; at <= operations; at++) await run(at);
});

test("what was evicted comes back when it is imported again, also before its file is gone", async () => {
  const { disk, clock, store } = await start(1);
  const { added } = await importInto(store, disk, archive);
  await store.retired.retire([store.manifest.state.segments.get(added[0].id)!]);
  expect((await rowsOf(store, disk)).length).toBeLessThan(ownRows.length + foreignRows.length);
  expect(await importInto(store, disk, archive)).toMatchObject({ added: [{ id: added[0].id }] });
  await clock.advance(120_000);
  await store.retired.sweep();
  expect(await rowsOf(store, disk)).toEqual([...ownRows, ...foreignRows].sort());
});

test("segments that share rows with this node's own beside others are left out, and told", async () => {
  const { disk, store } = await start(1);
  await importInto(store, disk, archive);
  // As after a merge here of what the archive has in one segment with what it has not.
  const importer = importerOf(store, disk, (_signal, some) => Promise.resolve(some.length));
  const { segments } = store.manifest.state;
  for (const { id } of [...segments.values()].filter(({ origin }) => origin !== undefined)) {
    const segment = segments.get(id)!;
    const other = { ...segment, id: `${"0".repeat(20)}${id.slice(-8)}`, rows: 99 };
    await store.manifest.commit({ remove: [id], add: [other] });
  }
  const report = await importer.run(source(archive), options);
  expect(report.added).toEqual([]);
  expect(report.leftOut.length).toBeGreaterThan(0);
});

async function cutImport(at: number, loses: boolean): Promise<{ operations: number; imported: number }> {
  const { disk, clock, store, process } = await start(at);
  const from = disk.operations;
  disk.cutAt(Number.isFinite(at) ? from + at : undefined);
  await importInto(store, process, archive).catch(expected);
  const operations = disk.operations - from;
  disk.cut();
  disk.restart();
  if (loses) await loseManifest(disk);
  const again = await openOn(disk, clock, 9);
  const rows = await rowsOf(again, disk);
  const isImported = rows.length > ownRows.length;
  // Without the manifest nothing says which of its files an import had named: those that are whole count.
  if (!loses) expect([at, rows]).toEqual([at, [...ownRows, ...(isImported ? foreignRows : [])].sort()]);
  else {expect([at, new Set(rows).size, rows.filter((row) => row.startsWith("own") || row === "in-wal")])
      .toEqual([at, rows.length, [...ownRows].sort()]);}
  await importInto(again, disk, archive);
  expect([at, await rowsOf(again, disk)]).toEqual([at, [...ownRows, ...foreignRows].sort()]);
  await send(again, "after", clock);
  await again.close();
  const last = await openOn(disk, clock, 10);
  expect([at, await rowsOf(last, disk)]).toEqual([at, [...ownRows, ...foreignRows, "after"].sort()]);
  return { operations, imported: Number(isImported) };
}

async function failImport(at: number, kind: "io" | "disk_full"): Promise<number> {
  const { disk, clock, store, process } = await start(at);
  const from = disk.operations;
  if (Number.isFinite(at)) disk.failAt(from + at, kind);
  const imported = await importInto(store, process, archive).then(() => true, expected);
  const operations = disk.operations - from;
  // The node goes on; what is visible is all or nothing, and stays so over a crash.
  const rows = [...ownRows, ...(imported ? foreignRows : [])].sort();
  expect([at, await rowsOf(store, disk)]).toEqual([at, rows]);
  disk.cut();
  disk.restart();
  const again = await openOn(disk, clock, 9);
  const after = await rowsOf(again, disk);
  // An edit whose undoing failed too may come back: then whole.
  expect([at, [ownRows.length, ownRows.length + foreignRows.length].includes(after.length)]).toEqual([
    at,
    true,
  ]);
  await importInto(again, disk, archive);
  expect([at, await rowsOf(again, disk)]).toEqual([at, [...ownRows, ...foreignRows].sort()]);
  return operations;
}

async function start(seed: number) {
  const disk = await diskOf(target, Number.isFinite(seed) ? seed : 1);
  const clock = new SimClock();
  const process = disk.process();
  return { disk, clock, process, store: await openOn(process, clock, 3) };
}

async function diskOf(files: Files, seed: number): Promise<SimDisk> {
  const disk = new SimDisk(Number.isFinite(seed) ? seed : 1);
  for (const [path, bytes] of files) {
    const folder = path.slice(0, path.lastIndexOf("/"));
    await disk.makeDir(folder);
    const file = await disk.open(path, "create");
    await file.write(bytes, 0);
    await file.sync();
    await file.close();
    await disk.syncDir(folder);
  }
  return disk;
}

function openOn(disk: Disk, clock: SimClock, seed: number): Promise<Store> {
  const env = {
    disk,
    clock,
    random: seededRandom(seed),
    log: silentLog,
    encoder: inProcessEncoder(),
    metrics: new Metrics(),
  };
  return openStore(env, defaultStoreOptions);
}

const options = { dryRun: false, signal: new AbortController().signal };

function importInto(store: Store, disk: Disk, bytes: Uint8Array): Promise<ImportReport> {
  return importerOf(store, disk).run(source(bytes), options);
}

function importerOf(store: Store, disk: Disk, rowsInCommon?: Importer["env"]["rowsInCommon"]): Importer {
  return new Importer(store, {
    roomBytes: () => Infinity,
    exclusively: (work) => work(),
    async scan(path) {
      const footer = await readParquetFooter(disk, path);
      const { minTimeNs, maxTimeNs } = parseFooter(footer.keyValues);
      return { rows: (await bodiesIn(disk, [path])).length, minTimeNs, maxTimeNs };
    },
    async rowsInCommon(_signal, some, others) {
      if (rowsInCommon !== undefined) return await rowsInCommon(_signal, some, others);
      const rows = new Set(await bodiesIn(disk, others));
      return (await bodiesIn(disk, some)).filter((row) => rows.has(row)).length;
    },
  });
}

function bodiesIn(disk: Disk, paths: readonly string[]): Promise<string[]> {
  return segmentBodies(paths.map((path) => ({ path })), disk);
}

/** In pieces that end nowhere in particular. */
async function* source(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7_777) {
    yield await Promise.resolve(bytes.subarray(at, at + 7_777));
  }
}

async function exported(store: Store): Promise<Uint8Array> {
  const { bytes } = await exportArchive(store, { filter: {}, createdBy: "openwit test" });
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part.slice());
  return Buffer.concat(parts);
}

async function rowsOf(store: Store, disk: Disk): Promise<string[]> {
  expect([...store.damaged.values()]).toEqual([]);
  const { segments, chunks, release } = store.pin("default", "logs");
  try {
    const inMemory = chunks.flatMap(({ chunk, rows }) => {
      const vector = chunk.vectors[columnIndex("logs", "body")] as Utf8Vector;
      return Array.from({ length: rows }, (_, row) => vector.text(row)!);
    });
    return [...await segmentBodies(segments, disk), ...inMemory].sort();
  } finally {
    release();
  }
}

async function send(store: Store, row: string, clock: SimClock): Promise<void> {
  const logRecords = [{ timeUnixNano: String(clock.nowNs()), body: { stringValue: row } }];
  await store.ingest(logRequest(logRecords));
}

async function loseManifest(disk: SimDisk): Promise<void> {
  for (const name of await disk.list("manifest")) await disk.remove(`manifest/${name}`);
  await disk.syncDir("manifest");
}

/** What a disk that fails may answer; anything else is a bug. */
function expected(error: unknown): false {
  if (error instanceof OpenWitError && ["io", "disk_full", "not_found", "conflict"].includes(error.code)) {
    return false;
  }
  throw error;
}
