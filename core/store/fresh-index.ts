/**
 * Indexes what a flush wrote before readers see it, where somebody searches: they meet rows in memory or a file that has
 * an index, and none that they would have to scan.
 *
 *   segments durable ─▶ index of each, one after another ─▶ the flush's edit
 *                          └─ time is up, or room gets short ─▶ the edit at once; the index under way is finished beside
 *
 * Invariants: (1) An index is disposable: whatever happens to it, the flush goes on, after `waitMsMax` at the latest.
 * (2) What cannot wait comes first: where memory or disk is short, or the last flush's index is not finished, none is begun.
 * (3) While an index is built its segment's file stays, and nobody else builds it.
 */
import { toOpenWitError } from "../error.ts";
import type { IndexDemand } from "../index/demand.ts";
import type { SegmentIndexer } from "../index/indexer.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import type { BatchHistory } from "../system/batches.ts";
import type { RetiredSegments } from "./retired.ts";
import type { StoreEnv } from "./store.ts";

/** What a store is given to index what its flushes write. */
export interface FreshIndexing {
  readonly indexer: SegmentIndexer;
  readonly demand: IndexDemand;
  /** Whether memory or disk is short for what can wait. */
  isShort(): boolean;
}

/** An index of 40,000 log records takes a seventh of a second of a core; on a busy box that is one in which it waits. */
export const waitMsMax = 1_500;

/** How soon a flush stops waiting when room gets short. */
const lookEveryMs = 50;

export class FreshIndexer {
  #underWay: Promise<void> | undefined;

  /** @param isPressed whether the flush must not wait: rows come faster than it gives their memory back */
  constructor(
    readonly env: StoreEnv,
    readonly retired: RetiredSegments,
    readonly batches: BatchHistory,
    readonly isPressed: () => boolean,
  ) {}

  /** Resolves when no index is being built. */
  async ended(): Promise<void> {
    await this.#underWay;
  }

  /**
   * Indexes the segments of a flush, whose files are durable and which no edit names yet, where that is worth it.
   * Resolves when they are indexed or the flush has waited for long enough; never rejects.
   */
  async index(segments: readonly SegmentMeta[]): Promise<void> {
    const { fresh, clock } = this.env;
    if (fresh === undefined || this.#underWay !== undefined) return;
    const [{ tenant, signal }] = segments;
    const mustGoOn = () => fresh.isShort() || this.isPressed();
    if (!fresh.demand.isSearched(tenant, signal) || mustGoOn()) return;
    const waiting = new AbortController();
    let isDone = false;
    const done = this.#underWay = this.#indexAll(segments, fresh, waiting.signal).finally(() => {
      isDone = true;
      this.#underWay = undefined;
    });
    const untilMs = clock.monotonicMs() + waitMsMax;
    while (!isDone && clock.monotonicMs() < untilMs && !mustGoOn()) {
      const slept = clock.sleep(lookEveryMs, waiting.signal).catch(() => {}); // aborted: nobody waits any more
      await Promise.race([done, slept]);
    }
    waiting.abort();
  }

  /** Those that were not begun when nobody waits any more are left to whoever asks for them (core/index/demand.ts). */
  async #indexAll(
    segments: readonly SegmentMeta[],
    fresh: FreshIndexing,
    waiting: AbortSignal,
  ): Promise<void> {
    for (const segment of segments) {
      if (waiting.aborted) return;
      await this.#build(segment, fresh);
    }
  }

  async #build(segment: SegmentMeta, { indexer, demand }: FreshIndexing): Promise<void> {
    const { clock, metrics, log } = this.env;
    const { id, path, signal, rows } = segment;
    const release = this.retired.pin([segment]); // a merge may come before its end
    demand.settle(id);
    try {
      const bytes = await indexer.build(segment);
      this.batches.indexed(id, clock.nowNs());
      metrics.add("openwit_indexed_rows_total", rows, { signal });
      metrics.add("openwit_index_bytes_total", bytes, { signal });
    } catch (thrown) {
      const error = toOpenWitError(thrown);
      if (error.code === "unavailable") return; // the server is shutting down
      log("warn", "a fresh segment could not be indexed; it is scanned", { path, error });
    } finally {
      demand.forget(id);
      release();
    }
  }
}
