/**
 * A new catalog folder, as PostgreSQL's initdb leaves it: initdb itself peaks at a gigabyte of memory, so it runs when
 * the executable is built (initdb.ts), and a box only unpacks what came of it.
 *
 * Layout: a 32-bit length, little-endian, of the JSON that follows, `[[path, bytes], …]` with null for the bytes of a
 * folder; then the files' contents, one after another.
 *
 * Invariant: the folder has its name only when all of it is durable, so that a power cut leaves none or a whole one.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { temporarySuffix } from "../../core/env/disk.ts";
import { OpenWitError } from "../../core/error.ts";

type Entry = readonly [path: string, bytes: number | null];

export function packFolder(folder: string): Uint8Array {
  const entries: Entry[] = [];
  const contents: Uint8Array[] = [];
  const walk = (below: string) => {
    for (const name of readdirSync(join(folder, below)).sort()) {
      const path = join(below, name);
      if (statSync(join(folder, path)).isDirectory()) {
        entries.push([path, null]);
        walk(path);
      } else {
        const content = readFileSync(join(folder, path));
        entries.push([path, content.length]);
        contents.push(content);
      }
    }
  };
  walk("");
  const header = new TextEncoder().encode(JSON.stringify(entries));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, header.length, true);
  return Buffer.concat([length, header, ...contents]);
}

/**
 * Makes a folder from a template, unless it is there. Returns whether it was made.
 * @throws OpenWitError `disk_full`, `io`
 */
export function makeFolder(folder: string, template: () => Uint8Array): boolean {
  if (existsSync(folder)) return false;
  const temporary = folder + temporarySuffix;
  try {
    rmSync(temporary, { recursive: true, force: true }); // what was cut off before
    unpack(template(), temporary);
    renameSync(temporary, folder);
    syncFolder(dirname(folder));
    return true;
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    const isFull = ["ENOSPC", "EDQUOT"].includes((cause as NodeJS.ErrnoException).code ?? "");
    throw new OpenWitError(
      isFull ? "disk_full" : "io",
      `cannot make the catalog's folder: ${(cause as Error).message}`,
      { cause },
    );
  }
}

function unpack(template: Uint8Array, into: string): void {
  const headerBytes = new DataView(template.buffer, template.byteOffset).getUint32(0, true);
  const entries: Entry[] = JSON.parse(new TextDecoder().decode(template.subarray(4, 4 + headerBytes)));
  const folders = [into];
  mkdirSync(into, { mode: 0o700 });
  let at = 4 + headerBytes;
  for (const [path, bytes] of entries) {
    if (bytes === null) {
      folders.push(join(into, path));
      mkdirSync(join(into, path), { mode: 0o700 });
      continue;
    }
    writeDurably(join(into, path), template.subarray(at, at + bytes));
    at += bytes;
  }
  for (const folder of folders) syncFolder(folder);
}

function writeDurably(path: string, content: Uint8Array): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    for (let at = 0; at < content.length;) at += writeSync(fd, content, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
