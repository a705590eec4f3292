/**
 * Sets of 64-bit token hashes: which tokens a block has had, and which words a segment. Open addressing in flat
 * arrays; a generation makes it empty at no cost.
 */
export class TokenSet {
  #high: Int32Array;
  #low: Int32Array;
  /** The generation that filled a slot; 0 is none. */
  #filled: Uint8Array;
  #generation = 1;
  #count = 0;
  #mask: number;

  constructor(slots = 1 << 15) {
    this.#high = new Int32Array(slots);
    this.#low = new Int32Array(slots);
    this.#filled = new Uint8Array(slots);
    this.#mask = slots - 1;
  }

  get size(): number {
    return this.#count;
  }

  clear(): void {
    this.#count = 0;
    if (++this.#generation < 256) return;
    this.#filled.fill(0);
    this.#generation = 1;
  }

  /** Whether it was not there before. */
  add(high: number, low: number): boolean {
    const filled = this.#filled, generation = this.#generation, mask = this.#mask;
    let slot = (high ^ low << 7) & mask;
    while (filled[slot] === generation) {
      if (this.#high[slot] === high && this.#low[slot] === low) return false;
      slot = slot + 1 & mask;
    }
    filled[slot] = generation;
    this.#high[slot] = high;
    this.#low[slot] = low;
    if (++this.#count * 2 > mask) this.#grow();
    return true;
  }

  #grow(): void {
    const high = this.#high, low = this.#low, filled = this.#filled, generation = this.#generation;
    const slots = filled.length * 2;
    this.#high = new Int32Array(slots);
    this.#low = new Int32Array(slots);
    this.#filled = new Uint8Array(slots);
    this.#mask = slots - 1;
    this.#generation = 1;
    for (let from = 0; from < filled.length; from++) {
      if (filled[from] !== generation) continue;
      let slot = (high[from] ^ low[from] << 7) & this.#mask;
      while (this.#filled[slot] !== 0) slot = slot + 1 & this.#mask;
      this.#filled[slot] = 1;
      this.#high[slot] = high[from];
      this.#low[slot] = low[from];
    }
  }
}
