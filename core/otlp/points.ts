/**
 * The data points of the five metric kinds (opentelemetry-proto 1.11, metrics.proto), each to a row.
 *
 * 64-bit fields are noted as positions and copied as two words at the end, so that doubles keep every bit.
 * A field that a kind does not have is NULL; one that it has, and that was not sent, is proto3's zero, but for
 * the `optional` ones (sum, min, max of histograms), which are NULL.
 */
import type { DictionaryVector, FixedVector, ListVector, MapVector, StructVector } from "../model/vector.ts";
import { AttributeReader } from "./attributes.ts";
import { absent, type Batch, zero } from "./batch.ts";
import type { MetricKind } from "./metrics.ts";
import { BucketReader, ExemplarReader, zigzag } from "./point_parts.ts";
import type { SeriesHasher } from "./series.ts";
import { elementWeight, rowWeight } from "./weight.ts";

export class PointReader {
  readonly #batch: Batch;
  readonly #series: SeriesHasher;
  readonly #attributes: AttributeReader;
  readonly #exemplars: ExemplarReader;
  readonly #timestamp: FixedVector;
  readonly #start: FixedVector;
  readonly #value: FixedVector;
  readonly #valueInt: FixedVector;
  readonly #count: FixedVector;
  readonly #sum: FixedVector;
  readonly #min: FixedVector;
  readonly #max: FixedVector;
  readonly #bucketCounts: ListVector;
  readonly #bounds: ListVector;
  readonly #scale: FixedVector;
  readonly #zeroCount: FixedVector;
  readonly #zeroThreshold: FixedVector;
  readonly #positive: BucketReader;
  readonly #negative: BucketReader;
  readonly #quantiles: ListVector;
  readonly #flags: FixedVector;
  readonly #at = new Positions();

  constructor(batch: Batch, series: SeriesHasher) {
    this.#batch = batch;
    this.#series = series;
    this.#attributes = new AttributeReader(
      batch.column<MapVector>("attributes"),
      batch.column<DictionaryVector>("attribute_types"),
      batch.values,
    );
    this.#exemplars = new ExemplarReader(batch, batch.column<ListVector>("exemplars"));
    this.#timestamp = batch.column("timestamp");
    this.#start = batch.column("start_timestamp");
    this.#value = batch.column("value");
    this.#valueInt = batch.column("value_int");
    this.#count = batch.column("count");
    this.#sum = batch.column("sum");
    this.#min = batch.column("min");
    this.#max = batch.column("max");
    this.#bucketCounts = batch.column("bucket_counts");
    this.#bounds = batch.column("explicit_bounds");
    this.#scale = batch.column("scale");
    this.#zeroCount = batch.column("zero_count");
    this.#zeroThreshold = batch.column("zero_threshold");
    this.#positive = new BucketReader(
      batch.wire,
      batch.column("positive_offset"),
      batch.column("positive_bucket_counts"),
    );
    this.#negative = new BucketReader(
      batch.wire,
      batch.column("negative_offset"),
      batch.column("negative_bucket_counts"),
    );
    this.#quantiles = batch.column("quantiles");
    this.#flags = batch.column("flags");
  }

  /** Reads a point; `isTooDeep` says that its metric is refused, and with it each of its points. */
  read(kind: MetricKind, start: number, end: number, isTooDeep: boolean): void {
    const batch = this.#batch;
    const positions = this.#at;
    positions.clear();
    this.#positive.begin();
    this.#negative.begin();
    switch (kind) {
      case "gauge":
      case "sum":
        this.#readNumber(start, end);
        break;
      case "histogram":
        positions.count = zero;
        this.#readHistogram(start, end);
        break;
      case "exponential_histogram":
        positions.count = positions.zeroCount = positions.zeroThreshold = zero;
        this.#readExponential(start, end);
        break;
      case "summary":
        positions.count = positions.sum = zero;
        this.#readSummary(start, end);
    }
    batch.weight.add(rowWeight + this.#attributes.count);
    if (isTooDeep) batch.values.tooDeep = true;
    if (batch.refuse()) return this.#attributes.discard();
    this.#pushRow(kind === "exponential_histogram");
    batch.rows++;
  }

  #readNumber(start: number, end: number): void {
    const { wire } = this.#batch;
    const positions = this.#at;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      switch (tag) {
        case 0x21: // as_double
          positions.double = at;
          positions.int = absent;
          at = wire.fixed(at, end, 8);
          break;
        case 0x2a: // exemplars
          at = wire.delimited(at, end);
          this.#exemplars.read(wire.at, at);
          break;
        case 0x31: // as_int
          positions.int = at;
          positions.double = absent;
          at = wire.fixed(at, end, 8);
          break;
        case 0x3a: // attributes
          at = wire.delimited(at, end);
          this.#attributes.add(wire.at, at);
          break;
        case 0x40: // flags
          positions.flags = wire.varint(at, end);
          at = wire.at;
          break;
        default:
          at = this.#common(tag, at, end);
      }
    }
  }

  #readHistogram(start: number, end: number): void {
    const { wire } = this.#batch;
    const positions = this.#at;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      switch (tag) {
        case 0x21: // count
          positions.count = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x29: // sum
          positions.sum = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x31: // bucket_counts, one by one
        case 0x32: // and packed
          at = this.#fixed64s(this.#bucketCounts.child as FixedVector, tag, at, end);
          break;
        case 0x39: // explicit_bounds, one by one
        case 0x3a: // and packed
          at = this.#fixed64s(this.#bounds.child as FixedVector, tag, at, end);
          break;
        case 0x42: // exemplars
          at = wire.delimited(at, end);
          this.#exemplars.read(wire.at, at);
          break;
        case 0x4a: // attributes
          at = wire.delimited(at, end);
          this.#attributes.add(wire.at, at);
          break;
        case 0x50: // flags
          positions.flags = wire.varint(at, end);
          at = wire.at;
          break;
        case 0x59: // min
          positions.min = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x61: // max
          positions.max = at;
          at = wire.fixed(at, end, 8);
          break;
        default:
          at = this.#common(tag, at, end);
      }
    }
  }

  #readExponential(start: number, end: number): void {
    const { wire } = this.#batch;
    const positions = this.#at;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      switch (tag) {
        case 0x0a: // attributes
          at = wire.delimited(at, end);
          this.#attributes.add(wire.at, at);
          break;
        case 0x21: // count
          positions.count = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x29: // sum
          positions.sum = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x30: // scale
          positions.scale = zigzag(wire.varint(at, end));
          at = wire.at;
          break;
        case 0x39: // zero_count
          positions.zeroCount = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x42: // positive
          at = wire.delimited(at, end);
          this.#positive.read(wire.at, at);
          break;
        case 0x4a: // negative
          at = wire.delimited(at, end);
          this.#negative.read(wire.at, at);
          break;
        case 0x50: // flags
          positions.flags = wire.varint(at, end);
          at = wire.at;
          break;
        case 0x5a: // exemplars
          at = wire.delimited(at, end);
          this.#exemplars.read(wire.at, at);
          break;
        case 0x61: // min
          positions.min = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x69: // max
          positions.max = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x71: // zero_threshold
          positions.zeroThreshold = at;
          at = wire.fixed(at, end, 8);
          break;
        default:
          at = this.#common(tag, at, end);
      }
    }
  }

  #readSummary(start: number, end: number): void {
    const { wire } = this.#batch;
    const positions = this.#at;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      switch (tag) {
        case 0x21: // count
          positions.count = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x29: // sum
          positions.sum = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x32: // quantile_values
          at = wire.delimited(at, end);
          this.#readQuantile(wire.at, at);
          break;
        case 0x3a: // attributes
          at = wire.delimited(at, end);
          this.#attributes.add(wire.at, at);
          break;
        case 0x40: // flags
          positions.flags = wire.varint(at, end);
          at = wire.at;
          break;
        default:
          at = this.#common(tag, at, end);
      }
    }
  }

  /** Fields that every kind has under one number: 2 start_time_unix_nano, 3 time_unix_nano. */
  #common(tag: number, at: number, end: number): number {
    const { wire } = this.#batch;
    if (tag === 0x11) this.#at.start = at;
    else if (tag === 0x19) this.#at.time = at;
    else return wire.skip(tag, at, end);
    return wire.fixed(at, end, 8);
  }

  /** A repeated fixed64 or double, packed or not. */
  #fixed64s(target: FixedVector, tag: number, at: number, end: number): number {
    const { wire } = this.#batch;
    let stop: number;
    if ((tag & 7) === 2) {
      stop = wire.delimited(at, end);
      at = wire.at;
      if ((stop - at) % 8 !== 0) wire.fail(at, "packed values of 8 bytes each");
    } else stop = wire.fixed(at, end, 8);
    for (; at < stop; at += 8) {
      target.pushWords(wire.view.getInt32(at, true), wire.view.getInt32(at + 4, true));
    }
    return stop;
  }

  /** ValueAtQuantile: 1 quantile, 2 value. */
  #readQuantile(start: number, end: number): void {
    const { wire } = this.#batch;
    let quantile = zero, value = zero;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      if (tag === 0x09) {
        quantile = at;
        at = wire.fixed(at, end, 8);
      } else if (tag === 0x11) {
        value = at;
        at = wire.fixed(at, end, 8);
      } else at = wire.skip(tag, at, end);
    }
    this.#batch.weight.add(elementWeight);
    const struct = this.#quantiles.child as StructVector;
    this.#batch.pushFixed64(struct.children[0] as FixedVector, quantile);
    this.#batch.pushFixed64(struct.children[1] as FixedVector, value);
    struct.endRow();
  }

  #pushRow(isExponential: boolean): void {
    const batch = this.#batch, positions = this.#at, attributes = this.#attributes;
    this.#series.push(attributes);
    if (!batch.pushTimeAt(this.#timestamp, positions.time, attributes, "time_unix_nano")) {
      this.#timestamp.pushWords(batch.receivedLow, batch.receivedHigh);
    }
    batch.pushOptionalTimeAt(this.#start, positions.start, attributes, "start_time_unix_nano");
    attributes.end();
    batch.pushNumber(this.#value, this.#valueInt, positions.double, positions.int);
    batch.pushFixed64(this.#count, positions.count);
    batch.pushFixed64(this.#sum, positions.sum);
    batch.pushFixed64(this.#min, positions.min);
    batch.pushFixed64(this.#max, positions.max);
    this.#bucketCounts.endRow();
    this.#bounds.endRow();
    if (isExponential) this.#scale.pushInt(positions.scale);
    else this.#scale.pushNull();
    batch.pushFixed64(this.#zeroCount, positions.zeroCount);
    batch.pushFixed64(this.#zeroThreshold, positions.zeroThreshold);
    this.#positive.end();
    this.#negative.end();
    this.#quantiles.endRow();
    this.#exemplars.list.endRow();
    this.#flags.pushInt(positions.flags);
  }
}

/** Where the fields of the point stand in the body, or `absent` or `zero`; and its 32-bit values. */
class Positions {
  time = absent;
  start = absent;
  double = absent;
  int = absent;
  count = absent;
  sum = absent;
  min = absent;
  max = absent;
  zeroCount = absent;
  zeroThreshold = absent;
  scale = 0;
  flags = 0;

  clear(): void {
    this.time =
      this.start =
      this.double =
      this.int =
      this.count =
      this.sum =
      this.min =
      this.max =
        absent;
    this.zeroCount = this.zeroThreshold = absent;
    this.scale = this.flags = 0;
  }
}
