/** LogRecord (opentelemetry-proto 1.11, logs.proto) to a row of the logs table. */
import type { DictionaryVector, FixedVector, MapVector, Utf8Vector } from "../model/vector.ts";
import { letterEmpty, letterString } from "./any_value.ts";
import { AttributeReader } from "./attributes.ts";
import { type Batch, isTooLate, latestHigh, latestLow } from "./batch.ts";
import { CachedDictionary } from "./cached_dictionary.ts";
import { rowWeight } from "./weight.ts";

export class LogReader {
  readonly #batch: Batch;
  readonly #attributes: AttributeReader;
  readonly #timestamp: FixedVector;
  readonly #observed: FixedVector;
  readonly #severityNumber: FixedVector;
  readonly #severityText: CachedDictionary;
  readonly #body: Utf8Vector;
  readonly #bodyType: DictionaryVector;
  readonly #patternId: FixedVector;
  readonly #traceId: Utf8Vector;
  readonly #spanId: Utf8Vector;
  readonly #flags: FixedVector;
  readonly #eventName: CachedDictionary;
  readonly #dropped: FixedVector;
  /** Codes of the body's type letters, by letter. */
  readonly #bodyTypeCodes = new Int32Array(128).fill(-1);

  constructor(batch: Batch) {
    this.#batch = batch;
    this.#attributes = new AttributeReader(
      batch.column<MapVector>("attributes"),
      batch.column<DictionaryVector>("attribute_types"),
      batch.values,
    );
    this.#timestamp = batch.column("timestamp");
    this.#observed = batch.column("observed_timestamp");
    this.#severityNumber = batch.column("severity_number");
    this.#severityText = new CachedDictionary(batch.column("severity_text"));
    this.#body = batch.column("body");
    this.#bodyType = batch.column("body_type");
    this.#patternId = batch.column("pattern_id");
    this.#traceId = batch.column("trace_id");
    this.#spanId = batch.column("span_id");
    this.#flags = batch.column("flags");
    this.#eventName = new CachedDictionary(batch.column("event_name"));
    this.#dropped = batch.column("dropped_attributes_count");
  }

  read(start: number, end: number): void {
    const batch = this.#batch, attributes = this.#attributes;
    const { wire } = batch;
    const { bytes } = wire;
    let timeAt = -1, observedAt = -1, severityNumber = 0, dropped = 0, flags = 0;
    let severityFrom = 0, severityTo = 0, eventFrom = 0, eventTo = 0, bodyFrom = 0, bodyTo = 0, bodies = 0;
    let traceFrom = 0, traceTo = 0, spanFrom = 0, spanTo = 0, entries = 0;
    for (let at = start; at < end;) {
      let tag = bytes[at++];
      if (tag >= 0x80) {
        tag = wire.longTag(at - 1, end);
        at = wire.at;
      }
      switch (tag) {
        case 0x09: // time_unix_nano
          timeAt = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x10: // severity_number
          severityNumber = wire.varint(at, end);
          at = wire.at;
          break;
        case 0x1a: // severity_text
          severityTo = at = wire.delimited(at, end);
          severityFrom = wire.at;
          break;
        case 0x2a: // body
          bodyTo = at = wire.delimited(at, end);
          bodyFrom = wire.at;
          bodies++;
          break;
        case 0x32: // attributes
          at = wire.delimited(at, end);
          attributes.add(wire.at, at);
          entries++;
          break;
        case 0x38: // dropped_attributes_count
          dropped = wire.varint(at, end);
          at = wire.at;
          break;
        case 0x45: // flags
          at = wire.fixed(at, end, 4);
          flags = wire.view.getInt32(at - 4, true);
          break;
        case 0x4a: // trace_id
          traceTo = at = wire.delimited(at, end);
          traceFrom = wire.at;
          break;
        case 0x52: // span_id
          spanTo = at = wire.delimited(at, end);
          spanFrom = wire.at;
          break;
        case 0x59: // observed_time_unix_nano
          observedAt = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x62: // event_name
          eventTo = at = wire.delimited(at, end);
          eventFrom = wire.at;
          break;
        default:
          at = wire.skip(tag, at, end);
      }
    }
    batch.weight.add(rowWeight + entries);

    this.#pushTimes(timeAt, observedAt);
    this.#pushBody(bodies, start, end, bodyFrom, bodyTo);
    if (batch.refuse()) return attributes.discard();
    attributes.end();
    this.#severityNumber.pushInt(severityNumber);
    this.#severityText.push(bytes, severityFrom, severityTo);
    this.#eventName.push(bytes, eventFrom, eventTo);
    batch.pushHex(this.#traceId, traceFrom, traceTo);
    batch.pushHex(this.#spanId, spanFrom, spanTo);
    this.#flags.pushInt(flags);
    this.#dropped.pushInt(dropped);
    this.#patternId.pushNull();
    batch.rows++;
    wire.release();
  }

  #pushTimes(timeAt: number, observedAt: number): void {
    const batch = this.#batch, attributes = this.#attributes;
    const { view } = batch.wire;
    let observedLow = 0, observedHigh = 0, low = 0, high = 0;
    if (observedAt >= 0) {
      observedLow = view.getInt32(observedAt, true);
      observedHigh = view.getInt32(observedAt + 4, true);
    }
    if (timeAt >= 0) {
      low = view.getInt32(timeAt, true);
      high = view.getInt32(timeAt + 4, true);
    }
    batch.pushOptionalTime(this.#observed, observedLow, observedHigh, attributes, "observed_time_unix_nano");
    if ((low | high) !== 0) batch.pushTime(this.#timestamp, low, high, attributes, "time_unix_nano");
    else if ((observedLow | observedHigh) === 0) {
      this.#timestamp.pushWords(batch.receivedLow, batch.receivedHigh);
    } else if (isTooLate(observedLow, observedHigh)) this.#timestamp.pushWords(latestLow, latestHigh);
    else this.#timestamp.pushWords(observedLow, observedHigh);
  }

  #pushBody(bodies: number, start: number, end: number, from: number, to: number): void {
    const { values, wire } = this.#batch;
    if (bodies === 0) {
      this.#body.pushNull();
      return this.#bodyType.pushCode(this.#typeCode(letterEmpty));
    }
    if (bodies > 1) {
      to = wire.gather(0x2a, start, end);
      from = wire.at;
    }
    this.#bodyType.pushCode(this.#typeCode(values.push(this.#body, from, to)));
  }

  /** The code of a type letter, which is empty for a string. */
  #typeCode(letter: number): number {
    const known = this.#bodyTypeCodes[letter];
    if (known >= 0) return known;
    const text = new Uint8Array([letter]);
    return this.#bodyTypeCodes[letter] = this.#bodyType.codeOf(text, 0, letter === letterString ? 0 : 1);
  }
}
