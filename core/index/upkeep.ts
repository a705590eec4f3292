/**
 * Sees to it that every merged segment has an index that can be used: one may be missing because building it failed,
 * a build of OpenWit with other rules wrote it, or an older one, whose indexes know less. Segments that a flush wrote
 * have none, for they are soon merged, unless they are searched (demand.ts).
 */
import { OpenWitError, toOpenWitError } from "../error.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import type { Store } from "../store/store.ts";
import type { IndexDemand } from "./demand.ts";
import { indexPath } from "./format.ts";
import type { SegmentIndexer } from "./indexer.ts";
import { requireIndex } from "./inspect.ts";

export interface IndexingReport {
  readonly segments: number;
  readonly rows: number;
  readonly segmentBytes: number;
  readonly indexBytes: number;
  /** Segments that could not be indexed, with the reason; they are scanned. */
  readonly failed: readonly { readonly path: string; readonly why: string }[];
}

export interface UpkeepOptions {
  /** Whether segments that have an index get a new one as well. */
  readonly every?: boolean;
  /** Indexes of an older format, which are of use meanwhile, that are built anew in one run. */
  readonly renewedMax?: number;
}

export class IndexUpkeep {
  /** Segments known to have an index that opens, and those that cannot have one. */
  readonly #settled = new Set<string>();

  constructor(readonly store: Store, readonly indexer: SegmentIndexer) {}

  /**
   * Indexes what lacks an index, the newest segments first.
   * @throws OpenWitError `io`, `disk_full`; the signal's reason
   */
  async run(
    signal: AbortSignal,
    { every = false, renewedMax = Infinity }: UpkeepOptions = {},
  ): Promise<IndexingReport> {
    const { manifest, damaged } = this.store;
    const segments = [...manifest.state.segments.values()].reverse();
    const known = new Set(segments.map(({ id }) => id));
    for (const id of this.#settled) if (!known.has(id)) this.#settled.delete(id);
    const merged = segments.filter(({ id, level }) => level > 0 && !damaged.has(id));
    let renewed = 0;
    return await this.#index(
      merged,
      signal,
      ({ id }) => this.#settled.add(id), // also where it failed: the file will not change
      async (segment) => {
        if (every) return false;
        const found = await this.#look(segment);
        return found === "newest" || found === "older" && renewed++ >= renewedMax;
      },
    );
  }

  async #index(
    segments: readonly SegmentMeta[],
    signal: AbortSignal,
    settle: (segment: SegmentMeta) => void,
    isSettled: (segment: SegmentMeta) => Promise<boolean> = () => Promise.resolve(false),
  ): Promise<IndexingReport> {
    const report = { segments: 0, rows: 0, segmentBytes: 0, indexBytes: 0 };
    const failed: { path: string; why: string }[] = [];
    for (const segment of segments) {
      signal.throwIfAborted();
      if (!this.store.manifest.state.segments.has(segment.id) || await isSettled(segment)) continue;
      try {
        report.indexBytes += await buildPinned(this.store, this.indexer, segment, signal);
        report.segments++;
        report.rows += segment.rows;
        report.segmentBytes += segment.bytes;
      } catch (thrown) {
        signal.throwIfAborted();
        const error = toOpenWitError(thrown);
        if (error.code === "io" || error.code === "disk_full") throw error;
        if (error.code === "conflict") continue; // merged or evicted meanwhile
        failed.push({ path: segment.path, why: error.message });
        this.store.env.log("warn", "a segment could not be indexed; it is scanned", {
          path: segment.path,
          error,
        });
      }
      settle(segment);
    }
    return { ...report, failed };
  }

  /** Indexes fresh segments that were searched. @throws as `run` */
  async runWanted(demand: IndexDemand, signal: AbortSignal): Promise<IndexingReport> {
    const { manifest, damaged } = this.store;
    const fresh: SegmentMeta[] = [];
    for (const { id } of demand.wanted()) {
      const segment = manifest.state.segments.get(id);
      if (segment?.level === 0 && !damaged.has(id)) fresh.push(segment);
      else demand.settle(id);
    }
    return await this.#index(fresh, signal, ({ id }) => demand.settle(id));
  }

  /** What a segment has for an index; `newest` as well where trying again would be in vain. */
  async #look(segment: SegmentMeta): Promise<"newest" | "older" | "none"> {
    const { unusable } = this.store.indexes;
    if (this.#settled.has(segment.id) && !unusable.has(segment.id)) return "newest";
    try {
      const isNewest = await requireIndex(this.store.env.disk, indexPath(segment.path), segment);
      if (unusable.has(segment.id)) return "none"; // a part of it could not be read
      if (!isNewest) return "older";
      this.#settled.add(segment.id);
      return "newest";
    } catch (thrown) {
      const error = toOpenWitError(thrown);
      if (error.code === "io") throw error;
      return "none";
    }
  }
}

/** Builds the index of a segment of the manifest, whose files stay meanwhile. @throws as `SegmentIndexer.build` */
async function buildPinned(
  store: Store,
  indexer: SegmentIndexer,
  segment: SegmentMeta,
  signal: AbortSignal,
): Promise<number> {
  const release = store.retired.pin([segment]);
  try {
    const bytes = await indexer.build(segment, signal);
    // Evicted meanwhile: its index goes with it when the pin is gone.
    if (!store.manifest.state.segments.has(segment.id) && !store.retired.mayBeOnDisk(segment.id)) {
      await store.env.disk.remove(indexPath(segment.path));
      throw new OpenWitError("conflict", `${segment.path} was removed while it was indexed`);
    }
    store.indexes.forget(segment.id);
    store.batches.indexed(segment.id, store.env.clock.nowNs());
    store.env.metrics.add("openwit_indexed_rows_total", segment.rows, { signal: segment.signal });
    store.env.metrics.add("openwit_index_bytes_total", bytes, { signal: segment.signal });
    return bytes;
  } finally {
    release();
  }
}
