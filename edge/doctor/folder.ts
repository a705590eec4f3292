/** Checks of the data folder: whose it is, what it lies on, how full and how fast that is, and what is in it. */
import { open, readFile, stat, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { isTimeSynced } from "../../core/budget/wall-clock.ts";
import { systemClock } from "../../core/env/clock.ts";
import { silentLog } from "../../core/env/log.ts";
import { toOpenWitError } from "../../core/error.ts";
import { readManifest } from "../../core/manifest/reader.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import { folderUsage } from "../../core/system/usage.ts";
import { again } from "../../core/verify/again.ts";
import { verifyFolder } from "../../core/verify/verify.ts";
import { bytes } from "../cli/status.ts";
import type { Config } from "../config/config.ts";
import { NodeDisk } from "../disk/disk.ts";
import { type Check, fail, ok, warn } from "./check.ts";

export async function checkOwner(dataDir: string): Promise<Check> {
  const { mode, uid } = await stat(dataDir);
  const me = process.getuid?.() ?? uid;
  const bits = (mode & 0o777).toString(8).padStart(4, "0");
  const found = `mode ${bits}, owned by user ${uid}`;
  if (uid !== me && me !== 0) {
    return fail("permissions", `${found}, and this is user ${me}`, `chown -R ${me} ${dataDir}`);
  }
  return (mode & 0o077) !== 0
    ? warn("permissions", `${found}: others may read it`, `chmod 0700 ${dataDir}: telemetry holds secrets`)
    : ok("permissions", found);
}

export async function checkSpace(dataDir: string, config: Config): Promise<Check[]> {
  const { bavail, blocks, bsize, files, ffree } = await statfs(dataDir);
  const [free, total] = [bavail * bsize, blocks * bsize];
  const found = `${bytes(free)} of ${bytes(total)} free`;
  const hint = "free space on the volume, or move the data folder to a larger one";
  const space = free < total * 0.02
    ? fail("disk space", found, hint)
    : free < total * 0.1
    ? warn("disk space", found, hint)
    : ok("disk space", found);
  const { budget } = config.budget;
  const budgetBytes = "bytes" in budget ? budget.bytes : total * budget.percent / 100;
  const used = (await folderUsage(new NodeDisk(dataDir))).bytes;
  const share = `${bytes(used)} of storage.budget ${bytes(budgetBytes)} used`;
  const budgetCheck = used > budgetBytes * 0.95
    ? warn("budget", share, "the oldest data is being evicted: raise storage.budget to keep more")
    : "bytes" in budget && budgetBytes - used > free
    ? warn("budget", `${share}, but only ${bytes(free)} are free`, "other programs fill the volume: see du")
    : ok("budget", share);
  const inodes = files > 0 && ffree < files * 0.02
    ? [fail("inodes", `${ffree} of ${files} free`, "remove small files from the volume")]
    : [];
  return [space, budgetCheck, ...inodes];
}

/** Each acknowledgement waits for one of these. */
export async function checkSync(dataDir: string): Promise<Check[]> {
  const path = join(dataDir, `doctor-${process.pid}.tmp`);
  const times: number[] = [];
  try {
    const file = await open(path, "wx", 0o600);
    try {
      for (let round = 0; round < syncRounds; round++) {
        await file.write(new Uint8Array(4_096), 0, 4_096, round * 4_096);
        const started = performance.now();
        await file.datasync();
        times.push(performance.now() - started);
      }
    } finally {
      await file.close();
      await unlink(path);
    }
  } catch (error) {
    const hint = "the data folder must be writable for the user that runs openwit";
    return [fail("fsync", `the data folder cannot be written: ${(error as Error).message}`, hint)];
  }
  times.sort((a, b) => a - b);
  const [median, worst] = [times[times.length >> 1], times.at(-1)!];
  const found = `median ${median.toFixed(2)} ms, worst of ${syncRounds} ${worst.toFixed(2)} ms`;
  const speed = median > 20
    ? warn("fsync", found, "senders wait for this: send larger batches, or use a faster disk")
    : ok("fsync", found);
  return [speed, await checkFileSystem(dataDir)];
}

const syncRounds = 20;

/** By the magic numbers of statfs(2): those that do not keep data, or whose locks and syncs are not to be relied on. */
async function checkFileSystem(dataDir: string): Promise<Check> {
  const { type } = await statfs(dataDir);
  const found = fileSystems[type >>> 0];
  if (found === undefined) return ok("file system", `type 0x${(type >>> 0).toString(16)}`);
  return found.hint === undefined
    ? ok("file system", found.name)
    : warn("file system", found.name, found.hint);
}

const network = "locks and syncs of network file systems are weak: use a local disk";
const fileSystems: Readonly<Record<number, { readonly name: string; readonly hint?: string }>> = {
  0xef53: { name: "ext4" },
  0x58465342: { name: "xfs" },
  0x9123683e: { name: "btrfs" },
  0x2fc12fc1: { name: "zfs" },
  0xf2f52010: { name: "f2fs" },
  0x794c7630: { name: "overlayfs", hint: "the data goes with the container: mount a volume" },
  0x01021994: { name: "tmpfs", hint: "it lies in memory: nothing here survives a power cut" },
  0x6969: { name: "NFS", hint: network },
  0xff534d42: { name: "CIFS", hint: network },
  0xfe534d42: { name: "SMB", hint: network },
  0x4d44: { name: "FAT", hint: "it has neither owners nor a journal: use ext4" },
};

/** Against the newest record ever stored, and the date of this build. */
export async function checkClock(dataDir: string): Promise<Check> {
  const nowNs = systemClock.nowNs();
  const { live } = await again(() => readManifest(new NodeDisk(dataDir), silentLog, true));
  const found = isoTimestamp(nowNs).slice(0, 19);
  return isTimeSynced(nowNs, live.newestIngestNs) ? ok("clock", `${found} UTC`) : fail(
    "clock",
    `${found} UTC is before ${
      live.newestIngestNs > nowNs ? "records already stored" : "this build was made"
    }`,
    "set the clock (timedatectl, chrony): until then no hour is closed and nothing is removed by age",
  );
}

/** What is wrong with the files, as a quick `openwit verify` sees it. */
export async function checkFiles(dataDir: string, isServed: () => boolean): Promise<Check> {
  try {
    const options = { deep: false, isLive: isServed };
    const { findings, checked } = await verifyFolder({ disk: new NodeDisk(dataDir) }, options);
    if (findings.length === 0) {
      return ok(
        "files",
        `${checked.segments} segments, ${checked.walRecords} WAL records, manifest: nothing wrong`,
      );
    }
    const named = findings.slice(0, 3).map(({ path, kind }) => `${path} (${kind})`).join(", ");
    const found = `${findings.length} findings: ${named}${findings.length > 3 ? ", …" : ""}`;
    return findings.some(({ costs }) => costs)
      ? fail("files", found, "openwit verify says more, and --repair mends it with the server stopped")
      : warn("files", found, "a start sweeps it; openwit verify says more");
  } catch (thrown) {
    const error = toOpenWitError(thrown);
    return fail("files", error.message, error.hint ?? "openwit verify says more");
  }
}

export async function checkQuarantine(dataDir: string): Promise<Check> {
  const disk = new NodeDisk(dataDir);
  const names = (await disk.list("quarantine")).filter((name) => name.endsWith(".json"));
  if (names.length === 0) return ok("quarantine", "empty");
  let total = 0;
  for (const name of await disk.list("quarantine")) {
    total += (await disk.stat(`quarantine/${name}`))?.bytes ?? 0;
  }
  const reasons = await Promise.all(
    names.slice(0, 3).map((name) => reasonOf(join(dataDir, "quarantine", name))),
  );
  return warn(
    "quarantine",
    `${names.length} entries, ${bytes(total)}: ${reasons.join("; ")}${names.length > 3 ? "; …" : ""}`,
    `look at ${join(dataDir, "quarantine")}: it is evidence, and may be moved away when it is understood`,
  );
}

async function reasonOf(path: string): Promise<string> {
  try {
    const { file, reason, kind, found } = JSON.parse(await readFile(path, "utf8"));
    return `${file ?? path.slice(path.lastIndexOf("/") + 1)}: ${reason ?? kind ?? found ?? "see the file"}`;
  } catch {
    return path.slice(path.lastIndexOf("/") + 1); // half written: its name is what there is
  }
}

/** A WAL that only grows means that flushing does not keep up, or fails. */
export async function checkWalSize(dataDir: string, config: Config): Promise<Check> {
  const disk = new NodeDisk(dataDir);
  let total = 0;
  let files = 0;
  for (const name of await disk.list("wal")) {
    if (!name.endsWith(".wal")) continue;
    files++;
    total += (await disk.stat(`wal/${name}`))?.bytes ?? 0;
  }
  const found = `${bytes(total)} in ${files} files`;
  const most = Math.max(config.wal.fileBytesMax * 8, 512 * 1024 * 1024);
  return total > most
    ? warn(
      "WAL",
      `${found}, more than ${bytes(most)}`,
      "flushes do not keep up or fail: see the server's log",
    )
    : ok("WAL", found);
}
