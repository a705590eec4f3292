/**
 * kill -9 under load, again and again: every acknowledged record is there, once, and a batch is whole or absent.
 * Rounds: KILL_ROUNDS (20).
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import process from "node:process";
import { Box } from "./box.ts";
import { Ledger } from "./ledger.ts";

const rounds = Number(process.env.KILL_ROUNDS ?? 20);

test("kill -9 under load loses and doubles no acknowledged record", async () => {
  await using box = new Box(["--config", "small.yaml"]);
  await Bun.write(join(box.folder, "small.yaml"), smallFiles);
  const ledger = new Ledger();
  for (let round = 0; round < rounds; round++) {
    await box.start();
    const stop = ledger.run(box);
    // 50 to 450 ms, spread over the rounds: in the middle of WAL writes, flushes and manifest edits alike.
    await Bun.sleep(50 + (round * 137) % 400);
    if (round % 4 === 3) {
      void fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" }).catch(() => {});
    }
    await Bun.sleep(round % 3 * 5);
    await box.kill();
    await stop();
  }
  await box.start();
  const found = await ledger.settle(box);
  expect(ledger.refused).toEqual([]);
  expect(ledger.acknowledged.size).toBeGreaterThan(rounds);
  console.log(
    `${rounds} kills: ${ledger.acknowledged.size} requests acknowledged, ${found} records found, 0 lost, 0 doubled`,
  );

  expect(await box.stop()).toBe(0);
  const offline = await box.run(
    "query",
    "--data-dir",
    box.dataDir,
    "--format",
    "csv",
    "SELECT count(*) AS n FROM logs",
  );
  expect(offline.stdout.trim().split("\n").at(-1)).toBe(String(found));
}, 300_000);

/** Small flushes and WAL files and frequent merges, so that kills fall into them too. */
const smallFiles =
  "processing:\n  flush_size: 256KiB\n  flush_age: 1s\n  compaction_interval: 300ms\nwal:\n  file_size: 64KiB\n";
