/** Rows that are found, as they gather: where each lies, and its time; the first ones by time where only those are wanted. */

/** Row `at` lies in file `files[at]`, and has time `times[at]`, in nanoseconds since 1970. */
export interface FoundPlaces {
  readonly files: Int32Array;
  readonly rows: Int32Array;
  readonly times: BigInt64Array;
}

export class FoundSink {
  readonly #rowsMax: number;
  readonly #isDescending: boolean | undefined;
  #count = 0;
  #files = new Int32Array(256);
  #rows = new Int32Array(256);
  #times = new BigInt64Array(256);

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
    for (let at = 0; at < rows.length; at++) {
      const to = this.#count++;
      this.#files[to] = file;
      this.#rows[to] = rows[at] + shift;
      words[to * 2] = times[at * 2];
      words[to * 2 + 1] = times[at * 2 + 1];
    }
    if (this.#isDescending !== undefined && this.#count > Math.max(gatheredMax, this.#rowsMax * 4)) {
      this.#cut();
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
    const times = this.#times;
    const sorted = times.slice(0, this.#count).sort();
    const bound = this.#isDescending ? sorted[this.#count - this.#rowsMax] : sorted[this.#rowsMax - 1];
    const isBefore = (time: bigint) => this.#isDescending ? time > bound : time < bound;
    let before = 0;
    for (let at = 0; at < this.#count; at++) if (isBefore(times[at])) before++;
    // Of those at the bound as many as there is room for.
    let kept = 0, atBound = this.#rowsMax - before;
    for (let at = 0; at < this.#count; at++) {
      if (!isBefore(times[at]) && (times[at] !== bound || atBound-- <= 0)) continue;
      this.#files[kept] = this.#files[at];
      this.#rows[kept] = this.#rows[at];
      times[kept++] = times[at];
    }
    this.#count = kept;
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
const gatheredMax = 65_536;
