import { expect, test } from "bun:test";
import { type Disk, type DiskFile, writeFileDurably } from "./disk.ts";

const mebibyte = 1024 * 1024;

test("of a large file no more than some part waits to be synced, whatever the parts that it comes in", async () => {
  for (const partBytes of [1_000, 300_000, mebibyte, 3 * mebibyte]) {
    const seen = await write(16 * mebibyte, partBytes);
    expect(seen.unsyncedMost).toBeLessThanOrEqual(mebibyte + partBytes);
    expect(seen.unsyncedAtRename).toBe(0);
  }
});

test("a small file is synced once", async () => {
  expect((await write(mebibyte - 1, 1_000)).syncs).toBe(1);
});

/** Writes a file in parts, and tells what of it waited to be synced. */
async function write(bytes: number, partBytes: number) {
  const seen = { unsynced: 0, unsyncedMost: 0, unsyncedAtRename: NaN, syncs: 0 };
  const file: Partial<DiskFile> = {
    write: (part) => {
      seen.unsynced += part.length;
      seen.unsyncedMost = Math.max(seen.unsyncedMost, seen.unsynced);
      return Promise.resolve();
    },
    sync: () => {
      seen.unsynced = 0;
      seen.syncs++;
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  const disk: Partial<Disk> = {
    remove: () => Promise.resolve(),
    open: () => Promise.resolve(file as DiskFile),
    rename: () => {
      seen.unsyncedAtRename = seen.unsynced;
      return Promise.resolve();
    },
    syncDir: () => Promise.resolve(),
  };
  const part = new Uint8Array(partBytes);
  const parts = function* () {
    for (let at = 0; at < bytes; at += partBytes) yield part.subarray(0, Math.min(partBytes, bytes - at));
  };
  expect(await writeFileDurably(disk as Disk, "a/b", parts())).toBe(bytes);
  return seen;
}
