/**
 * A life after another of a whole store on a disk that fails: requests, re-sent requests, flushes, merges; then a
 * power cut, a kill or a close, at any operation; then a recovery that is held against what was sent and acknowledged.
 *
 * Promises: every acknowledged request is there, whole and once, also when its client sent it again; a request that
 * was refused or cut off is there whole and once, or not at all; nothing is there that was never sent; every segment
 * that the manifest names is on the disk with its size.
 */
import type { Disk } from "../../core/env/disk.ts";
import { silentLog } from "../../core/env/log.ts";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { columnIndex } from "../../core/model/columns.ts";
import type { Utf8Vector } from "../../core/model/vector.ts";
import { startStore } from "../../core/store/open.ts";
import type { FreshIndexing } from "../../core/store/fresh-index.ts";
import type { PinnedStream } from "../../core/store/pin.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { loadParquetWasm } from "./parquet-wasm.ts";
import { SimClock } from "./clock.ts";
import { segmentBodies, type SimCompaction, simCompaction } from "./compaction.ts";
import { SimDisk, type SimDiskOptions } from "./disk.ts";
import { checkAllIndexes, search, simIndexing } from "./indexing.ts";

export interface StoreScenario extends SimDiskOptions {
  /** Whether operations fail besides the cuts. */
  readonly failures?: boolean;
  /** Whether the manifest is lost now and then while the store is closed. */
  readonly losesManifest?: boolean;
  /** Whether segments are merged, the merged ones' files go, and readers read meanwhile. */
  readonly compacts?: boolean;
  /** Whether requests come while a recovery is under way. */
  readonly hurries?: boolean;
  /** Whether somebody searches, so that flushes index what they write. */
  readonly searches?: boolean;
  /** Bytes of a stream's rows at which it is flushed: a few requests' worth makes a recovery flush as it goes. */
  readonly flushBytes?: number;
}

export interface StoreScenarioResult {
  readonly acknowledged: number;
  readonly refused: number;
  readonly duplicates: number;
  readonly flushes: number;
  readonly flushesInReplay: number;
  /** Acknowledged before the recovery of their life had ended. */
  readonly besideReplay: number;
  readonly mergedRows: number;
  /** Segments that flushes indexed. */
  readonly indexed: number;
  readonly rows: number;
  readonly operations: number;
}

const tenants = ["alpha", "beta"];
const hourMs = 3_600_000;

export interface Request {
  readonly name: string;
  readonly tenant: string;
  readonly rows: number;
  readonly body: Uint8Array;
  /** Beyond ten minutes of its first reception the same bytes are a new request. */
  firstSentMs?: number;
  state: "unknown" | "acknowledged";
}

export async function runStoreScenario(
  seed: number,
  scenario: StoreScenario = {},
): Promise<StoreScenarioResult> {
  loadParquetWasm();
  const random = seededRandom(seed);
  const disk = new SimDisk(seed, scenario);
  const clock = new SimClock();
  const requests: Request[] = [];
  const result = {
    acknowledged: 0,
    refused: 0,
    duplicates: 0,
    flushes: 0,
    flushesInReplay: 0,
    besideReplay: 0,
    mergedRows: 0,
    indexed: 0,
    rows: 0,
    operations: 0,
  };
  const lives = 2 + randomBelow(random, 4);
  for (let life = 0; life <= lives; life++) {
    disk.restart();
    if (scenario.losesManifest && randomBelow(random, 2) === 0) await loseManifest(disk);
    const isQuiet = life === lives;
    if (!isQuiet) arm(disk, random, scenario);
    const process = disk.process();
    const metrics = new Metrics();
    const fresh = scenario.searches ? simIndexing(process, clock, random) : undefined;
    const store = await open(process, clock, random, metrics, { flushBytes: scenario.flushBytes, fresh });
    if (scenario.hurries && store !== undefined && !isQuiet) {
      await hurry(store, clock, random, requests, result);
    }
    const isBack = await store?.recovered.then(() => true, expected);
    if (store === undefined || !isBack) {
      if (isQuiet) throw new Error("a sound disk did not open");
      disk.cut();
      continue;
    }
    result.flushesInReplay += metrics.total("openwit_flushes_total");
    result.rows = await check(store, process, requests, disk);
    if (isQuiet) await checkAllIndexes(store, disk);
    if (isQuiet) break;
    const compaction = scenario.compacts ? simCompaction(store, process) : undefined;
    await live(store, clock, random, requests, result, compaction, fresh);
    result.mergedRows += metrics.total("openwit_compacted_rows_total");
    result.indexed += fresh?.built ?? 0;
    result.flushes += metrics.total("openwit_flushes_total");
    await end(store, disk, random);
  }
  result.acknowledged = requests.filter(({ state }) => state === "acknowledged").length;
  return { ...result, operations: disk.operations };
}

function arm(disk: SimDisk, random: Random, { failures }: StoreScenario): void {
  if (randomBelow(random, 3) > 0) disk.cutAt(disk.operations + 1 + randomBelow(random, 250));
  if (failures) disk.failOften(10 + randomBelow(random, 60), randomBelow(random, 2) ? "io" : "disk_full");
}

export async function open(
  disk: Disk,
  clock: SimClock,
  random: Random,
  metrics: Metrics,
  { flushBytes = 400_000, fresh }: { flushBytes?: number; fresh?: FreshIndexing } = {},
): Promise<Store | undefined> {
  const env = { disk, clock, random, log: silentLog, encoder: inProcessEncoder(), metrics };
  try {
    return await startStore({ ...env, fresh }, {
      ...defaultStoreOptions,
      wal: { sync: "always", intervalMs: 100, fileBytesMax: 4_000, fileAgeMsMax: 60_000 },
      flushBytes,
    });
  } catch (error) {
    if (error instanceof OpenWitError && ["io", "disk_full"].includes(error.code)) return undefined;
    throw error;
  }
}

/** Requests, new ones and again, from the first turn of a life on, while it brings back the rows of the last one. */
async function hurry(
  store: Store,
  clock: SimClock,
  random: Random,
  requests: Request[],
  result: { refused: number; duplicates: number; besideReplay: number },
): Promise<void> {
  const underWay: Promise<unknown>[] = [];
  for (let sent = randomBelow(random, 8); sent > 0; sent--) {
    const last = requests.at(-1 - randomBelow(random, Math.max(1, Math.min(6, requests.length))));
    const isAgain = last !== undefined && randomBelow(random, 3) === 0 &&
      clock.monotonicMs() - (last.firstSentMs ?? 0) < 500_000;
    const request = isAgain ? last : newRequest(requests, clock, random);
    underWay.push(
      send(store, clock, request, result).then(() => {
        if (store.isRecovering && request.state === "acknowledged") result.besideReplay++;
      }),
    );
    if (randomBelow(random, 6) === 0) underWay.push(store.flush().catch(expected));
    for (let turn = randomBelow(random, 10); turn > 0; turn--) await Promise.resolve();
  }
  await Promise.all(underWay);
}

/** Requests and flushes, several at a time, until the life's steps are over or the power is gone. */
async function live(
  store: Store,
  clock: SimClock,
  random: Random,
  requests: Request[],
  result: { refused: number; duplicates: number },
  compaction: SimCompaction | undefined,
  fresh: FreshIndexing | undefined,
): Promise<void> {
  const steps = 5 + randomBelow(random, 30);
  const underWay: Promise<unknown>[] = [];
  const readers: (() => void)[] = [];
  for (let step = 0; step < steps; step++) {
    const dice = randomBelow(random, compaction === undefined ? 12 : 18);
    if (dice >= 16) underWay.push(compaction!.readTwice(tenants[randomBelow(random, 2)], clock));
    else if (dice === 15) underWay.push(compaction!.sweep());
    else if (dice >= 12) underWay.push(compaction!.merge(randomBelow(random, 4) === 0));
    else if (dice < 6) underWay.push(send(store, clock, newRequest(requests, clock, random), result));
    else if (dice < 8) {
      const again = requests.at(-1 - randomBelow(random, Math.max(1, requests.length)));
      // Within the window the same bytes are the same request; a client does not wait for longer.
      const isRecent = clock.monotonicMs() - (again?.firstSentMs ?? 0) < 500_000;
      if (again !== undefined && isRecent) underWay.push(send(store, clock, again, result));
    } else if (dice < 10) {
      if (fresh !== undefined) { for (const tenant of tenants) await search(store, fresh, tenant); }
      underWay.push(store.flush().catch(expected));
    } else if (dice === 10 && readers.length < 3) {
      readers.push(holdReader(store, tenants[randomBelow(random, 2)]));
    } else if (dice === 10) await clock.advance(randomBelow(random, 200_000));
    else await Promise.all(underWay.splice(0));
    // Some turns of the event loop, so that a life is not one burst.
    for (let turn = randomBelow(random, 20); turn > 0; turn--) await Promise.resolve();
  }
  await Promise.all(underWay);
  for (const end of readers) end();
}

export async function send(
  store: Store,
  clock: SimClock,
  request: Request,
  result: { refused: number; duplicates: number },
): Promise<void> {
  request.firstSentMs ??= clock.monotonicMs();
  try {
    const { duplicate } = await store.ingest({
      tenant: request.tenant,
      signal: "logs",
      protocol: "otlp-http",
      encoding: "json",
      body: request.body,
      wire: request.body,
      compression: "identity",
    });
    request.state = "acknowledged";
    if (duplicate) result.duplicates++;
  } catch (error) {
    expected(error);
    result.refused++;
  }
}

export function newRequest(requests: Request[], clock: SimClock, random: Random): Request {
  const name = `request-${requests.length}`;
  const rows = 1 + randomBelow(random, 4);
  // Two hours and the late lane, so that a flush writes several files.
  const hoursAgo = [0, 0, 0, 1, 1_000][randomBelow(random, 5)];
  const timeUnixNano = String(clock.nowNs() - BigInt(hoursAgo * hourMs) * 1_000_000n);
  const logRecords = Array.from({ length: rows }, (_, row) => ({
    timeUnixNano,
    body: { stringValue: `${name} ${row}` },
  }));
  const request: Request = {
    name,
    tenant: tenants[randomBelow(random, tenants.length)],
    rows,
    body: new TextEncoder().encode(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] })),
    state: "unknown",
  };
  requests.push(request);
  return request;
}

async function end(store: Store, disk: SimDisk, random: Random): Promise<void> {
  switch (randomBelow(random, 4)) {
    case 0:
      await store.close({ flush: randomBelow(random, 2) === 0 }).catch(expected);
      return disk.kill();
    case 1:
      return disk.kill();
    default:
      return disk.cut();
  }
}

/** Holds what the store shows against what was sent; returns the rows. */
export async function check(
  store: Store,
  disk: Disk,
  requests: readonly Request[],
  sim: SimDisk,
): Promise<number> {
  if (store.damaged.size > 0) throw new Error(`damaged: ${[...store.damaged.values()].join("; ")}`);
  const found = new Map<string, Set<string>>();
  let rows = 0;
  try {
    for (const tenant of tenants) {
      for (const text of await bodiesOf(store, disk, tenant)) {
        const name = text.split(" ")[0];
        const of = found.get(name) ?? new Set();
        if (of.has(text)) throw new Error(`${text} is there twice`);
        found.set(name, of.add(text));
        if (requests.find((each) => each.name === name)?.tenant !== tenant) {
          throw new Error(`${text} is ${tenant}'s`);
        }
        rows++;
      }
    }
  } catch (error) {
    if (sim.isOff || error instanceof OpenWitError) return 0; // cut or failing while looking: the next life looks again
    throw error;
  }
  for (const request of requests) {
    const count = found.get(request.name)?.size ?? 0;
    if (count === 0 && request.state === "unknown") continue;
    if (count !== request.rows) {
      throw new Error(`${request.name} (${request.state}) has ${count} of ${request.rows} rows`);
    }
  }
  return rows;
}

async function bodiesOf(store: Store, disk: Disk, tenant: string): Promise<string[]> {
  const { segments, chunks, release } = store.pin(tenant, "logs");
  try {
    return [...await segmentBodies(segments, disk), ...memtableBodies(chunks)];
  } finally {
    release();
  }
}

function memtableBodies(chunks: PinnedStream["chunks"]): string[] {
  return chunks.flatMap(({ chunk, rows }) => {
    const vector = chunk.vectors[columnIndex("logs", "body")] as Utf8Vector;
    return Array.from({ length: rows }, (_, row) => vector.text(row)!);
  });
}

/** A reader that holds a pin over whatever comes; returned is the end of its reading, which finds the same rows. */
function holdReader(store: Store, tenant: string): () => void {
  const { chunks, release } = store.pin(tenant, "logs");
  const before = memtableBodies(chunks).join();
  return () => {
    if (memtableBodies(chunks).join() !== before) throw new Error("rows changed under a reader");
    release();
  };
}

async function loseManifest(disk: SimDisk): Promise<void> {
  for (const name of await disk.list("manifest")) await disk.remove(`manifest/${name}`);
  await disk.syncDir("manifest").catch(expected); // there is none before the first life
}

/** What a failing disk may answer; anything else is a bug. */
function expected(error: unknown): void {
  if (error instanceof OpenWitError && ["io", "disk_full", "unavailable", "not_found"].includes(error.code)) {
    return;
  }
  throw error;
}
