/**
 * One life of a store, in which each operation of the disk in turn fails or loses the power: taking requests, flushing
 * them into several files with their indexes, freeing the WAL, closing. Afterwards a sound start finds what was acknowledged,
 * once, and no index of what is not there.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { seededRandom } from "../../core/env/random.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { SimClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import { checkAllIndexes, search, simIndexing } from "./indexing.ts";
import { loadParquetWasm } from "./parquet-wasm.ts";
import { check, newRequest, open, type Request, send } from "./store-scenario.ts";

setDefaultTimeout(120_000);
loadParquetWasm();

type Fault = "io" | "disk_full" | "cut";

interface Outcome {
  readonly operations: number;
  /** Requests that held. */
  readonly acknowledged: number;
  readonly indexed: number;
}

/** Runs the life with a fault at operation `at`. */
async function runLife(fault: Fault, at: number): Promise<Outcome> {
  const disk = new SimDisk(at);
  const clock = new SimClock();
  const random = seededRandom(7);
  const requests: Request[] = [];
  const counts = { refused: 0, duplicates: 0 };
  disk.restart();
  if (fault === "cut") disk.cutAt(at);
  else disk.failAt(at, fault);
  const first = disk.process();
  const fresh = simIndexing(first, clock, seededRandom(8));
  const store = await open(first, clock, random, new Metrics(), { fresh });
  if (store !== undefined) {
    for (let round = 0; round < 3; round++) {
      const sent = [0, 1, 2].map(() => newRequest(requests, clock, random));
      await Promise.all(sent.map((request) => send(store, clock, request, counts)));
      for (const tenant of ["alpha", "beta"]) await search(store, fresh, tenant);
      await store.flush().catch(() => {}); // that is what fails: what it must not lose is checked below
    }
    for (const request of requests) await send(store, clock, request, counts); // as a client that was not answered
    await store.close().catch(() => {}); // as above
  }
  const { operations } = disk;
  disk.cut();
  disk.restart();
  const process = disk.process();
  const again = await open(process, clock, random, new Metrics());
  await again!.recovered;
  await check(again!, process, requests, disk);
  await checkAllIndexes(again!, disk);
  const acknowledged = requests.filter(({ state }) => state === "acknowledged").length;
  return { operations, acknowledged, indexed: fresh.built };
}

for (const fault of ["io", "disk_full", "cut"] as const) {
  test(`a store in which operation n meets ${fault === "cut" ? "a power cut" : fault}, for every n, loses and doubles nothing`, async () => {
    const { operations, indexed } = await runLife(fault, Infinity);
    expect(operations).toBeGreaterThan(100);
    expect(indexed).toBeGreaterThan(1);
    let acknowledged = 0;
    for (let at = 1; at <= operations; at++) {
      try {
        acknowledged += (await runLife(fault, at)).acknowledged;
      } catch (cause) {
        throw new Error(`operation ${at}: ${(cause as Error).message}`, { cause });
      }
    }
    expect(acknowledged).toBeGreaterThan(operations);
  });
}

test("what a process removed and did not sync stays away once the next one has started", async () => {
  const folder = "parquet/alpha/2026/01/01/0123456789abcdef", path = `${folder}/logs-00-L0-1_active.parquet`;
  let back = 0;
  for (let seed = 0; seed < 20; seed++) {
    /** @param isStarted whether a store is opened between the removal and the power cut */
    const isBack = async (isStarted: boolean) => {
      const disk = new SimDisk(seed);
      const first = disk.process();
      await first.makeDir(folder);
      const file = await first.open(path, "create");
      await file.write(new Uint8Array(10), 0);
      await file.sync();
      await file.close();
      await first.syncDir(folder);
      await first.remove(path);
      disk.kill();
      if (isStarted) await open(disk.process(), new SimClock(), seededRandom(seed), new Metrics());
      disk.cut();
      disk.restart();
      return await disk.stat(path) !== undefined;
    };
    if (await isBack(false)) back++;
    expect(await isBack(true)).toBe(false);
  }
  expect(back).toBeGreaterThan(0);
});
