/**
 * Whether the way of a record stands still: requests are under way, and none of them has ended, well or not, for a
 * time. A refusal is an end, so a full disk or memory does not count; a write that the disk never answers does.
 */
export class IngestWatch {
  #underWay = 0;
  #lastMs = 0;
  /** Rows that were acknowledged since the start. */
  rows = 0;

  constructor(readonly monotonicMs: () => number) {}

  /** Milliseconds for which requests have waited without any end; 0 while none is under way. */
  get stuckMs(): number {
    return this.#underWay === 0 ? 0 : this.monotonicMs() - this.#lastMs;
  }

  async around<Result extends { readonly rows: number }>(
    ingest: () => Promise<Result>,
  ): Promise<Result> {
    if (this.#underWay++ === 0) this.#lastMs = this.monotonicMs();
    try {
      const result = await ingest();
      this.rows += result.rows;
      return result;
    } finally {
      this.#underWay--;
      this.#lastMs = this.monotonicMs();
    }
  }
}
