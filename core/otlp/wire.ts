/**
 * The protobuf wire format under every OTLP reader: tags, varints, lengths, skipping, and merging.
 *
 * Spec: protobuf encoding (proto3). A message is a range [start, end) of one buffer, never an object.
 * Each reader keeps its own position and takes `at` back from here after a read, so that nothing is allocated.
 *
 * Invariants: nothing is read beyond `end`; whatever breaks the wire format throws `malformed` with the byte
 * offset; memory stays within a small multiple of the body.
 */
import { OpenWitError } from "../error.ts";

/** Groups inside groups that an unknown field may have: the limit that protobuf libraries use. */
const groupDepthMax = 100;

/** How much may be copied to merge singular messages that were sent in pieces, as a multiple of the body. */
const mergedBytesFactor = 4;

export class Wire {
  /** The body; merged messages are appended behind it, so ranges that were noted stay true. */
  bytes: Uint8Array;
  view: DataView;
  /** Where the last read ended; after `delimited` and `gather`, where the payload begins. */
  at = 0;
  /** The words of the last varint. */
  low = 0;
  high = 0;
  readonly bodyLength: number;
  #top: number;

  constructor(body: Uint8Array) {
    this.bytes = body;
    this.view = new DataView(body.buffer, body.byteOffset, body.length);
    this.bodyLength = body.length;
    this.#top = body.length;
  }

  /** A tag of more than one byte, which begins at `at`. */
  longTag(at: number, end: number): number {
    const begin = at;
    const tag = this.varint(at, end);
    if (this.high !== 0 || this.at - begin > 5) this.fail(begin, "a tag of at most 32 bits");
    return tag >>> 0;
  }

  /** Reads a varint into `low` and `high`; returns the low word, signed. */
  varint(at: number, end: number): number {
    if (at < end) {
      const byte = this.bytes[at];
      if (byte < 0x80) {
        this.at = at + 1;
        this.high = 0;
        return this.low = byte;
      }
    }
    return this.#longVarint(at, end);
  }

  /** Reads a length and checks it; returns where the payload ends, and leaves in `at` where it begins. */
  delimited(at: number, end: number): number {
    let length = at < end ? this.bytes[at] : 0x80;
    if (length < 0x80) at++;
    else {
      const begin = at;
      length = this.#longVarint(at, end) >>> 0;
      if (this.high !== 0) this.fail(begin, "a length of at most 32 bits");
      at = this.at;
    }
    if (length > end - at) this.fail(at, `${length} bytes where the message has ${end - at} left`);
    this.at = at;
    return at + length;
  }

  /** The position after a value of `width` bytes. */
  fixed(at: number, end: number, width: 4 | 8): number {
    if (end - at < width) this.fail(at, `a value of ${width} bytes where the message has ${end - at} left`);
    return at + width;
  }

  /** The position after a field that is not read, whose tag ended at `at`. */
  skip(tag: number, at: number, end: number): number {
    if (tag >>> 3 === 0) this.fail(at, "a field number above 0 before it");
    switch (tag & 7) {
      case 0:
        this.varint(at, end);
        return this.at;
      case 1:
        return this.fixed(at, end, 8);
      case 2:
        return this.delimited(at, end);
      case 3:
        return this.#skipGroup(tag, at, end);
      case 5:
        return this.fixed(at, end, 4);
      default:
        return this.fail(at, `a wire type other than ${tag & 7} before it`);
    }
  }

  /**
   * Protobuf merges a singular message that is sent several times; the merged encoding is the pieces in a row.
   * Copies every payload of `tag` in [start, end) behind the body; returns the end, with `at` the begin.
   */
  gather(tag: number, start: number, end: number): number {
    const begin = this.#top;
    for (let at = start; at < end;) {
      let found = this.bytes[at++];
      if (found >= 0x80) {
        found = this.longTag(at - 1, end);
        at = this.at;
      }
      if (found === tag) {
        const stop = this.delimited(at, end);
        this.#append(this.at, stop);
        at = stop;
      } else at = this.skip(found, at, end);
    }
    this.at = begin;
    return this.#top;
  }

  /** Forgets the merged messages: no range of them is in use any more. */
  release(): void {
    this.#top = this.bodyLength;
  }

  fail(at: number, expected: string): never {
    const where = at <= this.bodyLength ? `at byte ${at} of ${this.bodyLength}` : "in a merged message";
    throw new OpenWitError("malformed", `cannot decode the OTLP message ${where}: expected ${expected}`, {
      hint: "send a serialised Export…ServiceRequest whose content type names its encoding",
    });
  }

  #longVarint(at: number, end: number): number {
    const { bytes } = this;
    const begin = at;
    let low = 0, high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) this.fail(at, "another byte of a varint");
      const byte = bytes[at++];
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.at = at;
        this.high = high;
        return this.low = low;
      }
    }
    return this.fail(begin, "a varint of at most 10 bytes");
  }

  #skipGroup(tag: number, at: number, end: number): number {
    const open = [tag >>> 3];
    while (open.length > 0) {
      if (at >= end) this.fail(at, `the end of group ${open[open.length - 1]}`);
      const inner = this.longTag(at, end);
      const begin = at;
      at = this.at;
      if ((inner & 7) === 3) {
        if (inner >>> 3 === 0) this.fail(begin, "a field number above 0");
        if (open.push(inner >>> 3) > groupDepthMax) {
          this.fail(begin, `groups no deeper than ${groupDepthMax}`);
        }
      } else if ((inner & 7) === 4) {
        if (open.pop() !== inner >>> 3) this.fail(begin, "the end of the group that was begun last");
      } else at = this.skip(inner, at, end);
    }
    return at;
  }

  #append(start: number, end: number): void {
    const need = this.#top + end - start;
    if (need > this.bytes.length) {
      if (need > this.bodyLength * (1 + mergedBytesFactor) + 4096) {
        this.fail(start, "fewer singular messages that are sent in pieces");
      }
      const grown = new Uint8Array(Math.max(this.bytes.length * 2, need));
      grown.set(this.bytes.subarray(0, this.#top));
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    this.bytes.copyWithin(this.#top, start, end);
    this.#top = need;
  }
}
