/**
 * Power cuts on a real file system (ext4.ts) with PGlite on it: under commits, amid checkpoints, while a new folder is
 * made. What was answered is there, and the folder always opens again.
 *
 * Rounds: CATALOG_CUT_ROUNDS (8), for the server a quarter of them.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { bunPath } from "../../compile/bun.mjs";
import { Box } from "./box.ts";
import { Ext4 } from "./ext4.ts";
import { Ledger } from "./ledger.ts";

const rounds = Number(process.env.CATALOG_CUT_ROUNDS ?? 8);
const volume = new Ext4();
if (volume.whyNot !== undefined) console.log(`power cuts: skipped, for ${volume.whyNot}`);
const here = test.if(volume.whyNot === undefined);

afterAll(() => volume.remove());

here(
  "a power cut loses no commit of the catalog that was answered, and leaves a folder that opens",
  async () => {
    const dataDir = join(volume.mountPoint, "pglite");
    let commits = 0;
    let answered = 0;
    let fresh = 0;
    for (let round = 0; round < rounds; round++) {
      expect(volume.mount()).toBe("");
      mkdirSync(dataDir, { recursive: true });
      // Every fifth cut comes while the folder is made, or soon after.
      const isNew = round % 5 === 4;
      if (isNew) {
        rmSync(join(dataDir, "catalog"), { recursive: true, force: true });
        answered = 0;
        fresh++;
      }
      const writer = writerOf(dataDir, "write");
      let after = 0;
      const reading = eachLine(writer.stdout, (line) => {
        after = Number(line);
        commits++;
      });
      if (isNew) await Bun.sleep(200 + (round * 211) % 1_500);
      else {
        for (let waits = 0; after === 0 && waits < 3_000; waits++) await Bun.sleep(10);
        await Bun.sleep(300 + (round * 173) % 1_200);
      }
      expect(volume.cut()).toBe("");
      await Bun.sleep(50); // what is written into the void now must not be answered
      writer.kill("SIGKILL");
      await writer.exited;
      await reading;
      answered = Math.max(answered, after);
      expect(volume.unmount()).toBe("");

      expect(volume.mount()).toBe("");
      const [last, rows, bytes, renewed] = await check(dataDir);
      expect(renewed).toBe(0);
      expect(last).toBeGreaterThanOrEqual(answered);
      expect([rows, bytes]).toEqual([last, last * 1_000]);
      answered = last;
      expect(volume.unmount()).toBe("");
    }
    console.log(
      `${rounds} power cuts, ${fresh} of them at a new folder: ${commits} commits answered, 0 lost`,
    );
    expect(commits).toBeGreaterThan(rounds);
  },
  900_000,
);

here(
  "a server whose power is cut finds its catalog as it was told, and loses and doubles no record",
  async () => {
    const config =
      "metastore:\n  kind: pglite\n  write_interval: 100ms\nmemory:\n  limit: 1GiB\nsearch:\n  timeout: 240s\n" +
      "processing:\n  flush_size: 256KiB\n  flush_age: 1s\n  compaction_interval: 300ms\nwal:\n  file_size: 64KiB\n";
    const ledger = new Ledger();
    let known = 0;
    let seen: unknown[] = [];
    const cuts = Math.ceil(rounds / 4);
    for (let round = 0; round <= cuts; round++) {
      expect(volume.mount()).toBe("");
      await using box = new Box(["--config", "catalog.yaml"], join(volume.mountPoint, "data"));
      await Bun.write(join(box.folder, "catalog.yaml"), config);
      await box.start();
      await ledger.settle(box);
      const now = await knownBatches(box);
      expect(seen.filter((each) => !now.includes(each))).toEqual([]);
      expect(new Set(now).size).toBe(now.length);
      expect(box.stderr).not.toContain("begun anew");
      if (round === cuts) {
        expect(await box.stop()).toBe(0);
        break;
      }
      const stop = ledger.run(box);
      await Bun.sleep(1_500 + (round * 173) % 500);
      seen = await knownBatches(box);
      known += seen.length;
      await Bun.sleep(round * 37 % 200);
      expect(volume.cut()).toBe("");
      await Bun.sleep(20);
      await box.kill();
      await stop();
      expect(volume.unmount()).toBe("");
    }
    console.log(`${cuts} power cuts of a server: ${known} batches known before them, all known after`);
    expect(known).toBeGreaterThan(cuts);
  },
  900_000,
);

/** Those that the catalog was told of as they happened: the manifest cannot say when their rows became visible. */
async function knownBatches(box: Box): Promise<unknown[]> {
  const sql =
    "SELECT concat_ws('/', signal, lsn_to, ingested) FROM system.batch_history WHERE ingested IS NOT NULL";
  return (await box.rows(sql)).map(([batch]) => batch);
}

function writerOf(dataDir: string, mode: "write" | "check") {
  return Bun.spawn([bunPath(), join(import.meta.dir, "catalog-writer.ts"), dataDir, mode], {
    stdout: "pipe",
    stderr: "ignore",
  });
}

async function check(dataDir: string): Promise<number[]> {
  const checker = writerOf(dataDir, "check");
  const text = await new Response(checker.stdout).text();
  expect(await checker.exited).toBe(0);
  return text.trim().split(" ").map(Number);
}

async function eachLine(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) take(line);
  }
}
