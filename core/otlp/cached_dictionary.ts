/** A dictionary column whose rows mostly repeat the value before: a compare in place of a hash. */
import type { DictionaryVector } from "../model/vector.ts";

export class CachedDictionary {
  #code = -1;

  constructor(readonly vector: DictionaryVector) {}

  push(source: Uint8Array, start: number, end: number): void {
    if (!this.vector.matches(this.#code, source, start, end)) {
      this.#code = this.vector.codeOf(source, start, end);
    }
    this.vector.pushCode(this.#code);
  }
}
