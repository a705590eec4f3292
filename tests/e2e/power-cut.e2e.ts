/**
 * Power cuts on a real file system: an ext4 of its own on a loop device is shut down under load by the
 * EXT4_IOC_SHUTDOWN ioctl, which drops everything that was not synced, as the loss of power does (the journal not
 * flushed); then it is mounted again, its journal replayed, and the box started.
 *
 * Rounds: CUT_ROUNDS (20). Needs root, mount and mkfs.ext4; skipped where they are not to be had.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Box } from "./box.ts";
import { Ledger } from "./ledger.ts";

const rounds = Number(process.env.CUT_ROUNDS ?? 20);
const folder = mkdtempSync(join(tmpdir(), "openwit-cut-"));
const image = join(folder, "ext4.img");
const mountPoint = join(folder, "mnt");
const whyNot = prepare();
if (whyNot !== undefined) console.log(`power cuts: skipped, for ${whyNot}`);

afterAll(() => {
  sh("umount", "-l", mountPoint);
  rmSync(folder, { recursive: true, force: true });
});

test.if(whyNot === undefined)("power cuts under load lose and double no acknowledged record", async () => {
  const ledger = new Ledger();
  let found = 0;
  for (let round = 0; round <= rounds; round++) {
    expect(sh("mount", "-o", "loop", image, mountPoint)).toBe("");
    await using box = new Box(["--config", "small.yaml"], join(mountPoint, "data"));
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
    expect(shutDown()).toBe("");
    await Bun.sleep(20); // what is written into the void now must not be acknowledged
    await box.kill();
    await stop();
    expect(sh("umount", mountPoint)).toBe("");
  }
  expect(ledger.acknowledged.size).toBeGreaterThan(rounds * 5);
  console.log(
    `${rounds} power cuts: ${ledger.acknowledged.size} requests acknowledged, ${found} records found, 0 lost, 0 doubled`,
  );
}, 600_000);

const smallFiles =
  "processing:\n  flush_size: 256KiB\n  flush_age: 1s\n  compaction_interval: 300ms\nwal:\n  file_size: 64KiB\n";

/** Makes the file system; returns why it cannot be. */
function prepare(): string | undefined {
  if (process.getuid?.() !== 0) return "only root may mount";
  const failed = sh("truncate", "-s", "256M", image) || sh("mkfs.ext4", "-q", image) ||
    sh("mkdir", mountPoint) ||
    sh("mount", "-o", "loop", image, mountPoint);
  if (failed !== "") return failed;
  const cannot = shutDown();
  sh("umount", mountPoint);
  return cannot === "" ? undefined : cannot;
}

/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (Linux, fs/ext4/ext4.h). */
function shutDown(): string {
  const script = "import fcntl, os, struct, sys\n" +
    "fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
  return sh("python3", "-c", script, mountPoint);
}

/** What a command says of its failure; empty when it succeeded. */
function sh(...command: string[]): string {
  try {
    const { success, stderr, exitCode } = Bun.spawnSync(command);
    return success ? "" : `${command[0]}: ${stderr.toString().trim() || `status ${exitCode}`}`;
  } catch (error) {
    return `${command[0]}: ${(error as Error).message}`;
  }
}
