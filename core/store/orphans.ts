/**
 * Settles the difference between the files that exist and those that the manifest names, at start.
 *
 * - A temporary file was never finished: it is removed. So is the index of a segment that is not there. So is a file that the manifest calls retired.
 * - A segment that the manifest does not name was written by a flush whose edit did not come: its rows are still
 *   in the WAL, and it is removed. So is one whose rows are in a segment that replaces it, and one of a merge whose
 *   edit did not come. One whose rows are nowhere else is put into the quarantine instead.
 * - One that a newer build wrote is left alone.
 * - A segment of an import whose edit did not come is removed: the archive has its rows, and nobody was told that
 *   they are here.
 * - A segment that the manifest names and that is missing or of another size is left out of queries and reported.
 */
import { folderOf, temporarySuffix } from "../env/disk.ts";
import type { Disk } from "../env/disk.ts";
import { toOpenWitError } from "../error.ts";
import { indexPath, indexSuffix } from "../index/format.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { parseFooter } from "../segment/footer.ts";
import { segmentRoot } from "../segment/path.ts";
import { readParquetFooter } from "../segment/reader.ts";
import { parseWalName, walFolder } from "../wal/format.ts";
import { quarantineFolder } from "../wal/quarantine.ts";
import { RetiredSegments } from "./retired.ts";
import { type StoreEnv, streamKey } from "./store.ts";

/** Returns how many files were removed or put aside. */
export async function sweepOrphans(env: StoreEnv, manifest: Manifest): Promise<number> {
  const { disk, log, metrics } = env;
  const retired = new RetiredSegments(disk, env.clock, manifest);
  let swept = await retired.sweep().catch((thrown) => {
    const error = toOpenWitError(thrown);
    if (error.code !== "disk_full") throw error;
    log("warn", "retired segments could not be crossed off: the disk is full", { error });
    return 0;
  });
  const segments = [...manifest.state.segments.values()];
  const named = new Set(segments.flatMap(({ path }) => [path, indexPath(path)]));
  const replaced = new Set(segments.flatMap(({ replaces }) => replaces));
  const walFrom = await firstWalLsn(disk);
  await syncFolders(disk, segmentRoot);
  for await (const path of filesUnder(disk, segmentRoot)) {
    if (named.has(path)) continue;
    if (await isNewer(disk, path)) {
      log("warn", "a segment that the manifest does not name is of a newer version: it is left alone", {
        path,
      });
      continue;
    }
    swept++;
    if (path.endsWith(temporarySuffix) || path.endsWith(indexSuffix)) {
      await disk.remove(path);
      continue;
    }
    const why = await whyKeep(disk, manifest, replaced, walFrom, path);
    if (why === undefined) await disk.remove(path);
    else {
      metrics.add("openwit_quarantined_total", 1, { kind: "segment" });
      log("warn", "a segment that the manifest does not name was put aside", { path, why });
      await disk.makeDir(quarantineFolder);
      await disk.rename(path, `${quarantineFolder}/${path.slice(path.lastIndexOf("/") + 1)}`);
      await disk.syncDir(quarantineFolder);
    }
    await disk.syncDir(folderOf(path));
  }
  return swept;
}

/**
 * Makes what is there, and what is not, last: the process before may have removed a file of a flush that failed and ended
 * before its folder was synced. After a power cut that file would be back, beside segments that took its rows meanwhile.
 */
async function syncFolders(disk: Disk, folder: string): Promise<void> {
  for (const name of await disk.list(folder)) {
    if (!name.endsWith("/")) continue;
    const child = `${folder}/${name.slice(0, -1)}`;
    await syncFolders(disk, child);
    await disk.syncDir(child);
  }
}

/** Segments that cannot be read as the manifest says, by id, with the reason. */
export async function findDamaged(env: StoreEnv, manifest: Manifest): Promise<Map<string, string>> {
  const damaged = new Map<string, string>();
  for (const { id, path, bytes } of manifest.state.segments.values()) {
    const found = await env.disk.stat(path);
    if (found === undefined) damaged.set(id, `${path} is missing`);
    else if (found.bytes !== bytes) {
      damaged.set(id, `${path} has ${found.bytes} bytes, the manifest says ${bytes}`);
    } else continue;
    env.log("error", "a segment is damaged and left out of answers", { segment: id, why: damaged.get(id) });
  }
  return damaged;
}

/** The first LSN that a file of the WAL may hold, by the files' names; Infinity when there is none. */
export async function firstWalLsn(disk: Disk): Promise<number> {
  let first = Infinity;
  for (const name of await disk.list(walFolder)) {
    first = Math.min(first, parseWalName(name)?.firstLsn ?? Infinity);
  }
  return first;
}

/** Every file below a folder, by path. */
export async function* filesUnder(disk: Disk, folder: string): AsyncGenerator<string> {
  for (const name of await disk.list(folder)) {
    if (name.endsWith("/")) yield* filesUnder(disk, `${folder}/${name.slice(0, -1)}`);
    else yield `${folder}/${name}`;
  }
}

/** Whether a newer build wrote it, which alone can say what it is. */
async function isNewer(disk: Disk, path: string): Promise<boolean> {
  if (!path.endsWith(".parquet")) return false;
  try {
    parseFooter((await readParquetFooter(disk, path)).keyValues);
    return false;
  } catch (thrown) {
    return toOpenWitError(thrown).code === "unsupported"; // what else is wrong with it, `whyKeep` finds
  }
}

/** Why an orphan must not be removed; `undefined` when the WAL or other segments have all of its rows. */
async function whyKeep(
  disk: Disk,
  manifest: Manifest,
  replaced: ReadonlySet<string>,
  walFrom: number,
  path: string,
): Promise<string | undefined> {
  try {
    const { id, tenant, signal, lsnFrom, replaces, origin } = parseFooter(
      (await readParquetFooter(disk, path)).keyValues,
    );
    const isElsewhere = (each: string) => manifest.state.segments.has(each) || replaced.has(each);
    if (replaced.has(id) || replaces.length > 0 && replaces.every(isElsewhere)) return undefined;
    if (origin !== undefined && replaces.length === 0) return undefined;
    const watermark = manifest.state.watermarks.get(streamKey(tenant, signal)) ?? 0;
    return lsnFrom > watermark && lsnFrom >= walFrom
      ? undefined
      : `its rows from LSN ${lsnFrom} are not in the WAL (flushed to ${watermark}, kept from ${walFrom})`;
  } catch (thrown) {
    return `it cannot be read: ${toOpenWitError(thrown).message}`;
  }
}
