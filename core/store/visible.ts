/**
 * The segments of each stream that a reader sees: those of the manifest that are whole, and those that a store which
 * only reads has spilled.
 *
 * Invariant: a list is never changed, and the same one is given out for as long as nothing has changed; so what holds
 * of all of them together is counted once, and not for each reader.
 */
import type { Manifest, SegmentMeta } from "../manifest/manifest.ts";
import type { Signal } from "../model/columns.ts";
import { type FileTotals, totalsOf } from "../query/sources.ts";

export interface VisibleList {
  readonly segments: readonly SegmentMeta[];
  readonly totals: FileTotals;
}

interface Made extends VisibleList {
  /** What it was made of. */
  readonly whole: readonly SegmentMeta[];
  readonly spilled: number;
}

export class VisibleSegments {
  readonly #made = new Map<string, Made>();

  /**
   * @param damaged ids of those that cannot be read: known at the start, and the same from then on
   * @param spilled grows
   */
  constructor(
    readonly manifest: Manifest,
    readonly damaged: ReadonlyMap<string, string>,
    readonly spilled: readonly SegmentMeta[],
  ) {}

  of(tenant: string, signal: Signal): VisibleList {
    const key = `${tenant}/${signal}`;
    const whole = this.manifest.segmentsOf(tenant, signal);
    const known = this.#made.get(key);
    if (known?.whole === whole && known.spilled === this.spilled.length) return known;
    const segments = [
      ...whole.filter(({ id }) => !this.damaged.has(id)),
      ...this.spilled.filter((segment) => segment.tenant === tenant && segment.signal === signal),
    ];
    const made = { segments, totals: totalsOf(segments), whole, spilled: this.spilled.length };
    // Whoever asks for tenants that have nothing must not make this grow.
    if (segments.length === 0) this.#made.delete(key);
    else this.#made.set(key, made);
    return made;
  }
}
