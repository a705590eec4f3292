/**
 * Looks at an index file through the asynchronous disk: for upkeep and checks, which are in no hurry and may not hold
 * up the thread that takes requests.
 */
import { type Disk, type DiskFile, readFile } from "../env/disk.ts";
import { inMemory } from "./file.ts";
import { headerBytes, indexFormatVersion, parseIndexHeader } from "./format.ts";
import type { IndexedSegment } from "./indexes.ts";
import { Sidecar } from "./sidecar.ts";

/**
 * Requires that a segment has an index that opens: the parts that every look-up needs are whole.
 * @returns whether it is of the newest format
 * @throws OpenWitError `not_found`, `io`; `corrupt`, `unsupported`
 */
export async function requireIndex(
  disk: Disk,
  path: string,
  segment: Pick<IndexedSegment, "id" | "signal" | "rows">,
): Promise<boolean> {
  const file = await disk.open(path, "read");
  try {
    const { offset, length } = parseIndexHeader(await beginning(file, headerBytes)).sections.bucketLengths;
    const { header } = Sidecar.open(inMemory(await beginning(file, offset + length)), path, segment);
    return header.formatVersion === indexFormatVersion;
  } finally {
    await file.close();
  }
}

/** An index of which all is in memory. @throws OpenWitError as `requireIndex` */
export async function loadIndex(
  disk: Disk,
  path: string,
  segment?: Pick<IndexedSegment, "id" | "signal" | "rows">,
): Promise<Sidecar> {
  return Sidecar.open(inMemory(await readFile(disk, path)), path, segment);
}

/** The first bytes of a file, or all that it has. */
async function beginning(file: DiskFile, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.min(length, await file.size()));
  for (let filled = 0; filled < bytes.length;) {
    const read = await file.read(bytes.subarray(filled), filled);
    if (read === 0) return bytes.subarray(0, filled);
    filled += read;
  }
  return bytes;
}
