/**
 * Everything the database does to a disk goes through this interface: the real folder (edge/disk), and the
 * simulated one that loses power (tests/sim). One conformance suite holds both.
 *
 * Paths are relative to the data folder, "/"-separated, without "." or "..".
 *
 * What survives a power cut: the bytes of a file up to its last completed `sync`; a name (created, renamed,
 * removed) once `syncDir` of its folder has completed. Everything else may survive, may not, or may be torn.
 */
export interface Disk {
  /**
   * Opens a file.
   * - `read`: it must exist.
   * - `create`: it must not exist; read and write.
   * - `update`: it must exist; read and write.
   * @throws OpenWitError `not_found`, `conflict`, `disk_full`, `io`
   */
  open(path: string, mode: "read" | "create" | "update"): Promise<DiskFile>;
  /** Names in a folder, sorted; a folder's name ends in "/". A missing folder has none. */
  list(path: string): Promise<string[]>;
  /** `undefined` when there is no such file or folder. */
  stat(path: string): Promise<DiskStat | undefined>;
  /** Makes a folder and its parents, and syncs each parent that gained a name. */
  makeDir(path: string): Promise<void>;
  /** Renames within the data folder, replacing what was there; durable after `syncDir` of the folder(s). */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; no error when it is gone already. */
  remove(path: string): Promise<void>;
  /** Removes an empty folder; no error when it is gone or not empty. */
  removeDir(path: string): Promise<void>;
  syncDir(path: string): Promise<void>;
  /** The volume that holds the data folder. */
  space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
}

export interface DiskStat {
  readonly bytes: number;
  /** What it takes on the volume, in allocated blocks. */
  readonly allocatedBytes: number;
  readonly isFolder: boolean;
}

export interface DiskFile {
  /** Reads up to `into.length` bytes at `offset`; returns how many there were (0 at the end). */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** Writes all of `bytes` at `offset`, or throws having written some prefix. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  /** Resolves when everything written before the call would survive a power cut. */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** The whole of a file. @throws OpenWitError `not_found`, `io` */
export async function readFile(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, "read");
  try {
    const bytes = new Uint8Array(await file.size());
    let filled = 0;
    while (filled < bytes.length) {
      const read = await file.read(bytes.subarray(filled), filled);
      if (read === 0) return bytes.subarray(0, filled);
      filled += read;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** Folder part of a path: "a/b/c" gives "a/b", "c" gives "". */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** Removes a file, if it or its folder is there at all, so that no power cut brings it back. */
export async function removeFileDurably(disk: Disk, path: string): Promise<void> {
  await disk.remove(path);
  const folder = folderOf(path);
  if (await disk.stat(folder) !== undefined) await disk.syncDir(folder);
}

/** Suffix of a file that is being written; one found at start was never finished, and is swept. */
export const temporarySuffix = ".tmp";

/**
 * Bytes of a file that may wait to be synced. A journalling file system writes them before it ends the sync of any
 * other file: a request whose WAL record is synced meanwhile would wait for a whole segment.
 */
const syncEveryBytes = 1024 * 1024;

/**
 * Writes a file so that it exists whole and durable, or not at all:
 * temporary name, sync, rename, sync of the folder.
 */
export async function writeFileDurably(
  disk: Disk,
  path: string,
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<number> {
  const temporary = path + temporarySuffix;
  await disk.remove(temporary);
  const file = await disk.open(temporary, "create");
  let bytes = 0, syncedBytes = 0;
  try {
    for await (const part of parts) {
      await file.write(part, bytes);
      bytes += part.length;
      if (bytes - syncedBytes < syncEveryBytes) continue;
      await file.sync();
      syncedBytes = bytes;
    }
    await file.sync();
  } catch (error) {
    await file.close();
    await disk.remove(temporary).catch(() => {}); // the first error is the one to report; start sweeps this
    throw error;
  }
  await file.close();
  await disk.rename(temporary, path);
  await disk.syncDir(folderOf(path));
  return bytes;
}
