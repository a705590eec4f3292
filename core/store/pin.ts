/** What one query sees of one stream, unchanged while it is held: whatever is flushed, merged or evicted meanwhile. */
import type { SegmentMeta } from "../manifest/manifest.ts";
import { type MemtableChunk, unpin } from "../memtable/memtable.ts";
import type { FileTotals } from "../query/sources.ts";
import type { RetiredSegments } from "./retired.ts";
import type { VisibleList } from "./visible.ts";

export interface PinnedStream {
  readonly segments: readonly SegmentMeta[];
  /** Of these segments. */
  readonly totals: FileTotals;
  readonly chunks: readonly { readonly chunk: MemtableChunk["chunk"]; readonly rows: number }[];
  /** To be called once: until then the files of the segments stay. */
  release(): void;
}

/** Pins the visible rows of these chunks, and the files of these segments. One synchronous turn. */
export function pinStream(
  memtableChunks: readonly MemtableChunk[],
  { segments, totals }: VisibleList,
  retired: RetiredSegments,
): PinnedStream {
  const chunks = memtableChunks.filter((each) => each.rows > 0);
  for (const each of chunks) each.pins++;
  const releaseSegments = retired.pin(segments);
  let isHeld = true;
  return {
    segments,
    totals,
    chunks: chunks.map(({ chunk, rows }) => ({ chunk, rows })),
    release() {
      if (!isHeld) return;
      isHeld = false;
      for (const each of chunks) unpin(each);
      releaseSegments();
    },
  };
}
