/**
 * A life after another of a store with a byte budget, on a small disk that loses power, fails and is filled by others:
 * requests, flushes and rounds of the budget at any time, with merges and manifest snapshots beside them when asked
 * for, and an end at any operation.
 *
 * Promises: an acknowledged request is there, whole and once, or its segment was evicted; when a segment is evicted
 * none of an older hour stays; when all is quiet a round leaves the folder within its budget; with `refuse`
 * nothing is evicted; and when the others have gone, requests are taken again.
 */
import { DiskBudget } from "../../core/budget/budget.ts";
import type { WhenFull } from "../../core/budget/eviction.ts";
import { type Disk, readFile } from "../../core/env/disk.ts";
import { silentLog } from "../../core/env/log.ts";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { columnIndex } from "../../core/model/columns.ts";
import type { Utf8Vector } from "../../core/model/vector.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { loadParquetWasm } from "./parquet-wasm.ts";
import { SimClock } from "./clock.ts";
import { simCompaction } from "./compaction.ts";
import { SimDisk } from "./disk.ts";
import { bodiesIn } from "./segment-texts.ts";

export interface BudgetScenario {
  readonly whenFull: WhenFull;
  readonly budgetBytes: number;
  /** Of the volume, when nobody else uses it. */
  readonly capacityBytes: number;
  /** Whether operations fail besides the cuts. */
  readonly failures?: boolean;
  /** Whether segments are merged meanwhile, and the manifest is compacted every few edits. */
  readonly compacts?: boolean;
}

export interface BudgetScenarioResult {
  acknowledged: number;
  refused: number;
  /** Requests in segments that were evicted, or may have been. */
  evicted: number;
  /** Rows that were merged, and manifest files that were begun. */
  mergedRows: number;
  snapshots: number;
  operations: number;
}

interface Request {
  readonly name: string;
  readonly body: Uint8Array;
  isAcknowledged: boolean;
  mayBeEvicted: boolean;
}

const hourNs = 3_600_000_000_000n;

export async function runBudgetScenario(
  seed: number,
  scenario: BudgetScenario,
): Promise<BudgetScenarioResult> {
  loadParquetWasm();
  const random = seededRandom(seed);
  const disk = new SimDisk(seed, scenario);
  const clock = new SimClock();
  const requests = new Map<string, Request>();
  const result = { acknowledged: 0, refused: 0, evicted: 0, mergedRows: 0, snapshots: 0, operations: 0 };
  const lives = 2 + randomBelow(random, 4);
  for (let life = 0; life <= lives; life++) {
    disk.restart();
    const isQuiet = life === lives;
    if (isQuiet) disk.capacityBytes = scenario.capacityBytes;
    else if (randomBelow(random, 3) > 0) disk.cutAt(disk.operations + 1 + randomBelow(random, 900));
    if (scenario.failures && !isQuiet) disk.failOften(15 + randomBelow(random, 80));
    const process = disk.process();
    const node = await open(process, disk, clock, random, requests, scenario).catch((error) => {
      if (isQuiet) throw error;
      return expected(error);
    });
    if (node === undefined) {
      disk.cut();
      continue;
    }
    await check(node.store, process, requests, disk);
    if (isQuiet) {
      await settle(node, scenario, disk, clock, requests);
      break;
    }
    await live(node, disk, clock, random, requests, result, scenario);
    result.mergedRows += node.store.env.metrics.total("openwit_compacted_rows_total");
    if (randomBelow(random, 3) === 0) await node.store.close().catch(expected);
    if (randomBelow(random, 2) === 0) disk.kill();
    else disk.cut();
  }
  result.snapshots = Math.max(...[...disk.files().keys()].map(manifestNumber));
  for (const { isAcknowledged, mayBeEvicted } of requests.values()) {
    if (isAcknowledged) result.acknowledged++;
    if (mayBeEvicted) result.evicted++;
  }
  if (scenario.whenFull === "refuse" && result.evicted > 0) throw new Error("something was evicted");
  return { ...result, operations: disk.operations };
}

interface Node {
  readonly store: Store;
  readonly budget: DiskBudget;
}

async function open(
  process: Disk,
  disk: SimDisk,
  clock: SimClock,
  random: Random,
  requests: ReadonlyMap<string, Request>,
  { budgetBytes, whenFull, compacts }: BudgetScenario,
): Promise<Node> {
  const encoder = inProcessEncoder();
  const env = { disk: process, clock, random, log: silentLog, encoder, metrics: new Metrics() };
  const budget = await DiskBudget.open(env, { budget: { bytes: budgetBytes }, whenFull });
  const store = await openStore(env, {
    ...defaultStoreOptions,
    wal: { sync: "always", intervalMs: 100, fileBytesMax: 8_000, fileAgeMsMax: 60_000 },
    flushBytes: 400_000,
    ...(compacts ? { manifestBytesMax: 1_000 } : {}),
  });
  budget.attach(store);
  noteEvictions(store, disk, requests);
  return { store, budget };
}

/** Notes what a retirement takes before it is made: a crash in it leaves either. */
function noteEvictions(store: Store, disk: SimDisk, requests: ReadonlyMap<string, Request>): void {
  const { retired, manifest } = store;
  const retire = retired.retire.bind(retired);
  retired.retire = (segments, edit, onVisible) => {
    if (edit?.add !== undefined) return retire(segments, edit, onVisible); // a merge: its rows stay
    const gone = new Set(segments.map(({ id }) => id));
    const newest = Math.max(...segments.map(({ hour }) => hour));
    for (const { id, hour } of manifest.state.segments.values()) {
      if (!gone.has(id) && hour < newest) throw new Error(`hour ${hour} stays, and ${newest} goes`);
    }
    const files = disk.files(); // costs no operation
    const taken = segments.flatMap(({ path }) => namesIn(files.get(path)!)).map((name) => requests.get(name)!)
      .filter(({ mayBeEvicted }) => !mayBeEvicted);
    for (const request of taken) request.mayBeEvicted = true;
    return retire(segments, edit, onVisible).catch((error) => {
      if (error instanceof OpenWitError && error.code === "conflict") { // a merge was first, and has them
        for (const request of taken) request.mayBeEvicted = false;
      }
      throw error;
    });
  };
}

function manifestNumber(path: string): number {
  return Number(/^manifest\/(\d+)\.log$/.exec(path)?.[1] ?? 0);
}

async function live(
  { store, budget }: Node,
  disk: SimDisk,
  clock: SimClock,
  random: Random,
  requests: Map<string, Request>,
  result: BudgetScenarioResult,
  { capacityBytes, compacts }: BudgetScenario,
): Promise<void> {
  const compaction = compacts ? simCompaction(store, store.env.disk) : undefined;
  const steps = 20 + randomBelow(random, 60);
  const underWay: Promise<unknown>[] = [];
  for (let step = 0; step < steps; step++) {
    const dice = randomBelow(random, compaction === undefined ? 14 : 18);
    if (dice >= 17) underWay.push(compaction!.sweep());
    else if (dice >= 14) underWay.push(compaction!.merge(randomBelow(random, 4) === 0));
    else if (dice < 7) underWay.push(send(store, newRequest(requests, clock, random), result));
    else if (dice < 9) underWay.push(store.flush().catch(expected));
    else if (dice < 11) underWay.push(budget.run().catch(expected));
    else if (dice === 11) await clock.advance(randomBelow(random, 300_000));
    // Others come and go; what they may take at most is all that is free.
    else if (dice === 12) disk.capacityBytes = capacityBytes - randomBelow(random, capacityBytes);
    else await Promise.all(underWay.splice(0));
    for (let turn = randomBelow(random, 20); turn > 0; turn--) await Promise.resolve();
  }
  await Promise.all(underWay);
}

/** On a sound disk, with nothing under way and nobody else on it. */
async function settle(
  { store, budget }: Node,
  { whenFull }: BudgetScenario,
  disk: SimDisk,
  clock: SimClock,
  requests: Map<string, Request>,
): Promise<void> {
  await clock.advance(3_600_000); // hashes of re-sent bodies have had their time
  await runRounds(store, budget, clock);
  const { usedBytes, budgetBytes } = budget.usage;
  // What refuses keeps room for a flush, but hardly for the footers of six files of a record each.
  const slack = whenFull === "refuse" ? 6 * 8_192 : 0;
  if (usedBytes > budgetBytes + slack) {
    throw new Error(`${usedBytes} bytes are used of a budget of ${budgetBytes}`);
  }
  if (whenFull === "refuse") return;
  const request = newRequest(requests, clock, seededRandom(requests.size));
  await send(store, request, { refused: 0 });
  if (request.isAcknowledged) return;
  // Only where nothing can give way is it right to refuse: no segment to evict, and a WAL that a flush finds no room
  // beside, on a disk of a few WAL files that others had filled. Room on the disk must then mend it by itself.
  const isWalAlone = store.manifest.state.segments.size === 0 &&
    budget.usage.freeBytes < store.wal.stats.bytes;
  if (!isWalAlone) throw new Error(`refused with room: ${budget.refusal}`);
  disk.capacityBytes *= 2;
  await runRounds(store, budget, clock);
  await send(store, request, { refused: 0 });
  if (!request.isAcknowledged) throw new Error(`refused although room has come: ${budget.refusal}`);
}

/** Rounds of the budget with flushes between them, as the node's own loops make them. */
async function runRounds(store: Store, budget: DiskBudget, clock: SimClock): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await budget.run();
    await store.flush().catch(expected); // there may be no room for it before a round has made some
    await budget.run();
    await clock.advance(10_000);
  }
}

async function send(store: Store, request: Request, result: { refused: number }): Promise<void> {
  try {
    await store.ingest({
      tenant: "default",
      signal: "logs",
      protocol: "otlp-http",
      encoding: "json",
      body: request.body,
      wire: request.body,
      compression: "identity",
    });
    request.isAcknowledged = true;
  } catch (error) {
    expected(error);
    result.refused++;
  }
}

/** One record of one of six hours, hard to compress. */
function newRequest(requests: Map<string, Request>, clock: SimClock, random: Random): Request {
  const name = `request-${requests.size}`;
  const timeUnixNano = String(clock.nowNs() - BigInt(randomBelow(random, 6)) * hourNs);
  const noise = new Uint8Array(Uint32Array.from({ length: 700 }, () => random.uint32()).buffer).toBase64();
  const logRecords = [{ timeUnixNano, body: { stringValue: `${name} ${noise}` } }];
  const body = new TextEncoder().encode(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }));
  const request = { name, body, isAcknowledged: false, mayBeEvicted: false };
  requests.set(name, request);
  return request;
}

async function check(
  store: Store,
  disk: Disk,
  requests: ReadonlyMap<string, Request>,
  sim: SimDisk,
): Promise<void> {
  const found = new Set<string>();
  const { segments, chunks, release } = store.pin("default", "logs");
  try {
    for (const { path } of segments) {
      for (const name of namesIn(await readFile(disk, path))) note(name);
    }
  } catch (error) {
    if (sim.isOff || error instanceof OpenWitError) return; // cut or failing while looking: the next life looks again
    throw error;
  } finally {
    release();
  }
  for (const { chunk, rows } of chunks) {
    const vector = chunk.vectors[columnIndex("logs", "body")] as Utf8Vector;
    for (let row = 0; row < rows; row++) note(vector.text(row)!.split(" ")[0]);
  }
  if (store.damaged.size > 0) throw new Error(`damaged: ${[...store.damaged.values()].join("; ")}`);
  for (const { name, isAcknowledged, mayBeEvicted } of requests.values()) {
    if (isAcknowledged && !mayBeEvicted && !found.has(name)) throw new Error(`${name} is lost`);
  }

  function note(name: string): void {
    if (found.has(name)) throw new Error(`${name} is there twice`);
    if (!requests.has(name)) throw new Error(`${name} was never sent`);
    found.add(name);
  }
}

function namesIn(parquet: Uint8Array): string[] {
  return bodiesIn(parquet).map((body) => body.split(" ")[0]);
}

/** What a failing disk and a budget may answer; anything else is a bug. */
function expected(error: unknown): undefined {
  const codes = ["io", "disk_full", "unavailable", "not_found"];
  if (error instanceof OpenWitError && codes.includes(error.code)) return undefined;
  throw error;
}
