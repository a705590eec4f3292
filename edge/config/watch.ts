/**
 * Tells when the text of a file is another one: by what the kernel says of the folder, and by looking now and then,
 * which also serves where the kernel says nothing (network file systems, a folder that was replaced).
 *
 * Folders are watched and not files: editors and configuration managers write a new file and rename it over the old one,
 * and orchestrators swap a link. Only texts count: a file that was touched, or written as it was, has not changed.
 * A file that is missing for a moment, or for good, is no change: what runs goes on.
 */
import { type FSWatcher, readFileSync, watch } from "node:fs";
import { dirname } from "node:path";

export interface FileWatchOptions {
  /** Told once for all that came within `settleMs`. */
  readonly onChange: () => void;
  /** A file is written in pieces, and several files one after another: time without news that ends it. */
  readonly settleMs?: number;
  readonly lookEveryMs?: number;
  /** In place of the kernel's, for tests. @throws when there is none */
  readonly watchFolder?: (folder: string, onNews: () => void) => Pick<FSWatcher, "close">;
}

const defaultSettleMs = 200;
const defaultLookEveryMs = 5_000;

/** @returns ends it */
export function watchFiles(paths: readonly string[], options: FileWatchOptions): () => void {
  const { onChange, settleMs = defaultSettleMs, watchFolder = kernelWatch } = options;
  const seen = new Map(paths.map((path) => [path, textOf(path)]));
  let settling: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    let hasChanged = false;
    for (const path of paths) {
      const text = textOf(path);
      if (text === undefined || text === seen.get(path)) continue;
      seen.set(path, text);
      hasChanged = true;
    }
    if (hasChanged) onChange();
  };
  const onNews = () => {
    clearTimeout(settling);
    settling = setTimeout(look, settleMs);
  };
  const watchers = [...new Set(paths.map((path) => dirname(path)))].flatMap((folder) => {
    try {
      return [watchFolder(folder, onNews)];
    } catch {
      return []; // looking now and then finds it too
    }
  });
  const looking = setInterval(look, options.lookEveryMs ?? defaultLookEveryMs);
  looking.unref();
  return () => {
    clearTimeout(settling);
    clearInterval(looking);
    for (const watcher of watchers) watcher.close();
  };
}

function kernelWatch(folder: string, onNews: () => void): FSWatcher {
  const watcher = watch(folder, { persistent: false }, onNews);
  watcher.on("error", () => watcher.close()); // the folder went: looking now and then finds the next one
  return watcher;
}

/** `undefined` for a file that cannot be read now. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // missing or not ours to read: what was seen last counts
  }
}
