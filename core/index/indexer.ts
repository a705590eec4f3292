/** Who writes the index file of a segment; edge/background does it in a thread of its own. */
import { type Disk, writeFileDurably } from "../env/disk.ts";
import type { Random } from "../env/random.ts";
import { buildIndex, type BuildOptions, type IndexSource } from "./build.ts";
import { indexPath } from "./format.ts";

export interface SegmentIndexer {
  /**
   * Writes the index of a segment whose file is whole, in place of one that may be there; durable when it resolves.
   * @returns bytes of the index file
   * @throws OpenWitError `malformed`, `unsupported` for a file that it cannot index; `io`, `disk_full`; the signal's
   *   reason
   */
  build(segment: IndexSource, abort?: AbortSignal): Promise<number>;
}

/** Builds in the caller's thread. */
export function directIndexer(
  disk: Disk,
  random: Random,
  options: Omit<BuildOptions, "abort"> = {},
): SegmentIndexer {
  return {
    async build(segment, abort) {
      return await writeFileDurably(
        disk,
        indexPath(segment.path),
        await buildIndex(disk, random, segment, { ...options, ...abort === undefined ? {} : { abort } }),
      );
    },
  };
}
