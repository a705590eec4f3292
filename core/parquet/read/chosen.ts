/**
 * Values of a data page by their rank among those that are there, NULLs left out: numbers, booleans and codes of a
 * dictionary. What can be reached by a position is; differences are walked up to the last one that is wanted.
 *
 * Ranks ascend, and lie below the page's count of values.
 */
import { OpenWitError } from "../../error.ts";
import { readDelta32, readDelta64 } from "./delta.ts";
import {
  byteStreamSplit,
  deltaBinaryPacked,
  malformedPage,
  type Page,
  plain,
  plainDictionary,
  rleDictionary,
  runLengths,
} from "./page.ts";

export function isCoded({ encoding }: Page): boolean {
  return encoding === rleDictionary || encoding === plainDictionary;
}

/**
 * Numbers of one or two words each, low word first.
 * @param count of the page's values
 * @param dictionary the words of its values, where the column has one
 * @throws OpenWitError `malformed`, `unsupported`
 */
export function chosenWords(
  page: Page,
  count: number,
  ranks: Int32Array,
  width: 1 | 2,
  dictionary: Int32Array | undefined,
): Int32Array {
  const { encoding, bytes, from } = page;
  if (isCoded(page)) return lookUp(chosenCodes(page, ranks), dictionary, width);
  switch (encoding) {
    case plain: {
      if (from + count * width * 4 > bytes.length) throw malformedPage("numbers that end early");
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const words = new Int32Array(ranks.length * width);
      for (let at = 0; at < ranks.length; at++) {
        const place = from + ranks[at] * width * 4;
        words[at * width] = view.getInt32(place, true);
        if (width === 2) words[at * 2 + 1] = view.getInt32(place + 4, true);
      }
      return words;
    }
    case deltaBinaryPacked: {
      const wanted = ranks[ranks.length - 1] + 1;
      const all = new Int32Array(wanted * width);
      const read = width === 1 ? readDelta32 : readDelta64;
      const { count: found } = read(bytes, from, all, count, wanted);
      if (found !== count) throw malformedPage(`${found} numbers of ${count}`);
      return wanted === ranks.length ? all : lookUp(ranks, all, width);
    }
    case byteStreamSplit:
      return joinedStreams(page, count, ranks, width);
  }
  throw unsupportedEncoding(encoding);
}

/** Booleans, a byte each. @throws OpenWitError as above */
export function chosenBooleans(page: Page, count: number, ranks: Int32Array): Uint8Array {
  const { encoding, bytes, from } = page;
  const values = new Uint8Array(ranks.length);
  if (encoding === plain) {
    if (from + ((count + 7) >> 3) > bytes.length) throw malformedPage("booleans that end early");
    for (let at = 0; at < ranks.length; at++) {
      values[at] = bytes[from + (ranks[at] >> 3)] >> (ranks[at] & 7) & 1;
    }
    return values;
  }
  if (encoding !== runLengths) throw unsupportedEncoding(encoding);
  values.set(chosenRuns(bytes, from + 4, 1, ranks)); // after the runs' length in four bytes
  return values;
}

/** Codes of a dictionary. @throws OpenWitError `malformed` */
export function chosenCodes({ bytes, from }: Page, ranks: Int32Array): Int32Array {
  return chosenRuns(bytes, from + 1, bytes[from] ?? 0, ranks);
}

/** The words of a dictionary page. @throws OpenWitError `malformed` */
export function dictionaryWords({ bytes, from, count }: Page, width: 1 | 2): Int32Array {
  const end = from + count * width * 4;
  if (end > bytes.length) throw malformedPage("numbers that end early");
  return wordsAt(bytes, from, end);
}

/** A copy of bytes, which need not begin at a whole word, as words. A `Buffer` among them has a `slice` that copies nothing. */
export function wordsAt(bytes: Uint8Array, from: number, end: number): Int32Array {
  return new Int32Array(new Uint8Array(bytes.subarray(from, end)).buffer);
}

export function unsupportedEncoding(encoding: number): OpenWitError {
  return new OpenWitError("unsupported", `a Parquet page has encoding ${encoding}, which is not read here`);
}

/** Of a hybrid of run lengths and packed bits (runs.ts), which is left after the last rank. */
function chosenRuns(bytes: Uint8Array, from: number, width: number, ranks: Int32Array): Int32Array {
  if (width > 24) throw malformedPage(`codes of ${width} bits`);
  const valueBytes = (width + 7) >> 3, mask = (1 << width) - 1;
  const values = new Int32Array(ranks.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), lastWord = bytes.length - 4;
  let at = from, start = 0;
  for (let next = 0; next < ranks.length;) {
    let header = 0, shift = 0;
    for (;;) {
      if (at >= bytes.length || shift > 28) throw malformedPage("a run that ends early");
      const byte = bytes[at++];
      header += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
      shift += 7;
    }
    const length = Math.floor(header / 2);
    if (length === 0) throw malformedPage("an empty run");
    if (header % 2 === 0) {
      if (at + valueBytes > bytes.length) throw malformedPage("a run that ends early");
      let value = 0;
      for (let byte = 0; byte < valueBytes; byte++) value |= bytes[at++] << byte * 8;
      start += length;
      while (next < ranks.length && ranks[next] < start) values[next++] = value & mask;
      continue;
    }
    const end = start + length * 8;
    if (at + length * width > bytes.length) throw malformedPage("packed values that end early");
    for (; next < ranks.length && ranks[next] < end; next++) {
      const bit = (ranks[next] - start) * width, byte = at + (bit >>> 3);
      // 24 bits and a shift of 7 lie within four bytes; those behind the end are not of this value.
      const word = byte <= lastWord
        ? view.getInt32(byte, true)
        : bytes[byte] | bytes[byte + 1] << 8 | bytes[byte + 2] << 16;
      values[next] = word >>> (bit & 7) & mask;
    }
    at += length * width;
    start = end;
  }
  return values;
}

/** BYTE_STREAM_SPLIT: the first bytes of all values, then the second, and so on. */
function joinedStreams({ bytes, from }: Page, count: number, ranks: Int32Array, width: 1 | 2): Int32Array {
  if (from + count * width * 4 > bytes.length) throw malformedPage("numbers that end early");
  const words = new Int32Array(ranks.length * width);
  for (let at = 0; at < ranks.length; at++) {
    for (let word = 0; word < width; word++) {
      const place = from + ranks[at] + word * 4 * count;
      words[at * width + word] = bytes[place] | bytes[place + count] << 8 | bytes[place + 2 * count] << 16 |
        bytes[place + 3 * count] << 24;
    }
  }
  return words;
}

function lookUp(codes: Int32Array, table: Int32Array | undefined, width: 1 | 2): Int32Array {
  const words = new Int32Array(codes.length * width);
  for (let at = 0; at < codes.length; at++) {
    const place = codes[at] * width;
    if (table === undefined || place >= table.length) {
      throw malformedPage(`code ${codes[at]} is not in its dictionary`);
    }
    words[at * width] = table[place];
    if (width === 2) words[at * 2 + 1] = table[place + 1];
  }
  return words;
}
