/**
 * A damaged folder is mended while the power goes at each operation in turn: the repair that is begun again ends with
 * a folder without findings, and nothing is lost but what the damage took.
 */
import { beforeAll, expect, test } from "bun:test";
import { type Disk, folderOf, readFile } from "../../core/env/disk.ts";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStore } from "../../core/store/open.ts";
import { filesUnder } from "../../core/store/orphans.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { repairFolder } from "../../core/verify/repair.ts";
import type { SegmentScan } from "../../core/verify/segment.ts";
import { verifyFolder } from "../../core/verify/verify.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { loadParquetWasm } from "./parquet-wasm.ts";
import { SimClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";

type Files = Map<string, Uint8Array>;

const flushes = 3;
const walRequests = 9;
/** Requests of one row each: one in each segment that is damaged, two in the WAL's gaps. */
const damagedRows = 1 + 2;
let damaged: Files;

beforeAll(async () => {
  loadParquetWasm();
  damaged = damage(await sound());
});

test("verify names each damage of the folder, and repair leaves no finding and no other loss", async () => {
  const disk = await diskOf(damaged, 1);
  const before = await verifyFolder({ disk, scan }, options);
  expect(before.findings.map(({ kind }) => kind).sort()).toEqual(
    ["orphan", "segment_checksum", "temporary", "wal_gap", "wal_gap"],
  );
  const { after } = await repair(disk);
  expect(after.findings).toEqual([]);
  expect(await rowsOf(disk)).toBe(flushes + walRequests - damagedRows);
});

test(
  "a power cut at any operation of a repair costs nothing, and the repair that follows ends it",
  async () => {
    const whole = await diskOf(damaged, 1);
    const from = whole.operations;
    await repair(whole);
    const operations = whole.operations - from;
    expect(operations).toBeGreaterThan(50);
    for (let operation = 1; operation <= operations; operation++) {
      const disk = await diskOf(damaged, operation);
      disk.cutAt(disk.operations + operation);
      await repair(disk.process()).catch((error) => {
        if (!(error instanceof OpenWitError)) throw error;
      });
      disk.cut();
      disk.restart();
      const { after } = await repair(disk);
      expect([operation, after.findings]).toEqual([operation, []]);
      expect([operation, await rowsOf(disk)]).toEqual([operation, flushes + walRequests - damagedRows]);
    }
  },
  60_000,
);

test("a repair during which any operation fails can be begun again", async () => {
  for (let operation = 2; operation <= 150; operation += 7) {
    const disk = await diskOf(damaged, operation);
    disk.failAt(disk.operations + operation, operation % 2 === 0 ? "io" : "disk_full");
    await repair(disk).catch((error) => {
      if (!(error instanceof OpenWitError)) throw error;
    });
    disk.restart();
    const { after } = await repair(disk);
    expect([operation, after.findings]).toEqual([operation, []]);
    expect([operation, await rowsOf(disk)]).toEqual([operation, flushes + walRequests - damagedRows]);
  }
}, 60_000);

const options = { deep: true, isLive: () => false };

/** Stands for the engine: what the checksum vouches for can be read. */
const scan: SegmentScan = () => Promise.resolve({ rows: 1, minTimeNs: time, maxTimeNs: time });
const time = 1_795_464_000_000_000_000n;

async function repair(disk: Disk) {
  const env = { disk, scan, random: seededRandom(1), log: silentLog };
  return await repairFolder(env, await verifyFolder(env, options), options);
}

async function open(disk: Disk) {
  const clock = new SimClock();
  const env = {
    disk,
    clock,
    random: seededRandom(7),
    log: silentLog,
    encoder: inProcessEncoder(),
    metrics: new Metrics(),
  };
  return await openStore(env, defaultStoreOptions);
}

/** Three segments of one row, and nine requests of one row in the WAL. */
async function sound(): Promise<Files> {
  const disk = new SimDisk(1);
  const store = await open(disk);
  let sent = 0;
  const send = async () => {
    const logRecords = [{ timeUnixNano: String(time), body: { stringValue: `record ${sent++}` } }];
    const body = new TextEncoder().encode(
      JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
    );
    await store.ingest({
      tenant: "shop",
      signal: "logs",
      protocol: "otlp-http",
      encoding: "json",
      compression: "identity",
      body,
      wire: body,
    });
  };
  for (let flush = 0; flush < flushes; flush++) {
    await send();
    await store.flush();
  }
  for (let request = 0; request < walRequests; request++) await send();
  await store.close();
  return await filesOf(disk);
}

function damage(files: Files): Files {
  const damaged: Files = new Map([...files].map(([path, bytes]) => [path, bytes.slice()]));
  const [segment] = [...damaged.keys()].filter((path) => path.endsWith(".parquet"));
  damaged.set(segment.replace(/[0-9a-f]{4}_active/, "beef_active"), damaged.get(segment)!.slice());
  damaged.get(segment)![50] ^= 0xff;
  damaged.set(`${folderOf(segment)}/half.parquet.tmp`, Uint8Array.of(1, 2, 3));
  const wal = [...damaged.keys()].filter((path) => path.endsWith(".wal")).at(-1)!;
  const bytes = damaged.get(wal)!;
  const records: number[] = [];
  for (
    let at = Buffer.from(bytes).indexOf("OWRC");
    at >= 0;
    at = Buffer.from(bytes).indexOf("OWRC", at + 1)
  ) {
    records.push(at);
  }
  for (const record of [records[2], records[6]]) bytes[record + 70] ^= 0xff;
  return damaged;
}

async function filesOf(disk: Disk): Promise<Files> {
  const files: Files = new Map();
  for (const folder of ["wal", "manifest", "parquet"]) {
    for await (const path of filesUnder(disk, folder)) files.set(path, await readFile(disk, path));
  }
  return files;
}

async function diskOf(files: Files, seed: number): Promise<SimDisk> {
  const disk = new SimDisk(seed);
  for (const [path, bytes] of files) {
    await disk.makeDir(folderOf(path));
    const file = await disk.open(path, "create");
    await file.write(bytes, 0);
    await file.sync();
    await file.close();
    await disk.syncDir(folderOf(path));
  }
  return disk;
}

async function rowsOf(disk: Disk): Promise<number> {
  const store = await open(disk);
  const { segments, chunks, release } = store.pin("shop", "logs");
  const rows = [...segments, ...chunks].reduce((sum, each) => sum + each.rows, 0);
  release();
  await store.close();
  return rows;
}
