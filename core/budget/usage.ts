/** What the data folder takes on its volume: the allocated blocks of every file in it, whoever wrote it. */
import type { Disk } from "../env/disk.ts";

export interface DiskUsage {
  readonly budgetBytes: number;
  /** Allocated blocks of everything in the data folder, the reserve included. */
  readonly usedBytes: number;
  /** What the volume has left for us, whoever uses the rest. */
  readonly freeBytes: number;
  readonly reserveBytes: number;
  /** Size of the volume. */
  readonly volumeBytes: number;
}

/**
 * Allocated bytes of all files and folders under a folder. A file that goes while it is being looked for counts
 * nothing. @throws OpenWitError `io`
 */
export async function allocatedBytesUnder(disk: Disk, folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await disk.list(folder)) {
    const isFolder = name.endsWith("/");
    const path = `${folder === "" ? "" : `${folder}/`}${isFolder ? name.slice(0, -1) : name}`;
    bytes += (await disk.stat(path))?.allocatedBytes ?? 0;
    if (isFolder) bytes += await allocatedBytesUnder(disk, path);
  }
  return bytes;
}
