/** Writes the protobuf wire format into one growing buffer. */
const textEncoder = new TextEncoder();

export class WireWriter {
  bytes: Uint8Array = new Uint8Array(1024);
  length = 0;

  tag(field: number, wireType: number): void {
    this.varint(field << 3 | wireType);
  }

  /** A varint of an unsigned 32-bit value. */
  varint(value: number): void {
    this.#reserve(5);
    value >>>= 0;
    for (; value >= 0x80; value >>>= 7) this.bytes[this.length++] = value & 0x7f | 0x80;
    this.bytes[this.length++] = value;
  }

  /** A varint of 64 bits, two's complement when negative. */
  varint64(value: bigint): void {
    this.#reserve(10);
    value = BigInt.asUintN(64, value);
    for (; value >= 0x80n; value >>= 7n) this.bytes[this.length++] = Number(value & 0x7fn) | 0x80;
    this.bytes[this.length++] = Number(value);
  }

  fixed32(value: number): void {
    this.#reserve(4);
    for (let shift = 0; shift < 32; shift += 8) this.bytes[this.length++] = value >>> shift & 0xff;
  }

  fixed64(value: bigint): void {
    this.fixed32(Number(BigInt.asUintN(32, value)));
    this.fixed32(Number(BigInt.asUintN(32, value >> 32n)));
  }

  double(value: number): void {
    this.#reserve(8);
    new DataView(this.bytes.buffer).setFloat64(this.length, value, true);
    this.length += 8;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  text(text: string): void {
    this.#reserve(text.length * 3);
    this.length += textEncoder.encodeInto(text, this.bytes.subarray(this.length)).written;
  }

  /** Begins a length-delimited value; hand what is returned to `end`. */
  begin(): number {
    this.#reserve(1);
    return ++this.length;
  }

  /** Puts the length before the value that began at `begin`, and makes room for it if it needs more than a byte. */
  end(begin: number): void {
    const size = this.length - begin;
    let width = 1;
    for (let rest = size >>> 7; rest > 0; rest >>>= 7) width++;
    if (width > 1) {
      this.#reserve(width - 1);
      this.bytes.copyWithin(begin + width - 1, begin, this.length);
    }
    const end = this.length + width - 1;
    this.length = begin - 1;
    this.varint(size);
    this.length = end;
  }

  #reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}
