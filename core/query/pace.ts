/**
 * How many index files a statement asks about at once. A question and its answer take a tenth of a millisecond, so it
 * is to be many; but the thread that answers does one after the other, so none may hold up other statements, or this
 * one when it is given up. A look for a word takes microseconds a file, one for a part of a word, or from a slow disk,
 * a thousand times as long.
 */
export class LookUpPace {
  #count: number;

  /** @param count files of the first question */
  constructor(count: number) {
    this.#count = count;
  }

  /** Files of the next question. */
  get count(): number {
    return this.#count;
  }

  /** Tells how long the last one took. */
  took(ms: number): void {
    if (ms < briefMs) this.#count = Math.min(this.#count * step, countMax);
    else if (ms > longMs) this.#count = Math.max(Math.floor(this.#count / step), countMin);
  }
}

const briefMs = 4, longMs = 20;
const countMin = 4, countMax = 512;
const step = 4;
