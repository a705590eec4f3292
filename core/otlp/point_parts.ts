/** What stands inside a metric's point: exemplars, and the bucket lists of exponential histograms. */
import type {
  DictionaryVector,
  FixedVector,
  ListVector,
  MapVector,
  StructVector,
  Utf8Vector,
} from "../model/vector.ts";
import { AttributeReader } from "./attributes.ts";
import { absent, type Batch } from "./batch.ts";
import type { Wire } from "./wire.ts";
import { elementWeight } from "./weight.ts";

export class ExemplarReader {
  readonly #batch: Batch;
  readonly #struct: StructVector;
  readonly #timestamp: FixedVector;
  readonly #value: FixedVector;
  readonly #valueInt: FixedVector;
  readonly #traceId: Utf8Vector;
  readonly #spanId: Utf8Vector;
  readonly #attributes: AttributeReader;

  constructor(batch: Batch, readonly list: ListVector) {
    this.#batch = batch;
    this.#struct = list.child as StructVector;
    const [timestamp, value, valueInt, traceId, spanId, attributes, types] = this.#struct.children;
    this.#timestamp = timestamp as FixedVector;
    this.#value = value as FixedVector;
    this.#valueInt = valueInt as FixedVector;
    this.#traceId = traceId as Utf8Vector;
    this.#spanId = spanId as Utf8Vector;
    this.#attributes = new AttributeReader(attributes as MapVector, types as DictionaryVector, batch.values);
  }

  read(start: number, end: number): void {
    const batch = this.#batch;
    const { wire } = batch;
    let timeAt = absent, doubleAt = absent, intAt = absent;
    let traceFrom = 0, traceTo = 0, spanFrom = 0, spanTo = 0;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      switch (tag) {
        case 0x11: // time_unix_nano
          timeAt = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x19: // as_double
          doubleAt = at;
          intAt = absent;
          at = wire.fixed(at, end, 8);
          break;
        case 0x22: // span_id
          spanTo = at = wire.delimited(at, end);
          spanFrom = wire.at;
          break;
        case 0x2a: // trace_id
          traceTo = at = wire.delimited(at, end);
          traceFrom = wire.at;
          break;
        case 0x31: // as_int
          intAt = at;
          doubleAt = absent;
          at = wire.fixed(at, end, 8);
          break;
        case 0x3a: // filtered_attributes
          at = wire.delimited(at, end);
          this.#attributes.add(wire.at, at);
          break;
        default:
          at = wire.skip(tag, at, end);
      }
    }
    batch.weight.add(elementWeight + this.#attributes.count);
    batch.pushOptionalTimeAt(this.#timestamp, timeAt, this.#attributes, "time_unix_nano");
    batch.pushNumber(this.#value, this.#valueInt, doubleAt, intAt);
    batch.pushHex(this.#traceId, traceFrom, traceTo);
    batch.pushHex(this.#spanId, spanFrom, spanTo);
    this.#attributes.end();
    this.#struct.endRow();
  }
}

/** Buckets of an exponential histogram: 1 offset, 2 bucket_counts. Sent in pieces, they are merged. */
export class BucketReader {
  #isPresent = false;
  #offset = 0;

  constructor(
    readonly wire: Wire,
    readonly offsets: FixedVector,
    readonly counts: ListVector,
  ) {}

  begin(): void {
    this.#isPresent = false;
    this.#offset = 0;
  }

  read(start: number, end: number): void {
    const { wire } = this;
    const target = this.counts.child as FixedVector;
    this.#isPresent = true;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      if (tag === 0x08) {
        this.#offset = zigzag(wire.varint(at, end));
        at = wire.at;
      } else if (tag === 0x10) {
        wire.varint(at, end);
        at = wire.at;
        target.pushWords(wire.low, wire.high);
      } else if (tag === 0x12) {
        const stop = wire.delimited(at, end);
        at = wire.at;
        while (at < stop) {
          wire.varint(at, stop);
          at = wire.at;
          target.pushWords(wire.low, wire.high);
        }
      } else at = wire.skip(tag, at, end);
    }
  }

  /** Ends the row, with NULL for the offset of buckets that were not sent. */
  end(): void {
    if (this.#isPresent) this.offsets.pushInt(this.#offset);
    else this.offsets.pushNull();
    this.counts.endRow();
  }
}

/** The value of a sint32. */
export function zigzag(word: number): number {
  return word >>> 1 ^ -(word & 1);
}
