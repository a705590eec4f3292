/**
 * UTF-8 text under construction: the text forms of OTLP values (model/value.ts), written byte by byte
 * so that an attribute costs no string.
 */
const hexDigits = new Uint8Array([...new TextEncoder().encode("0123456789abcdef")]);
const base64Digits = new TextEncoder().encode(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
);
const quote = 0x22, backslash = 0x5c, minus = 0x2d, zero = 0x30;
const point = 0x2e;

/** Decimal places that most measured values have, and by what such a value becomes a whole number. */
const decimalScales = [[3, 1e3], [6, 1e6]] as const;

export class TextWriter {
  bytes: Uint8Array = new Uint8Array(256);
  length = 0;

  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** ASCII text only. */
  ascii(text: string): void {
    this.reserve(text.length);
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i);
  }

  range(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    for (let at = start; at < end; at++) this.bytes[this.length++] = source[at];
  }

  /** A signed 64-bit integer in decimal digits. */
  int64(low: number, high: number): void {
    this.reserve(20);
    if (high < 0) {
      this.bytes[this.length++] = minus;
      high = low === 0 ? -high | 0 : ~high;
      low = -low | 0;
    }
    this.uint64(low, high);
  }

  /** An unsigned 64-bit integer in decimal digits. */
  uint64(low: number, high: number): void {
    this.reserve(20);
    high >>>= 0;
    low >>>= 0;
    if (high < 0x20_0000) return this.#digits(high * 0x1_0000_0000 + low, 1);
    // Division by 10^9 in steps of 16 bits: every partial dividend stays below 2^53.
    const top = Math.floor(high / 1e9);
    const middle = (high - top * 1e9) * 0x1_0000 + (low >>> 16);
    const middleQuotient = Math.floor(middle / 1e9);
    const bottom = (middle - middleQuotient * 1e9) * 0x1_0000 + (low & 0xffff);
    const bottomQuotient = Math.floor(bottom / 1e9);
    const quotient = top * 0x1_0000_0000 + middleQuotient * 0x1_0000 + bottomQuotient;
    this.#digits(quotient, 1);
    this.#digits(bottom - bottomQuotient * 1e9, 9);
  }

  /** The shortest decimal text that reads back as the same double; "-0", "NaN", "Infinity". */
  double(value: number): void {
    if (Number.isSafeInteger(value) && (value !== 0 || 1 / value > 0)) {
      this.reserve(20);
      if (value < 0) this.bytes[this.length++] = minus;
      return this.#digits(Math.abs(value), 1);
    }
    const size = Math.abs(value);
    for (const [places, scale] of decimalScales) {
      const scaled = Math.round(size * scale);
      // Below 10^15 no other decimal of as many digits is nearest to the same double, so this one is the shortest.
      if (scaled === 0 || scaled >= 1e15 || scaled / scale !== size) continue;
      if (value < 0) this.byte(minus);
      return this.#decimal(scaled, scale, places);
    }
    this.ascii(value === 0 ? "-0" : String(value));
  }

  /** A double as JSON that no integer looks like. */
  jsonDouble(value: number): void {
    if (!Number.isFinite(value)) return this.ascii(`{"$double":"${value}"}`);
    const from = this.length;
    this.double(value);
    for (let at = from; at < this.length; at++) {
      if (this.bytes[at] === 0x2e || this.bytes[at] === 0x65) return;
    }
    this.ascii(".0");
  }

  base64(source: Uint8Array, start: number, end: number): void {
    this.reserve(Math.ceil((end - start) / 3) * 4);
    const { bytes } = this;
    let to = this.length;
    let at = start;
    for (; at + 2 < end; at += 3) {
      const three = source[at] << 16 | source[at + 1] << 8 | source[at + 2];
      bytes[to++] = base64Digits[three >> 18];
      bytes[to++] = base64Digits[three >> 12 & 63];
      bytes[to++] = base64Digits[three >> 6 & 63];
      bytes[to++] = base64Digits[three & 63];
    }
    if (at < end) {
      const rest = source[at] << 16 | (at + 1 < end ? source[at + 1] << 8 : 0);
      bytes[to++] = base64Digits[rest >> 18];
      bytes[to++] = base64Digits[rest >> 12 & 63];
      bytes[to++] = at + 1 < end ? base64Digits[rest >> 6 & 63] : 0x3d;
      bytes[to++] = 0x3d;
    }
    this.length = to;
  }

  /** A JSON string of UTF-8 bytes; a key that begins with "$" gets a second one (`isKey`). */
  jsonString(source: Uint8Array, start: number, end: number, isKey = false): void {
    this.reserve((end - start) * 6 + 3);
    const { bytes } = this;
    let to = this.length;
    bytes[to++] = quote;
    if (isKey && start < end && source[start] === 0x24) bytes[to++] = 0x24;
    for (let at = start; at < end; at++) {
      const byte = source[at];
      if (byte >= 0x20 && byte !== quote && byte !== backslash) bytes[to++] = byte;
      else {
        bytes[to++] = backslash;
        if (byte === quote || byte === backslash) bytes[to++] = byte;
        else if (byte === 0x0a) bytes[to++] = 0x6e;
        else if (byte === 0x0d) bytes[to++] = 0x72;
        else if (byte === 0x09) bytes[to++] = 0x74;
        else {
          bytes[to++] = 0x75;
          bytes[to++] = zero;
          bytes[to++] = zero;
          bytes[to++] = hexDigits[byte >> 4];
          bytes[to++] = hexDigits[byte & 15];
        }
      }
    }
    bytes[to++] = quote;
    this.length = to;
  }

  /** A whole number in [0, 2^53], padded with zeros to `width` digits. */
  /** `scaled` over `scale`, which is 10 to the power of `places`, without zeros at its end. */
  #decimal(scaled: number, scale: number, places: number): void {
    this.reserve(24);
    const whole = Math.floor(scaled / scale);
    this.#digits(whole, 1);
    this.bytes[this.length++] = point;
    this.#digits(scaled - whole * scale, places);
    while (this.bytes[this.length - 1] === zero) this.length--;
  }

  #digits(value: number, width: number): void {
    let digits = width;
    for (let power = 10 ** width; value >= power; power *= 10) digits++;
    let at = this.length + digits;
    this.length = at;
    while (value > 0x7fff_ffff) {
      const quotient = Math.floor(value / 10);
      this.bytes[--at] = zero + (value - quotient * 10);
      value = quotient;
      digits--;
    }
    for (let rest = value | 0; digits > 0; digits--) {
      const quotient = rest / 10 | 0;
      this.bytes[--at] = zero + (rest - quotient * 10);
      rest = quotient;
    }
  }
}
