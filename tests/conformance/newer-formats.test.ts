/**
 * What a newer build has written: a start of this one refuses politely or passes over it, and so do verify and its
 * repair; whichever it is, no byte of the file is changed, moved or removed.
 */
import { beforeAll, expect, test } from "bun:test";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import type { Disk } from "../../core/env/disk.ts";
import { OpenWitError } from "../../core/error.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { readParquetFooter } from "../../core/segment/reader.ts";
import { rewriteKeyValues } from "../../core/segment/rewrite.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { crc32c } from "../../core/wal/crc32c.ts";
import { repairFolder } from "../../core/verify/repair.ts";
import { verifyFolder } from "../../core/verify/verify.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { SimClock } from "../sim/clock.ts";
import { SimDisk } from "../sim/disk.ts";
import { logRequest } from "../sim/log-request.ts";

type Files = Map<string, Uint8Array>;
let sound: Files;

beforeAll(async () => {
  const disk = new SimDisk(1);
  const store = await openOn(disk);
  await send(store, "flushed");
  await store.flush();
  await send(store, "in the WAL");
  await store.close();
  sound = disk.files();
});

interface Case {
  readonly what: string;
  /** Makes a file of the folder newer, and says which. */
  readonly age: (disk: SimDisk) => Promise<string>;
  /** Code of what a start throws; "starts" when it passes over the file. */
  readonly start: string;
}

const cases: readonly Case[] = [
  { what: "a manifest", age: (disk) => bump(disk, "manifest/", ".log"), start: "unsupported" },
  { what: "a WAL file", age: (disk) => bump(disk, "wal/", ".wal", walHeader), start: "unsupported" },
  {
    what: "the hashes of a freed WAL file",
    age: (disk) => bump(disk, "wal/", ".seen", seenEnd),
    start: "unsupported",
  },
  { what: "a segment that the manifest names", age: newerSegment, start: "starts" },
  {
    what: "a segment beside a lost manifest",
    age: async (disk) => {
      for (const name of await disk.list("manifest")) await disk.remove(`manifest/${name}`);
      await disk.syncDir("manifest");
      return await newerSegment(disk);
    },
    start: "unsupported",
  },
  {
    what: "a segment that the manifest does not name",
    age: async (disk) => {
      const store = await openOn(disk);
      const [{ id }] = store.manifest.state.segments.values();
      await store.manifest.commit({ remove: [id] });
      await store.close();
      return await newerSegment(disk);
    },
    start: "starts",
  },
];

for (const { what, age, start } of cases) {
  test(`${what} of a newer version is left alone, and ${start === "starts" ? "passed over" : "refused"}`, async () => {
    const disk = await diskOf(sound);
    const path = await age(disk);
    const bytes = disk.files().get(path)!;
    const untouched = () =>
      expect(Buffer.compare(disk.files().get(path) ?? new Uint8Array(0), bytes)).toBe(0);
    const said = await verifyFolder({ disk }, options).then(
      ({ findings }) => findings.filter(({ kind }) => kind === "newer_version").length,
      (error) => (error as OpenWitError).code,
    );
    expect([1, "unsupported"]).toContain(said);
    if (said === 1) {
      const before = await verifyFolder({ disk }, options);
      const env = { disk, random: seededRandom(5), log: silentLog };
      await repairFolder(env, before, options).catch((error) => expect(error.code).toBe("unsupported"));
    }
    untouched();
    const opened = await openOn(disk).then((store) => store, (error: OpenWitError) => error);
    if (opened instanceof OpenWitError) {
      expect([opened.code, opened.hint]).toEqual([start, expect.stringMatching(/version/)]);
    } else {
      expect(start).toBe("starts");
      await opened.close();
    }
    untouched();
  });
}

const options = { deep: false, isLive: () => false };

/** The version stands at byte 8 of every format of ours; raises it in the first such file. */
async function bump(
  disk: SimDisk,
  folder: string,
  suffix: string,
  seal: (bytes: Uint8Array) => void = () => {},
): Promise<string> {
  const path = [...disk.files().keys()].find((each) => each.startsWith(folder) && each.endsWith(suffix))!;
  const bytes = disk.files().get(path)!.slice();
  bytes[8]++;
  seal(bytes);
  const file = await disk.open(path, "update");
  await file.write(bytes, 0);
  await file.sync();
  await file.close();
  return path;
}

/** Its checksum covers the version, and a copy of it follows. */
function walHeader(bytes: Uint8Array): void {
  new DataView(bytes.buffer).setUint32(28, crc32c(bytes.subarray(0, 28)), true);
  bytes.copyWithin(32, 0, 32);
}

/** Its checksum is its end. */
function seenEnd(bytes: Uint8Array): void {
  new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32c(bytes.subarray(0, -4)), true);
}

async function newerSegment(disk: SimDisk): Promise<string> {
  const path = [...disk.files().keys()].find((each) => each.endsWith(".parquet"))!;
  const { keyValues, bytes } = await readParquetFooter(disk, path);
  await rewriteKeyValues(disk, path, { ...keyValues, "openwit.format": "2" });
  expect((await readParquetFooter(disk, path)).bytes).toBe(bytes); // as the manifest says
  return path;
}

async function diskOf(files: Files): Promise<SimDisk> {
  const disk = new SimDisk(2);
  for (const [path, bytes] of files) {
    await disk.makeDir(path.slice(0, path.lastIndexOf("/")));
    const file = await disk.open(path, "create");
    await file.write(bytes, 0);
    await file.sync();
    await file.close();
    await disk.syncDir(path.slice(0, path.lastIndexOf("/")));
  }
  return disk;
}

function openOn(disk: Disk): Promise<Store> {
  const env = {
    disk,
    clock: new SimClock(),
    random: seededRandom(3),
    log: silentLog,
    encoder: inProcessEncoder(),
    metrics: new Metrics(),
  };
  return openStore(env, defaultStoreOptions);
}

async function send(store: Store, text: string): Promise<void> {
  const logRecords = [{ body: { stringValue: text } }];
  await store.ingest(logRequest(logRecords));
}
