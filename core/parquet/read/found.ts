/** Rows that are found, as they gather: where each lies, and its time; the first ones by time where only those are wanted. */

/** Row `at` lies in file `files[at]`, and has time `times[at]`, in nanoseconds since 1970. */
export interface FoundPlaces {
  readonly files: Int32Array;
  readonly rows: Int32Array;
  readonly times: BigInt64Array;
}

/** A time by its words. */
interface Bound {
  readonly low: number;
  readonly high: number;
}

export class FoundSink {
  readonly #rowsMax: number;
  readonly #isDescending: boolean | undefined;
  #count = 0;
  #files = new Int32Array(256);
  #rows = new Int32Array(256);
  #times = new BigInt64Array(256);
  /** Words of the last time that is kept: what does not come before it is not wanted. */
  #bound: Bound | undefined;

  /**
   * @param rowsMax of those that are kept
   * @param isDescending by time: the first ones by this order are kept; any when undefined
   */
  constructor(rowsMax: number, isDescending: boolean | undefined) {
    this.#rowsMax = rowsMax;
    this.#isDescending = isDescending;
  }

  /** Whether no further row can change what is kept. */
  get isFull(): boolean {
    return this.#isDescending === undefined && this.#count >= this.#rowsMax;
  }

  /** @param times words of the rows' times, low first; @param shift of the rows' numbers */
  add(file: number, rows: Int32Array, shift: number, times: Int32Array): void {
    this.#reserve(rows.length);
    const words = new Int32Array(this.#times.buffer);
    const bound = this.#bound;
    let to = this.#count;
    for (let at = 0; at < rows.length; at++) {
      if (bound !== undefined && this.#orderOf(times, at, bound) >= 0) continue;
      this.#files[to] = file;
      this.#rows[to] = rows[at] + shift;
      words[to * 2] = times[at * 2];
      words[to * 2 + 1] = times[at * 2 + 1];
      to++;
    }
    this.#count = to;
    if (this.#isDescending !== undefined && this.#count > this.#rowsMax * 4 + gatheredMax) this.#cut();
  }

  /** Adds what was found elsewhere. @param positions of its files among all */
  addFound({ files, rows, times }: FoundPlaces, positions: readonly number[]): void {
    const words = new Int32Array(times.buffer, times.byteOffset, times.length * 2);
    for (let at = 0; at < rows.length; at++) {
      this.add(positions[files[at]], rows.subarray(at, at + 1), 0, words.subarray(at * 2, at * 2 + 2));
    }
  }

  /** In order of time where one is wanted. */
  finish(): FoundPlaces {
    this.#cut();
    const count = this.#count;
    if (this.#isDescending === undefined) {
      return {
        files: this.#files.slice(0, count),
        rows: this.#rows.slice(0, count),
        times: this.#times.slice(0, count),
      };
    }
    const sign = this.#isDescending ? -1 : 1, times = this.#times;
    const order = Array.from({ length: count }, (_, at) => at)
      .sort((left, right) =>
        times[left] < times[right] ? -sign : times[left] > times[right] ? sign : left - right
      );
    return {
      files: Int32Array.from(order, (at) => this.#files[at]),
      rows: Int32Array.from(order, (at) => this.#rows[at]),
      times: BigInt64Array.from(order, (at) => times[at]),
    };
  }

  /** Keeps no more rows than are wanted. */
  #cut(): void {
    if (this.#count <= this.#rowsMax) return;
    if (this.#isDescending === undefined) {
      this.#count = this.#rowsMax;
      return;
    }
    const sorted = this.#times.slice(0, this.#count).sort();
    const last = this.#isDescending ? sorted[this.#count - this.#rowsMax] : sorted[this.#rowsMax - 1];
    const bound = this.#bound = {
      low: Number(BigInt.asUintN(32, last)),
      high: Number(BigInt.asIntN(32, last >> 32n)),
    };
    const words = new Int32Array(this.#times.buffer);
    let before = 0;
    for (let at = 0; at < this.#count; at++) if (this.#orderOf(words, at, bound) < 0) before++;
    // Of those at the bound as many as there is room for.
    let kept = 0, atBound = this.#rowsMax - before;
    for (let at = 0; at < this.#count; at++) {
      const order = this.#orderOf(words, at, bound);
      if (order > 0 || order === 0 && atBound-- <= 0) continue;
      this.#files[kept] = this.#files[at];
      this.#rows[kept] = this.#rows[at];
      words[kept * 2] = words[at * 2];
      words[kept * 2 + 1] = words[at * 2 + 1];
      kept++;
    }
    this.#count = kept;
  }

  /** Below 0 where a time comes before the bound in the order that is wanted. */
  #orderOf(words: Int32Array, at: number, bound: Bound): number {
    const low = words[at * 2] >>> 0, high = words[at * 2 + 1];
    const order = high === bound.high ? low - bound.low : high - bound.high;
    return this.#isDescending === true ? -order : order;
  }

  #reserve(more: number): void {
    if (this.#count + more <= this.#rows.length) return;
    const length = Math.max(this.#rows.length * 2, this.#count + more);
    const files = new Int32Array(length), rows = new Int32Array(length), times = new BigInt64Array(length);
    files.set(this.#files);
    rows.set(this.#rows);
    times.set(this.#times);
    [this.#files, this.#rows, this.#times] = [files, rows, times];
  }
}

/** Rows that gather before those that cannot be wanted are let go. */
const gatheredMax = 4_096;
