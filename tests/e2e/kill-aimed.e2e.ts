/**
 * kill -9 in the middle of a flush, a merge, a manifest snapshot and an eviction, again and again: the test watches
 * the data folder for the first trace of each, and kills some milliseconds later. Every acknowledged record is there
 * and once, or was evicted as the oldest.
 *
 * Rounds of each: KILL_ROUNDS (20). What could be killed too late or too early is counted by the trace that is left.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Box } from "./box.ts";
import { Ledger } from "./ledger.ts";

const rounds = Number(process.env.KILL_ROUNDS ?? 20);

interface Aim {
  readonly config: string;
  /** Bytes of noise in each record. */
  readonly bodyBytes?: number;
  readonly evicts?: boolean;
  /** Asks for it, when it does not come by itself. */
  readonly provoke?: (box: Box) => void;
  /** A look at the data folder, once a millisecond: whether it is under way. */
  readonly watch: (dataDir: string) => () => boolean;
}

const aims: Record<string, Aim> = {
  "a flush": {
    config: "processing:\n  flush_size: 64KiB\n  flush_age: 100ms\n  compaction_interval: 1h\n" +
      "wal:\n  file_size: 32KiB\n",
    watch: (dataDir) => () => names(dataDir, "parquet").some((name) => /-L0-.*\.tmp$/.test(name)),
  },
  "a merge": {
    config: "processing:\n  flush_size: 64KiB\n  flush_age: 100ms\n  compaction_interval: 1h\n",
    provoke: (box) => post(box, "compact"),
    watch: (dataDir) => () => names(dataDir, "parquet").some((name) => /-L[12]-.*\.tmp$/.test(name)),
  },
  "a manifest snapshot": {
    // Merges keep the segments few, and so the snapshot small that the edits are measured by.
    config: "processing:\n  flush_size: 32KiB\n  flush_age: 50ms\n  compaction_interval: 200ms\n" +
      "storage:\n  manifest_size: 512B\n",
    provoke: (box) => post(box, "flush"),
    watch(dataDir) {
      let newest = Math.max(0, ...names(dataDir, "manifest").map((name) => parseInt(name)));
      return () => {
        const now = names(dataDir, "manifest");
        const grown = Math.max(0, ...now.map((name) => parseInt(name)));
        const isUnderWay = grown > newest || now.length > 1;
        newest = grown;
        return isUnderWay;
      };
    },
  },
  "an eviction": {
    config: "processing:\n  flush_size: 512KiB\n  flush_age: 200ms\n  compaction_interval: 1h\n" +
      "storage:\n  budget: 12MiB\nwal:\n  file_size: 256KiB\n",
    bodyBytes: 1_500,
    evicts: true,
    watch(dataDir) {
      let before = names(dataDir, "parquet").filter((name) => name.endsWith(".parquet"));
      return () => {
        const now = names(dataDir, "parquet").filter((name) => name.endsWith(".parquet"));
        const isUnderWay = before.some((name) => !now.includes(name));
        before = now;
        return isUnderWay;
      };
    },
  },
};

for (const [name, aim] of Object.entries(aims)) {
  test(`kill -9 in the middle of ${name} loses and doubles no acknowledged record`, async () => {
    await using box = new Box(["--config", "aim.yaml"]);
    await Bun.write(join(box.folder, "aim.yaml"), aim.config);
    const ledger = new Ledger(aim.bodyBytes);
    let hits = 0;
    for (let round = 0; round < rounds; round++) {
      await box.start();
      const stop = ledger.run(box);
      if (await strike(box, aim, round)) hits++;
      await stop();
    }
    await box.start();
    const { records, evicted } = aim.evicts
      ? await ledger.settleEvicted(box)
      : { records: await ledger.settle(box), evicted: 0 };
    console.log(
      `${rounds} kills, ${hits} of them in the middle of ${name}: ${ledger.acknowledged.size} requests acknowledged, ` +
        `${records} records found, ${evicted} evicted, 0 lost, 0 doubled`,
    );
    expect(hits).toBeGreaterThan(rounds / 2);
    expect(ledger.acknowledged.size).toBeGreaterThan(rounds);
    if (aim.evicts) expect(evicted).toBeGreaterThan(0);
    expect(await box.stop()).toBe(0);
  }, 60_000 + rounds * 15_000);
}

/** Kills when what is aimed at is seen, or after some seconds without; returns whether it was seen. */
async function strike(box: Box, aim: Aim, round: number): Promise<boolean> {
  await Bun.sleep(100 + round * 37 % 200);
  const isUnderWay = aim.watch(box.dataDir);
  const deadlineMs = performance.now() + 8_000;
  let isSeen = false;
  for (let look = 0; !isSeen && performance.now() < deadlineMs; look++) {
    if (look % 100 === 0) aim.provoke?.(box);
    isSeen = isUnderWay();
    if (!isSeen) await Bun.sleep(1);
  }
  await Bun.sleep([0, 0, 1, 3, 8, 20][round % 6]);
  await box.kill();
  return isSeen;
}

function names(dataDir: string, folder: string): string[] {
  const path = join(dataDir, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true }) as string[];
}

function post(box: Box, what: string): void {
  // It is cut off in the middle, which is the point.
  void fetch(`${box.endpoints.http}/api/v1/admin/${what}`, { method: "POST" }).catch(() => {});
}
