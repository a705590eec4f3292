/** The budget over a store on a simulated disk: refusing, evicting, the reserve, and coming back. */
import { expect, test } from "bun:test";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { SimClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import type { OpenWitError } from "../../core/error.ts";
import type { IngestRequest } from "../../core/ingest/request.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { type BudgetOptions, DiskBudget } from "../../core/budget/budget.ts";
import { reservePath } from "../../core/budget/reserve.ts";
import { logRequest } from "./log-request.ts";

const capacityBytes = 4_000_000;

async function box(options: Partial<BudgetOptions> = {}, disk = new SimDisk(1, { capacityBytes })) {
  const clock = new SimClock();
  const random = seededRandom(7);
  const metrics = new Metrics();
  const env = { disk, clock, random, log: silentLog, encoder: inProcessEncoder(), metrics };
  const budget = await DiskBudget.open(env, {
    budget: { bytes: 2_000_000 },
    whenFull: "evict-oldest",
    ...options,
  });
  const store = await openStore(env, {
    ...defaultStoreOptions,
    wal: { ...defaultStoreOptions.wal, fileBytesMax: 100_000 },
  });
  budget.attach(store);
  await budget.run();
  let sent = 0;
  const send = (hoursAgo = 0) => store.ingest(request(`r${sent++}`, clock.nowNs(), hoursAgo));
  return { disk, clock, metrics, budget, store, send };
}

/** 12 KB that no encoder makes smaller. */
function request(name: string, nowNs: bigint, hoursAgo: number): IngestRequest {
  const random = seededRandom(Number(name.slice(1)) + 1);
  const bytes = new Uint8Array(Uint32Array.from({ length: 2_200 }, () => random.uint32()).buffer);
  const timeUnixNano = String(nowNs - BigInt(hoursAgo) * 3_600_000_000_000n);
  const logRecords = [{ timeUnixNano, eventName: name, body: { stringValue: bytes.toBase64() } }];
  return logRequest(logRecords);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(() => "taken", (error: OpenWitError) => error.code);
}

/** Another program takes what is left; its bytes are nowhere in the data folder. */
async function fill(disk: SimDisk, leaveBytes = 0): Promise<void> {
  disk.capacityBytes -= (await disk.space()).freeBytes - leaveBytes;
}

test("the oldest hours go, and after a round the folder is within its budget", async () => {
  const { budget, metrics, send, store } = await box();
  for (let hoursAgo = 40; hoursAgo >= 1; hoursAgo--) {
    for (let times = 0; times < 6; times++) await send(hoursAgo);
    await store.flush();
    await budget.run();
    expect(budget.usage.usedBytes).toBeLessThanOrEqual(budget.usage.budgetBytes);
  }
  const kept = [...store.manifest.state.segments.values()].map(({ hour }) => hour).sort((a, b) => a - b);
  const evicted = metrics.total("openwit_evicted_rows_total", { reason: "budget" });
  expect(evicted).toBeGreaterThan(20);
  expect(kept.length * 6 + evicted).toBe(240);
  expect(kept).toEqual(Array.from(kept, (_, index) => kept[0] + index));
});

test("with when_full refuse requests are refused before the budget is passed, and nothing goes", async () => {
  const { budget, metrics, send } = await box({ whenFull: "refuse" });
  let code = "taken";
  for (let times = 0; times < 300 && code === "taken"; times++) code = await codeOf(send());
  expect(code).toBe("disk_full");
  expect(budget.refusal).toContain("budget");
  await budget.run();
  expect(budget.usage.usedBytes).toBeLessThanOrEqual(budget.usage.budgetBytes);
  expect(metrics.total("openwit_evicted_segments_total")).toBe(0);
});

test("another program's bytes count: refused while it has them, taken when they are gone", async () => {
  const { budget, disk, send } = await box({ whenFull: "refuse" });
  await fill(disk, 10_000);
  await budget.run();
  expect(await codeOf(send())).toBe("disk_full");
  expect(budget.refusal).toContain("volume");
  disk.capacityBytes = capacityBytes;
  await budget.run();
  expect(await codeOf(send())).toBe("taken");
});

test("on a disk without a byte left the reserve makes eviction possible, and comes back", async () => {
  const { budget, disk, send, store } = await box();
  const { reserveBytes } = budget.usage;
  expect(reserveBytes).toBeGreaterThan(30_000);
  for (let hoursAgo = 9; hoursAgo >= 1; hoursAgo--) {
    await send(hoursAgo);
    await store.flush();
  }
  const before = store.manifest.state.segments.size;
  await fill(disk);
  await budget.run();
  expect(store.manifest.state.segments.size).toBeLessThan(before);
  expect(await codeOf(send())).toBe("taken");
  disk.capacityBytes = capacityBytes;
  await budget.run();
  expect(budget.usage.reserveBytes).toBeGreaterThanOrEqual(reserveBytes);
});

test("a folder on a full disk opens, and its reserve is what it opens with", async () => {
  const first = await box();
  for (let times = 0; times < 5; times++) await first.send();
  await first.store.close();
  await fill(first.disk);
  first.disk.restart();
  const second = await box({ whenFull: "refuse" }, first.disk);
  expect(second.store.memtableStats().find(({ signal }) => signal === "logs")!.rows).toBe(5);
  expect(second.budget.refusal).toContain("volume");
  expect((await second.disk.stat(reservePath))!.bytes).toBeLessThan(first.budget.usage.reserveBytes);
});

test("a query that holds an evicted file keeps it, and nothing more goes in its place", async () => {
  const { budget, metrics, send, store } = await box();
  for (let times = 0; times < 300; times++) {
    if (await codeOf(send(1 + times % 40)) !== "taken") break;
    if (times % 10 === 0) await store.flush();
  }
  const { release } = store.pin("default", "logs");
  await budget.run();
  const evicted = metrics.total("openwit_evicted_segments_total");
  expect(evicted).toBeGreaterThan(0);
  expect(store.retired.paths().length).toBe(evicted);
  for (let round = 0; round < 3; round++) await budget.run();
  expect(metrics.total("openwit_evicted_segments_total")).toBe(evicted);
  release();
  await budget.run();
  expect(store.retired.paths()).toEqual([]);
});

test("retention is off while the clock is not to be believed", async () => {
  const { budget, clock, metrics, send, store } = await box({ retentionMs: 3_600_000 });
  await send(1);
  await store.flush();
  const rightNs = clock.nowNs();
  clock.setWall(0n);
  await budget.run();
  expect(metrics.total("openwit_evicted_segments_total")).toBe(0);
  clock.setWall(rightNs + 7_200_000_000_000n);
  await budget.run();
  expect(metrics.total("openwit_evicted_segments_total", { reason: "age" })).toBe(1);
});

test("whole hours wait while something else gives room back, as long as requests find room", async () => {
  /** Fills up hour by hour until hours go; the room that was left before that. */
  const roomBeforeEviction = async (shedder?: () => boolean) => {
    const { budget, metrics, send, store } = await box({ budget: { bytes: 1_500_000 } });
    budget.shedder = shedder;
    let roomBytes = Infinity;
    for (
      let hoursAgo = 60;
      metrics.total("openwit_evicted_rows_total", { reason: "budget" }) === 0;
      hoursAgo--
    ) {
      roomBytes = budget.usage.budgetBytes - budget.usage.usedBytes;
      await send(hoursAgo);
      await store.flush();
      await budget.run();
      expect(budget.refusal).toBeUndefined();
    }
    return roomBytes;
  };
  let hurried = 0;
  const shedding = await roomBeforeEviction(() => ++hurried > 0);
  expect(hurried).toBeGreaterThan(1);
  const nothingLeft = await roomBeforeEviction(() => false);
  expect(shedding).toBeLessThan(nothingLeft);
  expect(nothingLeft).toBe(await roomBeforeEviction());
});
