/**
 * Whether fresh segments are searched. Where nobody does, a flush writes no index: its segments are merged within the hour,
 * and indexing costs more than all else of ingest. Where records come by the thousand and somebody searches them, a
 * million rows would be scanned each time until then. So while fresh segments of a stream are asked for, its flushes index
 * what they write (core/store/fresh-index.ts); and what was asked in vain, of the time before, is indexed after all.
 */
import type { Clock } from "../env/clock.ts";
import { isFreshPath, tenantOfPath } from "../segment/path.ts";
import type { BlockSet } from "./blocks.ts";
import type { BlockTimes, IndexedSegment, StoreIndexes } from "./indexes.ts";
import type { Signal } from "../model/columns.ts";
import type { IndexPredicate } from "./predicate.ts";

/** Rows that may be scanned each time: to index them would take longer than some searches do. */
export const scannedRowsMax = 50_000;

/** Questions about a segment in vain, however small it is: to index a row takes about as long as to scan it so often. */
export const askedMax = 12;

/** How long a stream counts as searched: somebody who searches asks again within it, and so does a page that looks anew. */
export const searchedMs = 30_000;

/** Whether a question is about fresh segments takes a look at hundreds of paths, so it is not noted each time. */
const noteEveryMs = 1_000;

/** Asks other indexes, and notes what is searched and what had none. */
export class IndexDemand implements StoreIndexes {
  /** Segments that were asked about in vain, by their ids: the fresh ones of some minutes. */
  readonly #missing = new Map<string, { readonly segment: IndexedSegment; readonly asked: number }>();
  /** When a stream's fresh segments, or its rows in memory, were last asked for, by tenant and signal. */
  readonly #searchedAtMs = new Map<string, number>();
  /** Not wanted again: until they are forgotten they have an index, will have one, or cannot have one. */
  readonly #settled = new Set<string>();
  /** Called when a segment is wanted. */
  onDemand: (() => void) | undefined;

  /** @param isShort whether memory or disk has no room for what can wait, as an index of few rows can */
  constructor(
    readonly indexes: StoreIndexes,
    readonly clock: Clock,
    readonly isShort: () => boolean = () => false,
  ) {}

  get unusable(): ReadonlyMap<string, string> {
    return this.indexes.unusable;
  }

  /** Whether what is fresh in a stream has been asked for just now: an index of the next segments would be used. */
  isSearched(tenant: string, signal: Signal): boolean {
    const stream = `${tenant}/${signal}`;
    const atMs = this.#searchedAtMs.get(stream);
    if (atMs === undefined) return false;
    if (this.clock.monotonicMs() - atMs < searchedMs) return true;
    this.#searchedAtMs.delete(stream);
    return false;
  }

  /** Whether what is fresh in any stream has been. */
  get isAnySearched(): boolean {
    const nowMs = this.clock.monotonicMs();
    return [...this.#searchedAtMs.values()].some((atMs) => nowMs - atMs < searchedMs);
  }

  /** Segments that were asked about and had no index, when they are worth one; the largest first. */
  wanted(): readonly IndexedSegment[] {
    const missing = [...this.#missing.values()];
    const areMany = missing.reduce((sum, { segment }) => sum + segment.rows, 0) > scannedRowsMax;
    const worth = areMany ? missing : missing.filter(({ asked }) => asked >= askedMax);
    if (worth.length === 0 || !areMany && this.isShort()) return [];
    return worth.map(({ segment }) => segment).sort((left, right) => right.rows - left.rows);
  }

  async candidatesOf(
    segments: readonly IndexedSegment[],
    predicate: IndexPredicate,
    seesNewest = false,
  ): Promise<readonly (BlockSet | undefined)[]> {
    this.#noteSearch(segments, seesNewest);
    const found = await this.indexes.candidatesOf(segments, predicate);
    for (const [at, segment] of segments.entries()) {
      if (found[at] === undefined && this.unusable.get(segment.id) === "none") this.#note(segment);
    }
    if (this.wanted().length > 0) this.onDemand?.();
    return found;
  }

  async blockTimes(segment: IndexedSegment): Promise<BlockTimes | undefined> {
    return await this.indexes.blockTimes(segment);
  }

  forget(id: string): void {
    this.settle(id);
    this.#settled.delete(id);
    this.indexes.forget(id);
  }

  /** The segment is not wanted any more: it has an index, gets one, cannot have one, or is gone. */
  settle(id: string): void {
    this.#settled.add(id);
    this.#missing.delete(id);
  }

  close(): void {
    this.indexes.close();
  }

  #noteSearch(segments: readonly IndexedSegment[], seesNewest: boolean): void {
    if (segments.length === 0) return;
    const [{ path, signal }] = segments;
    const stream = `${tenantOfPath(path)}/${signal}`;
    const nowMs = this.clock.monotonicMs();
    if (nowMs - (this.#searchedAtMs.get(stream) ?? -Infinity) < noteEveryMs) return;
    const isOfNow = seesNewest || segments.some((segment) => isFreshPath(segment.path));
    if (isOfNow) this.#searchedAtMs.set(stream, nowMs);
  }

  #note(segment: IndexedSegment): void {
    if (this.#settled.has(segment.id)) return;
    const asked = this.#missing.get(segment.id)?.asked ?? 0;
    this.#missing.set(segment.id, { segment, asked: asked + 1 });
  }
}
