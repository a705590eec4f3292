/**
 * Power cuts on a real file system: an ext4 of its own on a loop device is shut down under load by the
 * EXT4_IOC_SHUTDOWN ioctl, which drops everything that was not synced, as the loss of power does (the journal not
 * flushed); then it is mounted again, its journal replayed, and the box started.
 *
 * Rounds: CUT_ROUNDS (20). Needs root, mount and mkfs.ext4; skipped where they are not to be had.
 */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import process from "node:process";
import { Box } from "./box.ts";
import { Ext4 } from "./ext4.ts";
import { Ledger } from "./ledger.ts";

const rounds = Number(process.env.CUT_ROUNDS ?? 20);
const volume = new Ext4();
if (volume.whyNot !== undefined) console.log(`power cuts: skipped, for ${volume.whyNot}`);

afterAll(() => volume.remove());

test.if(volume.whyNot === undefined)(
  "power cuts under load lose and double no acknowledged record",
  async () => {
    const ledger = new Ledger();
    let found = 0;
    for (let round = 0; round <= rounds; round++) {
      expect(volume.mount()).toBe("");
      await using box = new Box(["--config", "small.yaml"], join(volume.mountPoint, "data"));
      await Bun.write(join(box.folder, "small.yaml"), smallFiles);
      await box.start();
      found = await ledger.settle(box);
      if (round === rounds) {
        expect(await box.stop()).toBe(0);
        break;
      }
      const stop = ledger.run(box);
      await Bun.sleep(100 + (round * 173) % 500);
      if (round % 3 === 2) {
        void fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" }).catch(() => {});
      }
      await Bun.sleep(round % 4 * 4);
      expect(volume.cut()).toBe("");
      await Bun.sleep(20); // what is written into the void now must not be acknowledged
      await box.kill();
      await stop();
      expect(volume.unmount()).toBe("");
    }
    expect(ledger.acknowledged.size).toBeGreaterThan(rounds * 5);
    console.log(
      `${rounds} power cuts: ${ledger.acknowledged.size} requests acknowledged, ${found} records found, 0 lost, 0 doubled`,
    );
  },
  600_000,
);

const smallFiles =
  "processing:\n  flush_size: 256KiB\n  flush_age: 1s\n  compaction_interval: 300ms\nwal:\n  file_size: 64KiB\n";
