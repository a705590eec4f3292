/** Index files of a data folder, read synchronously (core/index/file.ts): meant for a thread that nobody waits for. */
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import type { IndexFiles } from "../../core/index/file.ts";

export function nodeIndexFiles(dataDir: string): IndexFiles {
  return {
    open(path) {
      const handle = explained("open", path, () => openSync(join(dataDir, path), "r"));
      return {
        read: (into, at, length, offset) =>
          explained("read", path, () => readSync(handle, into, at, length, offset)),
        close: () => closeSync(handle),
      };
    },
  };
}

function explained<Result>(verb: string, path: string, work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "not_found" : "io";
    throw new OpenWitError(code, `cannot ${verb} ${path}: ${(cause as Error).message}`, { cause });
  }
}
