/**
 * Indexes what a flush wrote, where somebody searches: before readers see it, if that takes no time or room that is short,
 * so that they meet rows in memory or a file that has an index, and none that they would have to scan.
 *
 *   segments durable ─▶ index of each, one after another ─▶ the flush's edit
 *                          └─ time is up, memory is short, or an earlier flush's are in hand ─▶ the edit at once; the
 *                             indexes follow in their turn
 *
 * Invariants: (1) An index is disposable: whatever happens to it, the flush goes on, after `waitMsMax` at the latest.
 * (2) What cannot wait comes first: where disk is short, or rows take much of their memory, none is begun. (3) Until a
 * segment has its index its file stays, and nobody else builds it. (4) One is built at a time, and few wait.
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
  /** Whether memory or disk is short for what can wait: a flush waits for no index then. */
  isShort(): boolean;
  /** Whether disk is: no index is begun then. */
  isDiskShort(): boolean;
}

/** An index of 40,000 log records takes a seventh of a second of a core; on a busy box that is one in which it waits. */
export const waitMsMax = 1_500;

/** From the first of these shares on a flush waits for no index, and from the second on none is begun. */
const pressed = 1 / 2, hardPressed = 3 / 4;

/** How soon a flush stops waiting when room gets short. */
const lookEveryMs = 50;

/** Segments that may wait for their index: those beyond are left to whoever asks for them (core/index/demand.ts). */
export const queuedMax = 8;

interface Queued {
  readonly segment: SegmentMeta;
  /** Has its file stay: a merge may come before its index. */
  readonly release: () => void;
}

export class FreshIndexer {
  readonly #queue: Queued[] = [];
  #underWay: Promise<void> | undefined;

  /** @param pressure the share of the memory of rows that is taken: a flush is what gives it back */
  constructor(
    readonly env: StoreEnv,
    readonly retired: RetiredSegments,
    readonly batches: BatchHistory,
    readonly pressure: () => number,
  ) {}

  /** Resolves when no index is being built, and none waits. */
  async ended(): Promise<void> {
    await this.#underWay;
  }

  /**
   * Indexes the segments of a flush, whose files are durable and which no edit names yet, where that is worth it.
   * Resolves when they are indexed or the flush has waited for long enough; never rejects.
   */
  async index(segments: readonly SegmentMeta[]): Promise<void> {
    const { fresh, clock } = this.env;
    const [{ tenant, signal }] = segments;
    if (fresh === undefined || !fresh.demand.isSearched(tenant, signal) || this.#mustNotBegin(fresh)) return;
    const mayWait = this.#underWay === undefined;
    for (const segment of segments) {
      if (this.#queue.length >= queuedMax) break;
      fresh.demand.settle(segment.id);
      this.#queue.push({ segment, release: this.retired.pin([segment]) });
    }
    const done = this.#underWay ??= this.#buildQueued(fresh).finally(() => this.#underWay = undefined);
    const mustGoOn = () => fresh.isShort() || this.pressure() >= pressed;
    if (!mayWait || mustGoOn()) return;
    let isDone = false;
    const waiting = new AbortController();
    const untilMs = clock.monotonicMs() + waitMsMax;
    const ended = done.then(() => isDone = true);
    while (!isDone && clock.monotonicMs() < untilMs && !mustGoOn()) {
      const slept = clock.sleep(lookEveryMs, waiting.signal).catch(() => {}); // aborted: nobody waits any more
      await Promise.race([ended, slept]);
    }
    waiting.abort();
  }

  #mustNotBegin(fresh: FreshIndexing): boolean {
    return fresh.isDiskShort() || this.pressure() >= hardPressed;
  }

  /** Those that must not be begun any more are left to whoever asks for them. */
  async #buildQueued(fresh: FreshIndexing): Promise<void> {
    for (let next; (next = this.#queue.shift()) !== undefined;) {
      const { segment, release } = next;
      const isWanted = !this.#mustNotBegin(fresh) && !this.retired.mayBeOnDisk(segment.id);
      if (isWanted) await this.#build(segment, fresh);
      fresh.demand.forget(segment.id);
      release();
    }
  }

  async #build({ id, path, signal, rows }: SegmentMeta, { indexer }: FreshIndexing): Promise<void> {
    const { clock, metrics, log } = this.env;
    try {
      const bytes = await indexer.build({ id, path, signal });
      this.batches.indexed(id, clock.nowNs());
      metrics.add("openwit_indexed_rows_total", rows, { signal });
      metrics.add("openwit_index_bytes_total", bytes, { signal });
    } catch (thrown) {
      const error = toOpenWitError(thrown);
      if (error.code === "unavailable") return; // the server is shutting down
      log("warn", "a fresh segment could not be indexed; it is scanned", { path, error });
    }
  }
}
