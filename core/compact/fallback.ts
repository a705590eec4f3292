/** A merger for what another one does not do. */
import { type Disk, removeFileDurably } from "../env/disk.ts";
import { OpenWitError } from "../error.ts";
import type { SegmentMerger } from "./merger.ts";

/**
 * Merges by `first`, and by `second` what that refuses: what it does not support, what would take too much, and files
 * that it cannot read, for the second one says what is wrong with them, or can.
 */
export function orElse(disk: Disk, first: SegmentMerger, second: SegmentMerger): SegmentMerger {
  return {
    async merge(request) {
      try {
        return await first.merge(request);
      } catch (error) {
        if (!isRefused(error)) throw error;
      }
      await removeFileDurably(disk, request.output);
      return await second.merge(request);
    },
    async measure(request) {
      try {
        return await first.measure(request);
      } catch (error) {
        if (!isRefused(error)) throw error;
      }
      return await second.measure(request);
    },
  };
}

function isRefused(error: unknown): boolean {
  return error instanceof OpenWitError && ["unsupported", "too_large", "malformed"].includes(error.code);
}
