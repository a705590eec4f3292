/**
 * AnyValue (opentelemetry-proto 1.11, common.proto) to the text forms of model/value.ts.
 *
 * Invariants: one scan a value; of several members of the oneof the last wins, and pieces of one list are
 * joined, as protobuf says; a value deeper than `valueDepthMax` sets `tooDeep` and is not descended into.
 */
import type { Utf8Vector } from "../model/vector.ts";
import { TextWriter } from "./text_writer.ts";
import type { Wire } from "./wire.ts";

/** Lists within lists that a value may have; deeper ones are refused with their record. */
export const valueDepthMax = 64;

/** Type letters of model/value.ts as ASCII codes. */
export const letterString = 0x73;
export const letterBool = 0x62;
export const letterInt = 0x69;
export const letterDouble = 0x64;
export const letterBytes = 0x79;
export const letterArray = 0x61;
export const letterKvlist = 0x6d;
export const letterEmpty = 0x6e;

export class AnyValueReader {
  /** Set when a value was deeper than the limit; whoever begins a record clears it. */
  tooDeep = false;
  readonly writer = new TextWriter();
  /** What the last scan found: the letter, and the payload's range or the integer's words. */
  letter = letterEmpty;
  from = 0;
  to = 0;
  low = 0;
  high = 0;

  readonly keyValue: KeyValueReader;

  constructor(readonly wire: Wire) {
    this.keyValue = new KeyValueReader(wire);
  }

  /** Appends the value's text, NULL when it is empty; returns its type letter. */
  push(vector: Utf8Vector, start: number, end: number): number {
    this.scan(start, end);
    const { letter, wire } = this;
    if (letter === letterString) vector.pushFrom(wire.view, this.from, this.to);
    else if (letter === letterEmpty) vector.pushNull();
    else {
      this.writer.length = 0;
      this.#writeScanned(1);
      vector.push(this.writer.bytes, 0, this.writer.length);
    }
    return letter;
  }

  /** Writes the value's text to `writer`, which is cleared first; nothing when it is empty. */
  text(start: number, end: number): void {
    const { writer, wire } = this;
    this.scan(start, end);
    writer.length = 0;
    if (this.letter === letterString) writer.range(wire.bytes, this.from, this.to);
    else if (this.letter !== letterEmpty) this.#writeScanned(1);
  }

  /** Writes the value as typed JSON; `depth` lists are around it. */
  json(start: number, end: number, depth: number): void {
    this.scan(start, end);
    const { writer, wire, letter } = this;
    if (letter === letterString) writer.jsonString(wire.bytes, this.from, this.to);
    else if (letter === letterEmpty) writer.ascii("null");
    else if (letter === letterDouble) writer.jsonDouble(wire.view.getFloat64(this.from, true));
    else if (letter === letterBytes) {
      writer.ascii('{"$bytes":"');
      writer.base64(wire.bytes, this.from, this.to);
      writer.ascii('"}');
    } else this.#writeScanned(depth + 1);
  }

  /** Reads one AnyValue into `letter`, `from`, `to`, `low` and `high`. */
  scan(start: number, end: number): void {
    const { wire } = this;
    const { bytes } = wire;
    let letter = letterEmpty, from = 0, to = 0, low = 0, high = 0;
    let listBegin = 0, pieces = 0;
    for (let at = start; at < end;) {
      const tagBegin = at;
      let tag = bytes[at++];
      if (tag >= 0x80) {
        tag = wire.longTag(at - 1, end);
        at = wire.at;
      }
      switch (tag) {
        case 0x0a:
        case 0x3a:
          to = at = wire.delimited(at, end);
          from = wire.at;
          letter = tag === 0x0a ? letterString : letterBytes;
          break;
        case 0x10:
        case 0x18:
          low = wire.varint(at, end);
          high = wire.high;
          at = wire.at;
          letter = tag === 0x10 ? letterBool : letterInt;
          break;
        case 0x21:
          from = at;
          at = wire.fixed(at, end, 8);
          letter = letterDouble;
          break;
        case 0x2a:
        case 0x32: {
          to = at = wire.delimited(at, end);
          from = wire.at;
          const list = tag === 0x2a ? letterArray : letterKvlist;
          if (letter !== list) {
            listBegin = tagBegin;
            pieces = 0;
          }
          pieces++;
          letter = list;
          break;
        }
        case 0x40: // an index into a string table that only profiles have: no value of ours
          wire.varint(at, end);
          at = wire.at;
          letter = letterEmpty;
          break;
        default:
          at = wire.skip(tag, at, end);
      }
    }
    if (pieces > 1 && (letter === letterArray || letter === letterKvlist)) {
      to = wire.gather(letter === letterArray ? 0x2a : 0x32, listBegin, end);
      from = wire.at;
    }
    this.letter = letter;
    this.from = from;
    this.to = to;
    this.low = low;
    this.high = high;
  }

  #writeScanned(depth: number): void {
    const { writer, wire } = this;
    switch (this.letter) {
      case letterBool:
        return writer.ascii((this.low | this.high) === 0 ? "false" : "true");
      case letterInt:
        return writer.int64(this.low, this.high);
      case letterDouble:
        return writer.double(wire.view.getFloat64(this.from, true));
      case letterBytes:
        return writer.base64(wire.bytes, this.from, this.to);
      default:
        return this.#list(this.letter === letterArray, this.from, this.to, depth);
    }
  }

  /** The elements of an ArrayValue or a KeyValueList: both are field 1, repeated. */
  #list(isArray: boolean, start: number, end: number, depth: number): void {
    const { writer, wire } = this;
    if (depth > valueDepthMax) {
      this.tooDeep = true;
      return;
    }
    writer.byte(isArray ? 0x5b : 0x7b);
    let count = 0;
    for (let at = start; at < end;) {
      let tag = wire.bytes[at++];
      if (tag >= 0x80) {
        tag = wire.longTag(at - 1, end);
        at = wire.at;
      }
      if (tag === 0x0a) {
        at = wire.delimited(at, end);
        if (count++ > 0) writer.byte(0x2c);
        if (isArray) this.json(wire.at, at, depth);
        else this.#jsonEntry(wire.at, at, depth);
      } else at = wire.skip(tag, at, end);
    }
    writer.byte(isArray ? 0x5d : 0x7d);
  }

  #jsonEntry(start: number, end: number, depth: number): void {
    const { writer, wire, keyValue } = this;
    keyValue.scan(start, end);
    const { valueFrom, valueTo } = keyValue;
    writer.jsonString(wire.bytes, keyValue.keyFrom, keyValue.keyTo, true);
    writer.byte(0x3a);
    this.json(valueFrom, valueTo, depth);
  }
}

/** KeyValue: field 1 the key, field 2 the value; the index into a string table (3) is only for profiles. */
export class KeyValueReader {
  keyFrom = 0;
  keyTo = 0;
  valueFrom = 0;
  valueTo = 0;

  constructor(readonly wire: Wire) {}

  scan(start: number, end: number): void {
    const { wire } = this;
    const { bytes } = wire;
    let keyFrom = 0, keyTo = 0, valueFrom = 0, valueTo = 0, values = 0;
    for (let at = start; at < end;) {
      let tag = bytes[at++];
      if (tag >= 0x80) {
        tag = wire.longTag(at - 1, end);
        at = wire.at;
      }
      if (tag === 0x0a) {
        keyTo = at = wire.delimited(at, end);
        keyFrom = wire.at;
      } else if (tag === 0x12) {
        valueTo = at = wire.delimited(at, end);
        valueFrom = wire.at;
        values++;
      } else at = wire.skip(tag, at, end);
    }
    if (values > 1) {
      valueTo = wire.gather(0x12, start, end);
      valueFrom = wire.at;
    }
    this.keyFrom = keyFrom;
    this.keyTo = keyTo;
    this.valueFrom = valueFrom;
    this.valueTo = valueTo;
  }
}
