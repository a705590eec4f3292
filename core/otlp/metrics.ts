/**
 * Metric (opentelemetry-proto 1.11, metrics.proto) to rows of the metrics table, one for each data point.
 * A metric without points is no row. What each kind of point holds is read in points.ts.
 */
import type { DictionaryVector, FixedVector } from "../model/vector.ts";
import type { Batch } from "./batch.ts";
import { PointReader } from "./points.ts";
import { SeriesHasher } from "./series.ts";
import { attributesMax, refuseAttributes } from "./weight.ts";

/** Tags of the members of `Metric.data`, and what the type column calls them. */
const kinds = {
  0x2a: "gauge",
  0x3a: "sum",
  0x4a: "histogram",
  0x52: "exponential_histogram",
  0x5a: "summary",
} as const;
export type MetricKind = (typeof kinds)[keyof typeof kinds];

export class MetricReader {
  readonly #batch: Batch;
  readonly #points: PointReader;
  readonly #series: SeriesHasher;
  readonly #name: DictionaryVector;
  readonly #description: DictionaryVector;
  readonly #unit: DictionaryVector;
  readonly #type: DictionaryVector;
  readonly #temporality: FixedVector;
  readonly #isMonotonic: FixedVector;
  readonly #metadata: DictionaryVector;

  constructor(batch: Batch) {
    this.#batch = batch;
    this.#series = new SeriesHasher(batch.column("series_id"));
    this.#points = new PointReader(batch, this.#series);
    this.#name = batch.column("metric_name");
    this.#description = batch.column("description");
    this.#unit = batch.column("unit");
    this.#type = batch.column("type");
    this.#temporality = batch.column("temporality");
    this.#isMonotonic = batch.column("is_monotonic");
    this.#metadata = batch.column("metric_metadata");
  }

  beginScope(): void {
    this.#series.beginOrigin(this.#batch.origin);
  }

  read(start: number, end: number): void {
    const batch = this.#batch;
    const { wire, values } = batch;
    const { bytes } = wire;
    let nameFrom = 0, nameTo = 0, descriptionFrom = 0, descriptionTo = 0, unitFrom = 0, unitTo = 0;
    let dataTag = 0, dataFrom = 0, dataTo = 0, dataBegin = 0, pieces = 0;
    const metadata: [number, number][] = [];
    for (let at = start; at < end;) {
      const tagBegin = at;
      const tag = wire.longTag(at, end);
      at = wire.at;
      switch (tag) {
        case 0x0a: // name
          nameTo = at = wire.delimited(at, end);
          nameFrom = wire.at;
          break;
        case 0x12: // description
          descriptionTo = at = wire.delimited(at, end);
          descriptionFrom = wire.at;
          break;
        case 0x1a: // unit
          unitTo = at = wire.delimited(at, end);
          unitFrom = wire.at;
          break;
        case 0x2a:
        case 0x3a:
        case 0x4a:
        case 0x52:
        case 0x5a: // data: the last member stands, sent in pieces it is merged
          dataTo = at = wire.delimited(at, end);
          dataFrom = wire.at;
          if (tag !== dataTag) {
            dataTag = tag;
            dataBegin = tagBegin;
            pieces = 0;
          }
          pieces++;
          break;
        case 0x62: // metadata
          at = wire.delimited(at, end);
          if (metadata.length === attributesMax) refuseAttributes();
          metadata.push([wire.at, at]);
          break;
        default:
          at = wire.skip(tag, at, end);
      }
    }
    if (dataTag === 0) return;
    if (pieces > 1) {
      dataTo = wire.gather(dataTag, dataBegin, end);
      dataFrom = wire.at;
    }
    const nameCode = this.#name.codeOf(bytes, nameFrom, nameTo);
    const descriptionCode = this.#description.codeOf(bytes, descriptionFrom, descriptionTo);
    const unitCode = this.#unit.codeOf(bytes, unitFrom, unitTo);
    const kind = kinds[dataTag as keyof typeof kinds];
    values.tooDeep = false;
    const metadataCode = batch.origin.attributesCode(this.#metadata, metadata);
    const isTooDeep = values.tooDeep;
    this.#series.beginMetric(this.#name, nameCode);

    const rowsBefore = batch.rows;
    this.#readData(kind, dataFrom, dataTo, isTooDeep);
    const count = batch.rows - rowsBefore;
    this.#name.pushCodes(nameCode, count);
    this.#description.pushCodes(descriptionCode, count);
    this.#unit.pushCodes(unitCode, count);
    this.#metadata.pushCodes(metadataCode, count);
    if (count > 0) {
      const type = new TextEncoder().encode(kind);
      this.#type.pushCodes(this.#type.codeOf(type, 0, type.length), count);
    }
    wire.release();
  }

  /** Gauge, Sum and their like: 1 data_points, 2 aggregation_temporality, 3 is_monotonic. */
  #readData(kind: MetricKind, start: number, end: number, isTooDeep: boolean): void {
    const batch = this.#batch;
    const { wire } = batch;
    const hasTemporality = kind !== "gauge" && kind !== "summary";
    let temporality = 0, isMonotonic = 0;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      if (tag === 0x10 && hasTemporality) {
        temporality = wire.varint(at, end);
        at = wire.at;
      } else if (tag === 0x18 && kind === "sum") {
        isMonotonic = (wire.varint(at, end) | wire.high) === 0 ? 0 : 1;
        at = wire.at;
      } else at = wire.skip(tag, at, end);
    }
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      if (tag === 0x0a) {
        at = wire.delimited(at, end);
        const rowsBefore = batch.rows;
        this.#points.read(kind, wire.at, at, isTooDeep);
        if (batch.rows > rowsBefore) {
          this.#temporality.pushInt(temporality);
          this.#isMonotonic.pushInt(isMonotonic);
        }
      } else at = wire.skip(tag, at, end);
    }
  }
}
