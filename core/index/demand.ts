/**
 * Fresh segments whose index a statement would have used. A flush writes none: its segments are merged within the hour,
 * and indexing costs more than all else of ingest. Where records come by the thousand and somebody searches them, a
 * million rows would be scanned each time until then; so what is searched in vain is indexed after all.
 */
import type { BlockSet } from "./blocks.ts";
import type { BlockTimes, IndexedSegment, StoreIndexes } from "./indexes.ts";
import type { IndexPredicate } from "./predicate.ts";

/** Rows that may be scanned each time: to index them would take longer than many searches do. */
export const scannedRowsMax = 50_000;

/** Asks other indexes, and notes what had none. */
export class IndexDemand implements StoreIndexes {
  readonly #missing = new Map<string, IndexedSegment>();
  #missingRows = 0;
  /** Not wanted again: until they are forgotten they have an index, or cannot have one. */
  readonly #settled = new Set<string>();
  /** Called when more rows than a few lack an index. */
  onDemand: (() => void) | undefined;

  constructor(readonly indexes: StoreIndexes) {}

  get unusable(): ReadonlyMap<string, string> {
    return this.indexes.unusable;
  }

  /** Segments that were asked about and had no index, when they are worth one; the largest first. */
  wanted(): readonly IndexedSegment[] {
    if (this.#missingRows <= scannedRowsMax) return [];
    return [...this.#missing.values()].sort((left, right) => right.rows - left.rows);
  }

  async candidatesOf(
    segments: readonly IndexedSegment[],
    predicate: IndexPredicate,
  ): Promise<readonly (BlockSet | undefined)[]> {
    const found = await this.indexes.candidatesOf(segments, predicate);
    for (const [at, segment] of segments.entries()) {
      if (found[at] === undefined && this.unusable.get(segment.id) === "none") this.#note(segment);
    }
    if (this.#missingRows > scannedRowsMax) this.onDemand?.();
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

  /** The segment is not wanted any more: it has an index, cannot have one, or is gone. */
  settle(id: string): void {
    this.#settled.add(id);
    this.#missingRows -= this.#missing.get(id)?.rows ?? 0;
    this.#missing.delete(id);
  }

  close(): void {
    this.indexes.close();
  }

  #note(segment: IndexedSegment): void {
    if (this.#missing.has(segment.id) || this.#settled.has(segment.id)) return;
    this.#missing.set(segment.id, segment);
    this.#missingRows += segment.rows;
  }
}
