/**
 * Rebuilds a lost manifest from the footers of the segments themselves.
 *
 * A segment that another one replaces is dropped, and so is one whose flush is not whole: all files of a flush are
 * durable before any counts, so a flush that lacks one never counted, and its rows are in the WAL. When the WAL has
 * let go of them it did count, and the missing one was evicted since. Of two flushes
 * of the same requests the one that reaches further is kept: it is the second try after an edit that failed.
 * What was imported says nothing of this node's requests: it counts, and moves no watermark.
 */
import { toOpenWitError } from "../error.ts";
import type { ManifestState, SegmentMeta } from "../manifest/manifest.ts";
import { type FooterOrigin, parseFooter, type SegmentFooter } from "../segment/footer.ts";
import { segmentRoot } from "../segment/path.ts";
import { readParquetFooter } from "../segment/reader.ts";
import { filesUnder, firstWalLsn } from "./orphans.ts";
import { type StoreEnv, streamKey } from "./store.ts";

type FoundSegment = SegmentFooter & Required<FooterOrigin> & {
  readonly path: string;
  readonly bytes: number;
};

/** What the segments say exists. Of a damaged manifest, what could be read is kept. @throws OpenWitError */
export async function rebuildManifest(
  env: Pick<StoreEnv, "disk" | "log">,
  readable: ManifestState,
): Promise<
  { nodeId: string; segments: SegmentMeta[]; watermarks: [string, number][]; settings: [string, unknown][] }
> {
  const found: FoundSegment[] = [];
  for await (const path of filesUnder(env.disk, segmentRoot)) {
    if (!path.endsWith(".parquet")) continue;
    try {
      const footer = await readParquetFooter(env.disk, path);
      found.push({ ...parseFooter(footer.keyValues), path, bytes: footer.bytes });
    } catch (thrown) {
      const error = toOpenWitError(thrown);
      // What a disk would not read now may be sound: without it the rebuilt manifest would lose its rows for good.
      if (error.code !== "malformed" && error.code !== "corrupt") throw error;
      env.log("warn", "a file cannot be read as a segment and is left out", { path, error });
    }
  }
  const known = new Set(readable.segments.keys());
  const { segments: planned, watermarks } = planRebuild(found, known, await firstWalLsn(env.disk));
  const retired = new Set([...readable.settings.keys()].filter((key) => key.startsWith("retired/")));
  const segments = planned.filter(({ id }) => !retired.has(`retired/${id}`)).map((segment) => {
    const known = readable.segments.get(segment.id);
    return known?.bytes === segment.bytes ? { ...segment, checksum: known.checksum } : segment;
  });
  for (const [stream, lsn] of readable.watermarks) {
    watermarks[stream] = Math.max(lsn, watermarks[stream] ?? 0);
  }
  return {
    nodeId: found.at(-1)?.nodeId ?? readable.nodeId,
    segments,
    watermarks: Object.entries(watermarks),
    settings: [...readable.settings],
  };
}

/**
 * Which of the segments found count, and how far each stream is flushed. Pure.
 * @param known ids that an edit named: their flush was whole, whatever was evicted since
 * @param walFrom the first LSN that the WAL still has; Infinity when it is empty
 */
export function planRebuild(
  found: readonly FoundSegment[],
  known: ReadonlySet<string> = new Set(),
  walFrom = 0,
): { segments: SegmentMeta[]; watermarks: Record<string, number> } {
  const ids = new Set(found.map(({ id }) => id));
  const replaced = new Set(found.flatMap(({ replaces }) => replaces));
  // Merges take what counted, when no file of a flush that failed was left (core/compact/compact.ts): so whatever is
  // not newer than what was merged has counted too, also where its flush's other files were merged and are gone.
  const mergedTo = new Map<string, number>();
  for (const { level, tenant, signal, lsnTo } of found) {
    const key = streamKey(tenant, signal);
    if (level > 0) mergedTo.set(key, Math.max(lsnTo, mergedTo.get(key) ?? 0));
  }
  const isWhole = ({ id, flushIds, tenant, signal, lsnTo }: FoundSegment) =>
    known.has(id) || lsnTo < walFrom || lsnTo <= (mergedTo.get(streamKey(tenant, signal)) ?? 0) ||
    flushIds.every((each) => ids.has(each) || replaced.has(each));
  const counted = withoutFirstTries(found.filter((segment) => !replaced.has(segment.id) && isWhole(segment)));
  const watermarks: Record<string, number> = {};
  for (const { tenant, signal, lsnTo, origin } of counted) {
    if (origin !== undefined) continue;
    const key = streamKey(tenant, signal);
    watermarks[key] = Math.max(watermarks[key] ?? 0, lsnTo);
  }
  const segments = counted.map(({ nodeId: _node, flushIds: _flush, sources: _sources, ...meta }) => meta);
  return { segments, watermarks };
}

function withoutFirstTries(segments: readonly FoundSegment[]): FoundSegment[] {
  // Furthest first; of equals the later one, for ids sort by time.
  const ordered = segments.toSorted((a, b) => b.lsnTo - a.lsnTo || (a.flushIds[0] < b.flushIds[0] ? 1 : -1));
  const kept: FoundSegment[] = [];
  for (const segment of ordered) {
    const isFirstTry = segment.level === 0 && segment.origin === undefined &&
      kept.some((other) =>
        other.level === 0 && other.origin === undefined && other.flushIds[0] !== segment.flushIds[0] &&
        other.tenant === segment.tenant && other.signal === segment.signal &&
        other.lsnFrom <= segment.lsnTo && segment.lsnFrom <= other.lsnTo
      );
    if (!isFirstTry) kept.push(segment);
  }
  return kept;
}
