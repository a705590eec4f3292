/**
 * A set of 64-bit hashes: which tokens a block has had. Open addressing, the two halves of a hash side by side, so
 * that a look-up of what is there touches one line of the cache.
 */
export class TokenSet {
  /** Two words a slot; both 0 is empty. */
  #slots: Int32Array;
  #count = 0;
  #mask: number;

  constructor(slots = 1 << 15) {
    this.#slots = new Int32Array(slots * 2);
    this.#mask = slots - 1;
  }

  clear(): void {
    if (this.#count > 0) this.#slots.fill(0);
    this.#count = 0;
  }

  /** Whether it was not there before. */
  add(high: number, low: number): boolean {
    if (high === 0 && low === 0) low = 1;
    const slots = this.#slots, mask = this.#mask;
    let slot = (high ^ high >>> 15 ^ low << 5) & mask;
    for (;;) {
      const found = slots[slot * 2], other = slots[slot * 2 + 1];
      if (found === high && other === low) return false;
      if (found === 0 && other === 0) break;
      slot = slot + 1 & mask;
    }
    slots[slot * 2] = high;
    slots[slot * 2 + 1] = low;
    if (++this.#count * 2 > mask) this.#grow();
    return true;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(before.length * 2);
    this.#mask = before.length - 1;
    this.#count = 0;
    for (let at = 0; at < before.length; at += 2) {
      if (before[at] !== 0 || before[at + 1] !== 0) this.add(before[at], before[at + 1]);
    }
  }
}
