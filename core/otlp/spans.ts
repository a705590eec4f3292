/** Span (opentelemetry-proto 1.11, trace.proto), its events and its links, to a row of the spans table. */
import type {
  DictionaryVector,
  FixedVector,
  ListVector,
  MapVector,
  StructVector,
  Utf8Vector,
} from "../model/vector.ts";
import { AttributeReader } from "./attributes.ts";
import { type Batch, isTooLate, latestHigh, latestLow } from "./batch.ts";
import { CachedDictionary } from "./cached_dictionary.ts";
import { elementWeight, rowWeight } from "./weight.ts";

export class SpanReader {
  readonly #batch: Batch;
  readonly #attributes: AttributeReader;
  readonly #events: EventReader;
  readonly #links: LinkReader;
  readonly #traceId: Utf8Vector;
  readonly #spanId: Utf8Vector;
  readonly #parentSpanId: Utf8Vector;
  readonly #traceState: CachedDictionary;
  readonly #flags: FixedVector;
  readonly #name: DictionaryVector;
  readonly #kind: FixedVector;
  readonly #start: FixedVector;
  readonly #end: FixedVector;
  readonly #duration: FixedVector;
  readonly #statusCode: FixedVector;
  readonly #statusMessage: CachedDictionary;
  readonly #dropped: FixedVector;
  readonly #droppedEvents: FixedVector;
  readonly #droppedLinks: FixedVector;
  /** The status of the span that is being read. */
  #status = 0;
  #messageFrom = 0;
  #messageTo = 0;

  constructor(batch: Batch) {
    this.#batch = batch;
    this.#attributes = new AttributeReader(
      batch.column<MapVector>("attributes"),
      batch.column<DictionaryVector>("attribute_types"),
      batch.values,
    );
    this.#events = new EventReader(batch, batch.column<ListVector>("events"));
    this.#links = new LinkReader(batch, batch.column<ListVector>("links"));
    this.#traceId = batch.column("trace_id");
    this.#spanId = batch.column("span_id");
    this.#parentSpanId = batch.column("parent_span_id");
    this.#traceState = new CachedDictionary(batch.column("trace_state"));
    this.#flags = batch.column("flags");
    this.#name = batch.column("name");
    this.#kind = batch.column("kind");
    this.#start = batch.column("start_timestamp");
    this.#end = batch.column("end_timestamp");
    this.#duration = batch.column("duration_ns");
    this.#statusCode = batch.column("status_code");
    this.#statusMessage = new CachedDictionary(batch.column("status_message"));
    this.#dropped = batch.column("dropped_attributes_count");
    this.#droppedEvents = batch.column("dropped_events_count");
    this.#droppedLinks = batch.column("dropped_links_count");
  }

  read(start: number, end: number): void {
    const batch = this.#batch, attributes = this.#attributes;
    const { wire } = batch;
    const { bytes } = wire;
    let startAt = -1, endAt = -1, kind = 0, dropped = 0, droppedEvents = 0, droppedLinks = 0, flags = 0;
    let traceFrom = 0, traceTo = 0, spanFrom = 0, spanTo = 0, parentFrom = 0, parentTo = 0;
    let stateFrom = 0, stateTo = 0, nameFrom = 0, nameTo = 0, entries = 0;
    this.#status = this.#messageFrom = this.#messageTo = 0;
    for (let at = start; at < end;) {
      let tag = bytes[at++];
      if (tag >= 0x80) {
        tag = wire.longTag(at - 1, end);
        at = wire.at;
      }
      switch (tag) {
        case 0x0a: // trace_id
          traceTo = at = wire.delimited(at, end);
          traceFrom = wire.at;
          break;
        case 0x12: // span_id
          spanTo = at = wire.delimited(at, end);
          spanFrom = wire.at;
          break;
        case 0x1a: // trace_state
          stateTo = at = wire.delimited(at, end);
          stateFrom = wire.at;
          break;
        case 0x22: // parent_span_id
          parentTo = at = wire.delimited(at, end);
          parentFrom = wire.at;
          break;
        case 0x2a: // name
          nameTo = at = wire.delimited(at, end);
          nameFrom = wire.at;
          break;
        case 0x30: // kind
          kind = wire.varint(at, end);
          at = wire.at;
          break;
        case 0x39: // start_time_unix_nano
          startAt = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x41: // end_time_unix_nano
          endAt = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x4a: // attributes
          at = wire.delimited(at, end);
          attributes.add(wire.at, at);
          entries++;
          break;
        case 0x50: // dropped_attributes_count
          dropped = wire.varint(at, end);
          at = wire.at;
          break;
        case 0x5a: // events
          at = wire.delimited(at, end);
          this.#events.read(wire.at, at);
          break;
        case 0x60: // dropped_events_count
          droppedEvents = wire.varint(at, end);
          at = wire.at;
          break;
        case 0x6a: // links
          at = wire.delimited(at, end);
          this.#links.read(wire.at, at);
          break;
        case 0x70: // dropped_links_count
          droppedLinks = wire.varint(at, end);
          at = wire.at;
          break;
        case 0x7a: // status
          at = wire.delimited(at, end);
          this.#readStatus(wire.at, at);
          break;
        case 0x85: // flags
          at = wire.fixed(at, end, 4);
          flags = wire.view.getInt32(at - 4, true);
          break;
        default:
          at = wire.skip(tag, at, end);
      }
    }
    batch.weight.add(rowWeight + entries);
    if (batch.refuse()) return attributes.discard();

    this.#pushTimes(startAt, endAt);
    attributes.end();
    this.#events.list.endRow();
    this.#links.list.endRow();
    batch.pushHex(this.#traceId, traceFrom, traceTo);
    batch.pushHex(this.#spanId, spanFrom, spanTo);
    batch.pushHex(this.#parentSpanId, parentFrom, parentTo);
    this.#traceState.push(bytes, stateFrom, stateTo);
    this.#flags.pushInt(flags);
    this.#name.push(bytes, nameFrom, nameTo);
    this.#kind.pushInt(kind);
    this.#statusCode.pushInt(this.#status);
    this.#statusMessage.push(bytes, this.#messageFrom, this.#messageTo);
    this.#dropped.pushInt(dropped);
    this.#droppedEvents.pushInt(droppedEvents);
    this.#droppedLinks.pushInt(droppedLinks);
    batch.rows++;
    wire.release();
  }

  /** Status: 2 message, 3 code. Sent in pieces, the last of each field stands. */
  #readStatus(start: number, end: number): void {
    const { wire } = this.#batch;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      if (tag === 0x12) {
        this.#messageTo = at = wire.delimited(at, end);
        this.#messageFrom = wire.at;
      } else if (tag === 0x18) {
        this.#status = wire.varint(at, end);
        at = wire.at;
      } else at = wire.skip(tag, at, end);
    }
  }

  #pushTimes(startAt: number, endAt: number): void {
    const batch = this.#batch, attributes = this.#attributes;
    const { view } = batch.wire;
    let startLow = 0, startHigh = 0, endLow = 0, endHigh = 0;
    if (startAt >= 0) {
      startLow = view.getInt32(startAt, true);
      startHigh = view.getInt32(startAt + 4, true);
    }
    if (endAt >= 0) {
      endLow = view.getInt32(endAt, true);
      endHigh = view.getInt32(endAt + 4, true);
    }
    const hasStart = (startLow | startHigh) !== 0, hasEnd = (endLow | endHigh) !== 0;
    if (hasStart) batch.pushTime(this.#start, startLow, startHigh, attributes, "start_time_unix_nano");
    batch.pushOptionalTime(this.#end, endLow, endHigh, attributes, "end_time_unix_nano");
    if (isTooLate(startLow, startHigh)) startLow = latestLow, startHigh = latestHigh; // what the columns hold
    if (isTooLate(endLow, endHigh)) endLow = latestLow, endHigh = latestHigh;
    if (!hasStart) {
      if (hasEnd) this.#start.pushWords(endLow, endHigh);
      else this.#start.pushWords(batch.receivedLow, batch.receivedHigh);
    }
    if (!hasStart || !hasEnd) return this.#duration.pushWords(0, 0);
    const borrow = (endLow >>> 0) < (startLow >>> 0) ? 1 : 0;
    this.#duration.pushWords(endLow - startLow | 0, endHigh - startHigh - borrow | 0);
  }
}

class EventReader {
  readonly #batch: Batch;
  readonly #struct: StructVector;
  readonly #attributes: AttributeReader;
  readonly #timestamp: FixedVector;
  readonly #name: CachedDictionary;
  readonly #dropped: FixedVector;

  constructor(batch: Batch, readonly list: ListVector) {
    this.#batch = batch;
    const [timestamp, name, attributes, types, dropped] = (list.child as StructVector).children;
    this.#struct = list.child as StructVector;
    this.#timestamp = timestamp as FixedVector;
    this.#name = new CachedDictionary(name as DictionaryVector);
    this.#attributes = new AttributeReader(attributes as MapVector, types as DictionaryVector, batch.values);
    this.#dropped = dropped as FixedVector;
  }

  read(start: number, end: number): void {
    const batch = this.#batch;
    const { wire } = batch;
    let timeAt = -1, nameFrom = 0, nameTo = 0, dropped = 0, entries = 0;
    for (let at = start; at < end;) {
      let tag = wire.bytes[at++];
      if (tag >= 0x80) {
        tag = wire.longTag(at - 1, end);
        at = wire.at;
      }
      switch (tag) {
        case 0x09: // time_unix_nano
          timeAt = at;
          at = wire.fixed(at, end, 8);
          break;
        case 0x12: // name
          nameTo = at = wire.delimited(at, end);
          nameFrom = wire.at;
          break;
        case 0x1a: // attributes
          at = wire.delimited(at, end);
          this.#attributes.add(wire.at, at);
          entries++;
          break;
        case 0x20: // dropped_attributes_count
          dropped = wire.varint(at, end);
          at = wire.at;
          break;
        default:
          at = wire.skip(tag, at, end);
      }
    }
    batch.weight.add(elementWeight + entries);
    batch.pushOptionalTimeAt(this.#timestamp, timeAt, this.#attributes, "time_unix_nano");
    this.#name.push(wire.bytes, nameFrom, nameTo);
    this.#attributes.end();
    this.#dropped.pushInt(dropped);
    this.#struct.endRow();
  }
}

class LinkReader {
  readonly #batch: Batch;
  readonly #struct: StructVector;
  readonly #attributes: AttributeReader;
  readonly #traceId: Utf8Vector;
  readonly #spanId: Utf8Vector;
  readonly #traceState: CachedDictionary;
  readonly #dropped: FixedVector;
  readonly #flags: FixedVector;

  constructor(batch: Batch, readonly list: ListVector) {
    this.#batch = batch;
    const [traceId, spanId, traceState, attributes, types, dropped, flags] =
      (list.child as StructVector).children;
    this.#struct = list.child as StructVector;
    this.#traceId = traceId as Utf8Vector;
    this.#spanId = spanId as Utf8Vector;
    this.#traceState = new CachedDictionary(traceState as DictionaryVector);
    this.#attributes = new AttributeReader(attributes as MapVector, types as DictionaryVector, batch.values);
    this.#dropped = dropped as FixedVector;
    this.#flags = flags as FixedVector;
  }

  read(start: number, end: number): void {
    const batch = this.#batch;
    const { wire } = batch;
    let traceFrom = 0, traceTo = 0, spanFrom = 0, spanTo = 0, stateFrom = 0, stateTo = 0;
    let dropped = 0, flags = 0, entries = 0;
    for (let at = start; at < end;) {
      let tag = wire.bytes[at++];
      if (tag >= 0x80) {
        tag = wire.longTag(at - 1, end);
        at = wire.at;
      }
      switch (tag) {
        case 0x0a: // trace_id
          traceTo = at = wire.delimited(at, end);
          traceFrom = wire.at;
          break;
        case 0x12: // span_id
          spanTo = at = wire.delimited(at, end);
          spanFrom = wire.at;
          break;
        case 0x1a: // trace_state
          stateTo = at = wire.delimited(at, end);
          stateFrom = wire.at;
          break;
        case 0x22: // attributes
          at = wire.delimited(at, end);
          this.#attributes.add(wire.at, at);
          entries++;
          break;
        case 0x28: // dropped_attributes_count
          dropped = wire.varint(at, end);
          at = wire.at;
          break;
        case 0x35: // flags
          at = wire.fixed(at, end, 4);
          flags = wire.view.getInt32(at - 4, true);
          break;
        default:
          at = wire.skip(tag, at, end);
      }
    }
    batch.weight.add(elementWeight + entries);
    batch.pushHex(this.#traceId, traceFrom, traceTo);
    batch.pushHex(this.#spanId, spanFrom, spanTo);
    this.#traceState.push(wire.bytes, stateFrom, stateTo);
    this.#attributes.end();
    this.#dropped.pushInt(dropped);
    this.#flags.pushInt(flags);
    this.#struct.endRow();
  }
}
