/**
 * DELTA_BINARY_PACKED (Encodings.md): whole numbers as packed differences from the least difference of a block.
 *
 * 64-bit numbers are two 32-bit words, low first, and arithmetic wraps round, as the specification has it: no value
 * becomes a bigint, and no double loses a digit.
 */
import type { ByteSink } from "./sink.ts";

/** @param words two a value, low word first */
export function writeDelta64(sink: ByteSink, words: Int32Array, count: number): void {
  writeHeader(sink, count, count === 0 ? 0 : words[0], count === 0 ? 0 : words[1]);
  for (let from = 1; from < count; from += blockValues) {
    const inBlock = Math.min(blockValues, count - from);
    let leastLow = 0, leastHigh = 0;
    for (let index = 0, at = from * 2; index < inBlock; index++, at += 2) {
      const low = words[at], before = words[at - 2];
      const high = words[at + 1] - words[at - 1] - (low >>> 0 < before >>> 0 ? 1 : 0) | 0;
      const difference = low - before | 0;
      lows[index] = difference;
      highs[index] = high;
      if (index === 0 || high < leastHigh || (high === leastHigh && difference >>> 0 < leastLow >>> 0)) {
        leastLow = difference;
        leastHigh = high;
      }
    }
    for (let index = 0; index < inBlock; index++) {
      const low = lows[index];
      highs[index] = highs[index] - leastHigh - (low >>> 0 < leastLow >>> 0 ? 1 : 0) | 0;
      lows[index] = low - leastLow | 0;
    }
    writeBlock(sink, leastLow, leastHigh, inBlock);
  }
}

/**
 * The same for lengths of texts, numbers of 32 bits: differences take whole bytes, and count from the least of all, so
 * that lengths which repeat, as those of attributes do, are bytes that repeat. Packed into bits no compressor finds
 * them again, and they took an eighth of what attributes do.
 */
export function writeLengths(sink: ByteSink, values: Int32Array, count: number): void {
  const first = count === 0 ? 0 : values[0];
  writeHeader(sink, count, first, first >> 31);
  let least = 0x7fff_ffff;
  for (let index = 1; index < count; index++) least = Math.min(least, values[index] - values[index - 1]);
  for (let from = 1; from < count; from += blockValues) {
    const inBlock = Math.min(blockValues, count - from);
    for (let index = 0; index < inBlock; index++) {
      lows[index] = values[from + index] - values[from + index - 1] - least | 0;
    }
    highs.fill(0, 0, inBlock);
    writeBlock(sink, least, least >> 31, inBlock, wholeBytes);
  }
}

function wholeBytes(width: number): number {
  return width + 7 & ~7;
}

const blockValues = 128, miniblocks = 4, miniblockValues = blockValues / miniblocks;

/** Differences of the block at hand. The writer is synchronous, so one for all is enough. */
const lows = new Int32Array(blockValues), highs = new Int32Array(blockValues);

function writeHeader(sink: ByteSink, count: number, firstLow: number, firstHigh: number): void {
  sink.varint(blockValues);
  sink.varint(miniblocks);
  sink.varint(count);
  writeZigzag(sink, firstLow, firstHigh);
}

function writeBlock(
  sink: ByteSink,
  leastLow: number,
  leastHigh: number,
  count: number,
  widthOf: (bits: number) => number = (bits) => bits,
): void {
  writeZigzag(sink, leastLow, leastHigh);
  let at = sink.reserve(miniblocks + blockValues * 8);
  const { bytes } = sink;
  const widths = at;
  at += miniblocks;
  lows.fill(0, count);
  highs.fill(0, count);
  for (let miniblock = 0; miniblock < miniblocks; miniblock++) {
    const from = miniblock * miniblockValues, to = from + miniblockValues;
    let low = 0, high = 0;
    for (let index = from; index < to; index++) {
      low |= lows[index];
      high |= highs[index];
    }
    const width = widthOf(high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(low));
    bytes[widths + miniblock] = width;
    // Readers take no bytes for miniblocks beyond the last value.
    if (width > 0 && from < count) at = pack(bytes, at, from, to, width);
  }
  sink.length = at;
}

/** Packs differences `[from, to)`, by up to 16 bits at a time so that nothing leaves 32-bit arithmetic. */
function pack(bytes: Uint8Array, at: number, from: number, to: number, width: number): number {
  let pending = 0, bits = 0;
  for (let index = from; index < to; index++) {
    for (let done = 0; done < width; done += 16) {
      const word = done < 32 ? lows[index] : highs[index];
      pending |= (word >>> (done & 31) & 0xffff) << bits;
      for (bits += Math.min(16, width - done); bits >= 8; bits -= 8) {
        bytes[at++] = pending;
        pending >>>= 8;
      }
    }
  }
  return at; // 32 values end at a whole byte
}

/** A signed 64-bit number as a zigzag varint. */
function writeZigzag(sink: ByteSink, low: number, high: number): void {
  const sign = high >> 31;
  let restHigh = (high << 1 | low >>> 31) ^ sign;
  let restLow = low << 1 ^ sign;
  let at = sink.reserve(10);
  while (restHigh !== 0 || restLow >>> 0 > 127) {
    sink.bytes[at++] = restLow & 127 | 128;
    restLow = restLow >>> 7 | restHigh << 25;
    restHigh >>>= 7;
  }
  sink.bytes[at++] = restLow;
  sink.length = at;
}
