/**
 * A protobuf writer over one growing buffer that is used again and again: what the demo shop writes OTLP with.
 *
 * Protocol Buffers wire format (proto3): tags and lengths are varints in their shortest form.
 * Numbers of a varint are integers in [0, 2^53).
 */
import { Buffer } from "node:buffer";

/** `wire type` of the fields that we write. */
export const wireVarint = 0, wireFixed64 = 1, wireBytes = 2, wireFixed32 = 5;

/** Up to here a loop is faster than TypedArray.set, whose call alone takes about 40 ns. */
const shortBytes = 64;

export class ProtobufWriter {
  bytes: Uint8Array;
  length = 0;
  #view: DataView;

  constructor(capacity = 4096) {
    this.bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.bytes.buffer);
  }

  reset(): void {
    this.length = 0;
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  raw(source: Uint8Array): void {
    const count = source.length;
    this.reserve(count);
    if (count > shortBytes) this.bytes.set(source, this.length);
    else {
      const target = this.bytes, at = this.length;
      for (let from = 0; from < count; from++) target[at + from] = source[from];
    }
    this.length += count;
  }

  /** `source[start, end)`, for short runs: a loop costs less than a view. */
  rawShort(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    const target = this.bytes;
    let at = this.length;
    for (let from = start; from < end; from++) target[at++] = source[from];
    this.length = at;
  }

  varint(value: number): void {
    this.reserve(8);
    const target = this.bytes;
    let at = this.length;
    while (value >= 0x8000_0000) {
      target[at++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    while (value >= 128) {
      target[at++] = value & 127 | 128;
      value >>>= 7;
    }
    target[at++] = value;
    this.length = at;
  }

  tag(field: number, wireType: number): void {
    if (field < 16 && this.length < this.bytes.length) this.bytes[this.length++] = field << 3 | wireType;
    else this.varint(field * 8 + wireType);
  }

  varintField(field: number, value: number): void {
    this.tag(field, wireVarint);
    this.varint(value);
  }

  /** An int64 varint of any sign. */
  int64Field(field: number, value: number): void {
    if (value >= 0) return this.varintField(field, value);
    this.tag(field, wireVarint);
    this.reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 128n; rest >>= 7n) this.bytes[this.length++] = Number(rest & 127n) | 128;
    this.bytes[this.length++] = Number(rest);
  }

  boolField(field: number, value: boolean): void {
    this.varintField(field, value ? 1 : 0);
  }

  doubleField(field: number, value: number): void {
    this.tag(field, wireFixed64);
    this.double(value);
  }

  double(value: number): void {
    this.reserve(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** An sfixed64 or fixed64 of an integer in [0, 2^53). */
  fixed64Field(field: number, value: number): void {
    this.tag(field, wireFixed64);
    this.fixed64(value >>> 0, Math.floor(value / 0x1_0000_0000));
  }

  fixed64(low: number, high: number): void {
    this.reserve(8);
    this.fixed32(low);
    this.fixed32(high);
  }

  fixed32(value: number): void {
    this.reserve(4);
    const target = this.bytes, at = this.length;
    target[at] = value;
    target[at + 1] = value >>> 8;
    target[at + 2] = value >>> 16;
    target[at + 3] = value >>> 24;
    this.length = at + 4;
  }

  /** A time: `offsetNs` (an integer below 2^53) after the Unix time `second`. Exact, and without a bigint. */
  timeField(field: number, second: number, offsetNs: number): void {
    this.tag(field, wireFixed64);
    const whole = Math.floor(offsetNs / 1e9);
    second += whole;
    // second * 1e9 + ns in two exact halves of 32 bits; each product below stays under 2^53
    const upper = Math.floor(second / 65_536) * 1e9;
    const carried = Math.floor(upper / 65_536);
    const rest = (upper - carried * 65_536) * 65_536 + (second % 65_536) * 1e9 + (offsetNs - whole * 1e9);
    this.fixed64(rest >>> 0, carried + Math.floor(rest / 0x1_0000_0000));
  }

  /** Not for hot loops. */
  stringField(field: number, text: string): void {
    this.bytesField(field, Buffer.from(text));
  }

  bytesField(field: number, value: Uint8Array): void {
    this.tag(field, wireBytes);
    this.varint(value.length);
    this.raw(value);
  }

  /** Begins a nested message; give what it returns to `close`. Most of ours have a length of two bytes. */
  open(field: number): number {
    this.tag(field, wireBytes);
    return this.begin(2);
  }

  close(start: number): void {
    this.end(start, 2);
  }

  /** Leaves room for a length of `width` bytes, which is right in most cases; `end` moves the others. */
  begin(width: 1 | 2): number {
    this.reserve(width);
    return this.length += width;
  }

  /** Writes the length of what stands from `start` on; of the same width as in `begin`. */
  end(start: number, width: 1 | 2): void {
    const count = this.length - start;
    if (width === 1 && count < 0x80) {
      this.bytes[start - 1] = count;
      return;
    }
    const shift = varintBytes(count) - width;
    if (shift !== 0) {
      if (shift > 0) this.reserve(shift);
      this.bytes.copyWithin(start + shift, start, this.length);
    }
    this.length = start - width;
    this.varint(count);
    this.length += count;
  }
}

/** How many bytes the varint of `value` takes. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let count = 5;
  for (let rest = Math.floor(value / 0x8_0000_0000); rest > 0; rest = Math.floor(rest / 128)) count++;
  return count;
}
