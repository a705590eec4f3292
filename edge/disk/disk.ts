/**
 * The data folder on a real file system: `Disk` (core/env/disk.ts) over node:fs, kept to one root.
 *
 * Folders are made with mode 0700 and files with 0600: telemetry holds secrets. `sync` is fdatasync, which also
 * makes a file's new length durable; `syncDir` is fsync of the folder.
 */
import { constants, type Stats } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rmdir, stat, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Disk, type DiskFile, type DiskStat, folderOf } from "../../core/env/disk.ts";
import { assert, OpenWitError } from "../../core/error.ts";

export class NodeDisk implements Disk {
  /** The root itself may be missing until the first `makeDir`. */
  constructor(readonly root: string) {}

  async open(path: string, mode: "read" | "create" | "update"): Promise<DiskFile> {
    const handle = await explained("open", path, () => open(this.#at(path), flagsOf[mode], 0o600));
    return new NodeFile(handle, path);
  }

  async list(path: string): Promise<string[]> {
    try {
      const entries = await readdir(this.#at(path), { withFileTypes: true });
      return entries.map((entry) => entry.isDirectory() ? `${entry.name}/` : entry.name).sort();
    } catch (error) {
      if (codeOf(error) === "ENOENT") return [];
      throw explain(error, "list", path);
    }
  }

  async stat(path: string): Promise<DiskStat | undefined> {
    const stats = await this.#stat(path);
    if (stats === undefined) return undefined;
    // st_blocks counts units of 512 bytes whatever the file system's own blocks are (POSIX stat.h).
    return { bytes: stats.size, allocatedBytes: stats.blocks * 512, isFolder: stats.isDirectory() };
  }

  async makeDir(path: string): Promise<void> {
    if ((await this.#stat(path))?.isDirectory()) return;
    if (path === "") {
      await explained("make", path, () => mkdir(this.root, { recursive: true, mode: 0o700 }));
      return;
    }
    await this.makeDir(folderOf(path));
    try {
      await mkdir(this.#at(path), { mode: 0o700 });
    } catch (error) {
      // Another call may have made it since; then it is that one's to sync, and this one's to wait for.
      if (codeOf(error) !== "EEXIST" || !(await this.#stat(path))?.isDirectory()) {
        throw explain(error, "make", path);
      }
    }
    await this.syncDir(folderOf(path));
  }

  async rename(from: string, to: string): Promise<void> {
    await explained("rename", from, () => rename(this.#at(from), this.#at(to)));
  }

  async remove(path: string): Promise<void> {
    try {
      await unlink(this.#at(path));
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw explain(error, "remove", path);
    }
  }

  async removeDir(path: string): Promise<void> {
    try {
      await rmdir(this.#at(path));
    } catch (error) {
      if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(codeOf(error))) throw explain(error, "remove", path);
    }
  }

  async syncDir(path: string): Promise<void> {
    await explained("sync", path, async () => {
      const handle = await open(this.#at(path), constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    const { bavail, blocks, bsize } = await explained("measure", "", () => statfs(this.root));
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }

  async #stat(path: string): Promise<Stats | undefined> {
    try {
      return await stat(this.#at(path));
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
      throw explain(error, "look at", path);
    }
  }

  #at(path: string): string {
    const isInside = !path.startsWith("/") && !path.split("/").some((part) => part === ".." || part === ".");
    assert(isInside, `path ${JSON.stringify(path)} stays within the data folder`);
    return path === "" ? this.root : join(this.root, path);
  }
}

class NodeFile implements DiskFile {
  constructor(readonly handle: FileHandle, readonly path: string) {}

  async read(into: Uint8Array, offset: number): Promise<number> {
    if (into.length === 0) return 0;
    const { bytesRead } = await explained(
      "read",
      this.path,
      () => this.handle.read(into, 0, into.length, offset),
    );
    return bytesRead;
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    await explained("write", this.path, async () => {
      let written = 0;
      while (written < bytes.length) {
        const rest = bytes.length - written;
        const { bytesWritten } = await this.handle.write(bytes, written, rest, offset + written);
        if (bytesWritten === 0) throw new Error("the system wrote nothing");
        written += bytesWritten;
      }
    });
  }

  async sync(): Promise<void> {
    await explained("sync", this.path, () => this.handle.datasync());
  }

  async truncate(bytes: number): Promise<void> {
    await explained("truncate", this.path, () => this.handle.truncate(bytes));
  }

  async size(): Promise<number> {
    return (await explained("look at", this.path, () => this.handle.stat())).size;
  }

  async close(): Promise<void> {
    await explained("close", this.path, () => this.handle.close());
  }
}

const flagsOf = {
  read: constants.O_RDONLY,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  update: constants.O_RDWR,
} as const;

async function explained<T>(verb: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(error, verb, path);
  }
}

function explain(error: unknown, verb: string, path: string): OpenWitError {
  if (error instanceof OpenWitError) return error;
  const name = path === "" ? "the data folder" : path;
  const reason = error instanceof Error ? error.message : String(error);
  const message = `cannot ${verb} ${name}: ${reason}`;
  switch (codeOf(error)) {
    case "ENOENT":
      return new OpenWitError("not_found", `cannot ${verb} ${name}: it does not exist`, { cause: error });
    case "EEXIST":
      return new OpenWitError("conflict", `cannot ${verb} ${name}: it exists already`, { cause: error });
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new OpenWitError("disk_full", `cannot ${verb} ${name}: the disk is full (${codeOf(error)})`, {
        hint: "free space on the volume of the data folder, or lower the retention",
        cause: error,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new OpenWitError("io", message, {
        hint: "the data folder must belong to the user that runs openwit, and be writable",
        cause: error,
      });
    default:
      return new OpenWitError("io", message, {
        hint: "look at the system's log for faults of the disk",
        cause: error,
      });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
