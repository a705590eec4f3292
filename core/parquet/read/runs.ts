/**
 * Reads Parquet's hybrid of run lengths and packed bits (Encodings.md, "RLE = 3"): levels, and codes of a
 * dictionary. The writer's side is ../rle.ts.
 */
import { malformedPage } from "./page.ts";

/**
 * Reads `count` values of `width` bits from `bytes[from, end)` into `out`.
 * @throws OpenWitError `malformed`
 */
export function readRuns(
  bytes: Uint8Array,
  from: number,
  end: number,
  width: number,
  count: number,
  out: Int32Array,
): void {
  if (width > 31) throw malformedPage(`codes of ${width} bits`);
  const valueBytes = (width + 7) >> 3;
  const mask = width === 0 ? 0 : -1 >>> (32 - width);
  let at = from, filled = 0;
  while (filled < count) {
    let header = 0, shift = 0;
    for (;;) {
      if (at >= end || shift > 28) throw malformedPage("a run that ends early");
      const byte = bytes[at++];
      header |= (byte & 127) << shift;
      if (byte < 128) break;
      shift += 7;
    }
    if ((header & 1) === 0) {
      const run = Math.min(header >>> 1, count - filled);
      if (run === 0 || at + valueBytes > end) throw malformedPage("an empty run");
      let value = 0;
      for (let byte = 0; byte < valueBytes; byte++) value |= bytes[at++] << byte * 8;
      out.fill(value & mask, filled, filled += run);
      continue;
    }
    const groups = header >>> 1;
    if (groups === 0 || at + groups * width > end) throw malformedPage("packed values that end early");
    const packedEnd = at + groups * width;
    const upTo = Math.min(count, filled + groups * 8);
    let pending = 0, bits = 0;
    for (; filled < upTo; filled++) {
      let value = 0;
      for (let done = 0; done < width;) {
        if (bits === 0) {
          pending = bytes[at++];
          bits = 8;
        }
        const taken = Math.min(bits, width - done);
        value |= (pending & (1 << taken) - 1) << done;
        pending >>>= taken;
        bits -= taken;
        done += taken;
      }
      out[filled] = value;
    }
    at = packedEnd;
  }
}
