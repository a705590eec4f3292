/**
 * Texts of a page by their rank, as chosen.ts does for numbers; and the texts of a dictionary by their codes, of which
 * nothing is copied before it is known to be wanted.
 */
import { isUtf8 } from "node:buffer";
import { freeBuffer } from "../../model/free.ts";
import type { TextSlice } from "../slice.ts";
import { readDelta32 } from "./delta.ts";
import { unsupportedEncoding } from "./chosen.ts";
import { deltaLengthByteArray, malformedPage, type Page, plain } from "./page.ts";

/** Texts side by side, as they are gathered from page after page. */
export class TextSink {
  count = 0;
  #offsets = new Int32Array(65);
  #bytes = new Uint8Array(1_024);

  /** @param room for so many texts and bytes more */
  reserve(texts: number, bytes: number): void {
    if (this.count + texts >= this.#offsets.length) {
      const grown = new Int32Array(Math.max(this.#offsets.length * 2, this.count + texts + 1));
      grown.set(this.#offsets.subarray(0, this.count + 1));
      freeBuffer(this.#offsets);
      this.#offsets = grown;
    }
    const used = this.#offsets[this.count];
    if (used + bytes > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, used + bytes));
      grown.set(this.#bytes.subarray(0, used));
      freeBuffer(this.#bytes);
      this.#bytes = grown;
    }
  }

  /** Appends texts that lie side by side from `start` on, each as long as `lengths` says from `from` to `to`. */
  appendRun(source: Uint8Array, start: number, lengths: Int32Array, from: number, to: number): void {
    let size = 0;
    for (let at = from; at < to; at++) size += lengths[at];
    this.reserve(to - from, size);
    let end = this.#offsets[this.count];
    this.#bytes.set(source.subarray(start, start + size), end);
    for (let at = from; at < to; at++) this.#offsets[++this.count] = end += lengths[at];
  }

  append(source: Uint8Array, start: number, end: number): void {
    this.reserve(1, end - start);
    const at = this.#offsets[this.count];
    if (end - start > 48) this.#bytes.set(source.subarray(start, end), at);
    else for (let from = start, to = at; from < end; from++, to++) this.#bytes[to] = source[from];
    this.#offsets[++this.count] = at + end - start;
  }

  /** @throws OpenWitError `malformed` where one is not UTF-8 */
  finish(): TextSlice {
    const { count } = this;
    const offsets = this.#offsets.subarray(0, count + 1);
    return checkedTexts(offsets, this.#bytes.subarray(0, offsets[count]));
  }
}

function checkedTexts(offsets: Int32Array, bytes: Uint8Array): TextSlice {
  const count = offsets.length - 1;
  let isValid = isUtf8(bytes);
  // The whole may be valid while a text begins in the middle of a character.
  for (let at = 0; at < count && isValid; at++) {
    if (offsets[at] < bytes.length) isValid = (bytes[offsets[at]] & 0xc0) !== 0x80;
  }
  if (!isValid) throw malformedPage("a text that is not UTF-8");
  return { kind: "utf8", count, offsets, bytes, present: undefined };
}

/**
 * Texts of a page that has no codes; as they lie in it, where all of them are wanted and nothing lies between.
 * @throws OpenWitError as below
 */
export function textsOf(page: Page, count: number, ranks: Int32Array): TextSlice {
  const { encoding, bytes, from } = page;
  if (encoding !== deltaLengthByteArray || ranks.length < count) {
    const sink = new TextSink();
    sink.reserve(ranks.length, bytes.length - from);
    chooseTexts(page, count, ranks, sink);
    return sink.finish();
  }
  const { lengths, end } = lengthsOf(page, count, count);
  const offsets = new Int32Array(count + 1);
  let stop = end;
  for (let at = 0; at < count; at++) {
    stop = passed(bytes, stop, lengths[at]);
    offsets[at + 1] = stop - end;
  }
  return checkedTexts(offsets, bytes.subarray(end, stop));
}

/**
 * Appends the texts of a page that has no codes.
 * @param count of the page's values
 * @throws OpenWitError `malformed`, `unsupported`
 */
export function chooseTexts(page: Page, count: number, ranks: Int32Array, into: TextSink): void {
  const { encoding, bytes, from } = page;
  const wanted = ranks[ranks.length - 1] + 1;
  if (encoding === plain) {
    const starts = plainStarts(bytes, from, wanted);
    for (let at = 0; at < ranks.length; at++) {
      into.append(bytes, starts[ranks[at]], starts[ranks[at] + 1] - 4);
    }
    return;
  }
  if (encoding !== deltaLengthByteArray) throw unsupportedEncoding(encoding);
  const { lengths, end } = lengthsOf(page, count, wanted);
  let start = end, rank = 0;
  for (let at = 0; at < ranks.length;) {
    for (; rank < ranks[at]; rank++) start = passed(bytes, start, lengths[rank]);
    const first = rank;
    let stop = start;
    for (; at < ranks.length && ranks[at] === rank; at++) stop = passed(bytes, stop, lengths[rank++]);
    into.appendRun(bytes, start, lengths, first, rank);
    start = stop;
  }
}

/** Lengths of the first texts, and where these begin. */
function lengthsOf(
  { bytes, from }: Page,
  count: number,
  wanted: number,
): { lengths: Int32Array; end: number } {
  const lengths = new Int32Array(wanted);
  const { count: found, end } = readDelta32(bytes, from, lengths, count, wanted);
  if (found !== count) throw malformedPage(`${found} lengths of ${count} texts`);
  return { lengths, end };
}

function passed(bytes: Uint8Array, at: number, length: number): number {
  if (length < 0 || at + length > bytes.length) throw malformedPage("texts that end early");
  return at + length;
}

/** Where each of the first texts begins, each after its length in four bytes, and where one more would. */
function plainStarts(bytes: Uint8Array, from: number, count: number): Int32Array {
  if (count * 4 > bytes.length - from) throw malformedPage(`${count} texts in ${bytes.length - from} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const starts = new Int32Array(count + 1);
  let at = from;
  for (let text = 0; text < count; text++) {
    starts[text] = at + 4;
    at = at + 4 > bytes.length ? Infinity : at + 4 + view.getUint32(at, true);
    if (at > bytes.length) throw malformedPage("texts that end early");
  }
  starts[count] = at + 4;
  return starts;
}

/** The texts of a dictionary page. */
export class DictionaryTexts {
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly #from: number;
  #starts: Int32Array | undefined;

  constructor(page: Page) {
    this.count = page.count;
    this.bytes = page.bytes;
    this.#from = page.from;
  }

  /** Text of a code is `bytes[starts[code], starts[code + 1] - 4)`. @throws OpenWitError `malformed` */
  get starts(): Int32Array {
    return this.#starts ??= plainStarts(this.bytes, this.#from, this.count);
  }
}
