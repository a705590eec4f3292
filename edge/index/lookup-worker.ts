/**
 * The thread that looks into indexes: an entry point of its own. Files are read synchronously, for a question may
 * be about hundreds of them and each read of a few hundred bytes costs ten times more through the thread pool; a disk
 * that is slow holds up nobody here but the questions themselves.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Disk, DiskFile } from "../../core/env/disk.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import type { FromLookup, ToLookup } from "./lookup-protocol.ts";

// deno-lint-ignore no-explicit-any -- the global of a worker; the checker knows that of a window
const thread = globalThis as any;

let indexes: SidecarIndexes | undefined;
let warnings: FromLookup["warnings"][number][] = [];
const told = new Set<string>();

/** The first message is the data folder's absolute path. */
thread.onmessage = ({ data }: MessageEvent<string | ToLookup>) => {
  if (typeof data === "string") {
    indexes = new SidecarIndexes(readingDisk(data), (_level, message, { error, ...fields } = {}) => {
      const why = error === undefined ? {} : { error: toOpenWitError(error).message };
      warnings.push({ message, fields: { ...fields, ...why } });
    });
  } else if (data.kind === "forget") {
    told.delete(data.id);
    indexes?.forget(data.id);
  } else void answer(data);
};

async function answer(question: Exclude<ToLookup, { kind: "forget" }>): Promise<void> {
  const { ask } = question;
  if (question.kind === "times") {
    const times = await indexes?.blockTimes(question.segment) ?? null;
    return send({ ask, times, ...news() });
  }
  const blocks: NonNullable<FromLookup["blocks"]>[number][] = [];
  for (const segment of question.segments) {
    const found = await indexes?.candidates(segment, question.predicate);
    blocks.push(found === undefined ? null : { count: found.count, words: found.words });
  }
  send({ ask, blocks, ...news() });
}

function news(): Pick<FromLookup, "unusable" | "warnings"> {
  const unusable = [...indexes?.unusable ?? []].filter(([id]) => !told.has(id));
  for (const [id] of unusable) told.add(id);
  const taken = warnings;
  warnings = [];
  return { unusable, warnings: taken };
}

function send(message: FromLookup): void {
  thread.postMessage(message);
}

/** What `SidecarIndexes` needs of a disk: opening and reading files. */
function readingDisk(root: string): Disk {
  const disk: Pick<Disk, "open"> = {
    open(path) {
      try {
        return Promise.resolve(readingFile(openSync(join(root, path), "r"), path));
      } catch (thrown) {
        const code = (thrown as NodeJS.ErrnoException).code === "ENOENT" ? "not_found" : "io";
        return Promise.reject(new OpenWitError(code, `cannot open ${path}: ${(thrown as Error).message}`));
      }
    },
  };
  return disk as Disk;
}

function readingFile(handle: number, path: string): DiskFile {
  const file: Pick<DiskFile, "read" | "size" | "close"> = {
    read(into, offset) {
      try {
        return Promise.resolve(readSync(handle, into, 0, into.length, offset));
      } catch (cause) {
        return Promise.reject(
          new OpenWitError("io", `cannot read ${path}: ${(cause as Error).message}`, { cause }),
        );
      }
    },
    size: () => Promise.resolve(fstatSync(handle).size),
    close: () => Promise.resolve(closeSync(handle)),
  };
  return file as DiskFile;
}
