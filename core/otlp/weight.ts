/**
 * What one request may unfold to is bounded, for two bytes on the wire can be a row of 200 in memory.
 *
 * A unit of weight stands for about 30 bytes. So a hostile request takes at most some 30 MiB, or eight times its
 * own size; believable ones weigh a seventh of their bytes or less.
 */
import { OpenWitError } from "../error.ts";

const weightMaxOfAny = 1_000_000;
const weightMaxPerByte = 1 / 4;

/** Of a row; each of its attributes weighs 1 besides. */
export const rowWeight = 8;
/** Of an event, link, exemplar, quantile or entity reference; each attribute weighs 1 besides. */
export const elementWeight = 2;

/** Most attributes of one record: far above use, and it bounds the names that hostile duplicates are given. */
export const attributesMax = 65_536;

export class Weight {
  #sum = 0;
  readonly #max: number;

  constructor(bodyLength: number) {
    this.#max = Math.max(weightMaxOfAny, bodyLength * weightMaxPerByte);
  }

  /** @throws OpenWitError `too_large` */
  add(weight: number): void {
    this.#sum += weight;
    if (this.#sum > this.#max) {
      throw new OpenWitError("too_large", "cannot take the OTLP request: it unfolds to too many records", {
        hint: "records of a few bytes each are taken in requests of fewer than 100,000",
      });
    }
  }
}

/** @throws OpenWitError `too_large` */
export function refuseAttributes(): never {
  throw new OpenWitError(
    "too_large",
    `cannot take more than ${attributesMax} attributes of one resource, scope or record`,
  );
}
