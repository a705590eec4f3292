/**
 * Bytes that grow at their end: what pages, headers and the footer of a Parquet file are written into.
 *
 * Hot loops call `reserve` once and then write to `bytes` themselves, from `length` on.
 */
export class ByteSink {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 4_096) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Makes room for `count` more bytes, and returns where they go; `bytes` may be another buffer afterwards. */
  reserve(count: number): number {
    const needed = this.length + count;
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.bytes.length * 2, needed));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    return this.length;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  append(source: Uint8Array): void {
    const at = this.reserve(source.length);
    this.bytes.set(source, at);
    this.length += source.length;
  }

  /** An unsigned varint (LEB128) of a whole number up to 2^53. */
  varint(value: number): void {
    this.reserve(8);
    for (; value > 127; value = Math.floor(value / 128)) this.bytes[this.length++] = value % 128 | 128;
    this.bytes[this.length++] = value;
  }

  /** Sets four bytes that were written before, to a little-endian number. */
  setUint32(at: number, value: number): void {
    for (let byte = 0; byte < 4; byte++) this.bytes[at + byte] = value >>> byte * 8;
  }

  /** A view, valid until the next write. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}
