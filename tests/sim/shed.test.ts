/**
 * Evicting the lowest severities out of segments, with the power cut at each operation in turn: of what stays nothing
 * is lost or doubled, and of each segment either all that should go is gone or none; also when the manifest is lost.
 */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { severityClasses } from "../../core/compact/shed.ts";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import type { Disk } from "../../core/env/disk.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { verifyFolder } from "../../core/verify/verify.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { SimClock } from "./clock.ts";
import { segmentBodies, simCompaction } from "./compaction.ts";
import { SimDisk } from "./disk.ts";
import { loadParquetWasm } from "./parquet-wasm.ts";
import { logRequest } from "./log-request.ts";

setDefaultTimeout(120_000);

const hours = 2;
/** One record of each in every hour; 0 is none. */
const severities = [0, 1, 8, 9];
const goes = (severity: number) => severity >= 1 && severity <= severityClasses.debug;
let files: Map<string, Uint8Array>;
let opened = 0;

beforeAll(async () => {
  loadParquetWasm();
  const disk = new SimDisk(1);
  const clock = new SimClock();
  const store = await openOn(disk, clock);
  for (let hour = 0; hour < hours; hour++) {
    for (const severity of severities) await send(store, clock, hour, severity);
    await store.flush();
  }
  await clock.advance(86_400_000);
  await simCompaction(store, disk).merge(false);
  await clock.advance(120_000);
  await store.retired.sweep();
  expect([...store.manifest.state.segments.values()].map(({ level }) => level)).toEqual([2, 2]);
  await store.close();
  files = disk.files();
});

test("records of the class go, the others stay, and what the segment says of itself is right", async () => {
  const { disk, store } = await start(1);
  const compaction = simCompaction(store, disk);
  expect(await compaction.shed(severityClasses.debug)).toBe(hours * severities.filter(goes).length);
  expect(await rowsOf(store, disk)).toEqual(expected(() => true));
  expect([...store.manifest.state.segments.values()].map(({ evictedSeverity }) => evictedSeverity)).toEqual([
    8,
    8,
  ]);
  expect(await compaction.shed(severityClasses.debug)).toBe(0);
  expect((await verifyFolder({ disk }, { deep: false, isLive: () => false })).findings).toEqual([]);
  // A greater class goes through them again, and what is empty then goes whole.
  expect(await compaction.shed(16)).toBe(hours);
  expect(await rowsOf(store, disk)).toEqual(expected(() => true).filter((row) => !row.endsWith(" 9")));
});

for (const loses of [false, true]) {
  test(`a power cut at any operation${loses ? ", and a lost manifest," : ""} loses nothing else`, async () => {
    const run = async (at: number) => {
      const { disk, store, process } = await start(at);
      const from = disk.operations;
      if (Number.isFinite(at)) disk.cutAt(from + at);
      await simCompaction(store, process).shed(severityClasses.debug);
      const operations = disk.operations - from;
      disk.cut();
      disk.restart();
      if (loses) {
        for (const name of await disk.list("manifest")) await disk.remove(`manifest/${name}`);
        await disk.syncDir("manifest");
      }
      const again = await openOn(disk, new SimClock());
      expect([at, again.damaged.size]).toEqual([at, 0]);
      const rows = await rowsOf(again, disk);
      const isShed = (hour: number) => !rows.includes(`hour-${hour} 8`);
      expect([at, rows]).toEqual([at, expected(isShed)]);
      await simCompaction(again, disk).shed(severityClasses.debug);
      expect([at, await rowsOf(again, disk)]).toEqual([at, expected(() => true)]);
      return operations;
    };
    const operations = await run(Infinity);
    expect(operations).toBeGreaterThan(25);
    for (let at = 1; at <= operations; at++) await run(at);
  });
}

/** What is left when the hours for which it says so were gone through. */
function expected(isShed: (hour: number) => boolean): string[] {
  return Array.from(
    { length: hours },
    (_, hour) =>
      severities.filter((severity) => !(isShed(hour) && goes(severity))).map((severity) =>
        `hour-${hour} ${severity}`
      ),
  ).flat().sort();
}

async function start(seed: number) {
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
  const process = disk.process();
  return { disk, process, store: await openOn(process, new SimClock()) };
}

function openOn(disk: Disk, clock: SimClock): Promise<Store> {
  const random = seededRandom(++opened); // ids of two lives differ
  const env = { disk, clock, random, log: silentLog, encoder: inProcessEncoder(), metrics: new Metrics() };
  return openStore(env, defaultStoreOptions);
}

async function rowsOf(store: Store, disk: Disk): Promise<string[]> {
  const { segments, release } = store.pin("default", "logs");
  try {
    return (await segmentBodies(segments, disk)).sort();
  } finally {
    release();
  }
}

async function send(store: Store, clock: SimClock, hour: number, severityNumber: number): Promise<void> {
  const timeUnixNano = String(clock.nowNs() - BigInt(hour) * 3_600_000_000_000n);
  const logRecords = [{
    timeUnixNano,
    severityNumber,
    body: { stringValue: `hour-${hour} ${severityNumber}` },
  }];
  await store.ingest(logRequest(logRecords));
}
