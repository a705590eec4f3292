/**
 * Texts that are looked for in the values of a column: LIKE without `_`, `contains` and its kin, and what `match` is
 * rewritten to (core/query/sought_texts.ts). Values lie side by side in a buffer, which is searched as a whole; where a
 * text is found, its value is looked at. No value becomes a string.
 *
 * Invariant: they are found where the engine finds them, byte for byte. Its `lower()` is that of ASCII here, and of the
 * two letters beyond it that become ASCII; no other can have a part in a text of ASCII, nor begin or end a word.
 */
import { Buffer } from "node:buffer";
import { beyondAscii, lowerCase } from "../../text/folded.ts";
import { wordCharacterAt } from "../../text/word.ts";
import type { TextSlice } from "../slice.ts";

/** Texts that a value has one after the other. */
export interface TextTest {
  readonly kind: "text";
  /** At least one, none of them empty. */
  readonly literals: readonly string[];
  /** Whether they are sought in the value's lower case; then they are of ASCII. */
  readonly isFolded: boolean;
  /** Whether characters of no word stand between two, at least one; else it may be anything. */
  readonly areWords: boolean;
  /** Whether no character of a word may stand before the first one; of others, nothing at all. */
  readonly isBoundBefore: boolean;
  /** The same behind the last one. */
  readonly isBoundAfter: boolean;
}

/** Takes the verdict of values that do not meet a test. @param verdicts a byte a value */
export function tryTexts(
  tests: readonly TextTest[],
  { offsets, bytes }: TextSlice,
  verdicts: Uint8Array,
): void {
  const first = offsets[0];
  const own: Texts = {
    bytes: Buffer.from(bytes.buffer, bytes.byteOffset, offsets[offsets.length - 1] - first),
    offsets: first === 0 ? offsets : offsets.map((offset) => offset - first),
  };
  let folded: Texts | undefined;
  for (const test of tests) tryText(test, test.isFolded ? folded ??= foldedTexts(own) : own, verdicts);
}

/** Value `at` is `bytes[offsets[at], offsets[at + 1])`. */
interface Texts {
  readonly bytes: Buffer;
  readonly offsets: Int32Array;
}

function tryText(test: TextTest, { bytes, offsets }: Texts, verdicts: Uint8Array): void {
  const literals = test.literals.map((literal) => Buffer.from(literal));
  const isAnywhere = literals.length === 1 && !test.isBoundBefore && !test.isBoundAfter;
  const isMet = test.areWords ? hasWords : hasInOrder;
  // The longest is mostly the one that is found least.
  const [sought] = literals.toSorted((left, right) => right.length - left.length);
  for (let at = 0; at < verdicts.length; at++) {
    if (verdicts[at] === 0) continue;
    const found = bytes.indexOf(sought, offsets[at]);
    if (found < 0) {
      verdicts.fill(0, at);
      return;
    }
    while (offsets[at + 1] <= found) verdicts[at++] = 0;
    const end = offsets[at + 1];
    // What is found across the end of a value is not in it, and nor is what follows.
    if (found + sought.length > end) verdicts[at] = 0;
    else if (verdicts[at] === 1 && !isAnywhere) {
      // Before it there is none.
      const first = sought === literals[0] ? found : offsets[at];
      verdicts[at] = isMet(test, literals, bytes, { from: offsets[at], end, first }) ? 1 : 0;
    }
  }
}

/** A value in the buffer, and where the first of the texts is in it at the earliest. */
interface Value {
  readonly from: number;
  readonly end: number;
  readonly first: number;
}

/** LIKE: each text as early as it can be, the last one as late where it must end the value. */
function hasInOrder(
  { isBoundBefore, isBoundAfter }: TextTest,
  literals: readonly Buffer[],
  bytes: Buffer,
  { from, end, first }: Value,
): boolean {
  const last = literals.length - 1;
  if (isBoundBefore && isBoundAfter && last === 0 && end - from !== literals[0].length) return false;
  let at = isBoundBefore ? from : first;
  for (const [place, literal] of literals.entries()) {
    const found = isBoundBefore && place === 0
      ? from
      : isBoundAfter && place === last
      ? end - literal.length
      : occurrence(literal, bytes, at, end);
    if (found < at || !isAt(literal, bytes, found, end)) return false;
    at = found + literal.length;
  }
  return true;
}

/** Wherever the first text is, the others must follow. */
function hasWords(
  { isBoundBefore, isBoundAfter }: TextTest,
  literals: readonly Buffer[],
  bytes: Buffer,
  { from, end, first }: Value,
): boolean {
  for (let found = first; (found = occurrence(literals[0], bytes, found, end)) >= 0; found++) {
    if (isBoundBefore && found > from && isWordBefore(bytes, found, from)) continue;
    let at = found + literals[0].length;
    for (let place = 1; place < literals.length && at >= 0; place++) {
      const next = wordFrom(bytes, at, end);
      at = next > at && isAt(literals[place], bytes, next, end) ? next + literals[place].length : -1;
    }
    if (at >= 0 && !(isBoundAfter && at < end && wordCharacterAt(bytes, at, end) !== 0)) return true;
  }
  return false;
}

/** Where a text is in a value, from a place on; -1 where it is not. */
function occurrence(literal: Buffer, bytes: Buffer, from: number, end: number): number {
  for (let at = from; at + literal.length <= end; at++) {
    if (bytes[at] === literal[0] && isAt(literal, bytes, at, end)) return at;
  }
  return -1;
}

function isAt(literal: Buffer, bytes: Buffer, at: number, end: number): boolean {
  if (at + literal.length > end) return false;
  for (let place = 0; place < literal.length; place++) {
    if (bytes[at + place] !== literal[place]) return false;
  }
  return true;
}

/** Where the next character of a word is. */
function wordFrom(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && wordCharacterAt(bytes, at, end) === 0) at++;
  return at;
}

function isWordBefore(bytes: Buffer, at: number, from: number): boolean {
  let start = at - 1;
  while (start > from && (bytes[start] & 0xc0) === 0x80) start--;
  return wordCharacterAt(bytes, start, at) !== 0;
}

/** The same texts in lower case, until the next ones are. */
function foldedTexts({ bytes, offsets }: Texts): Texts {
  const words = wordsFor(bytes.length), whole = bytes.length >> 2;
  const folded = Buffer.from(words.buffer, 0, bytes.length);
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes.copy(folded, whole * 4, whole * 4);
  let others = 0;
  for (let at = 0; at < words.length; at++) {
    const word = at < whole ? source.getInt32(at * 4, true) : words[at];
    others |= word;
    words[at] = lowerCase(word);
  }
  const texts = { bytes: folded, offsets };
  if ((others & beyondAscii) === 0) return texts;
  return becomingAscii.reduce<Texts>((texts, { letter, ascii }) => replaced(texts, letter, ascii), texts);
}

/** What pages are folded in, one after the other: fresh memory for each would take twice as long. */
let scratch = new Int32Array(64 * 1024);
/** Larger ones have memory of their own. */
const scratchWordsMax = 1024 * 1024;

function wordsFor(bytes: number): Int32Array {
  const count = bytes + 3 >> 2;
  if (count > scratchWordsMax) return new Int32Array(count);
  if (count > scratch.length) scratch = new Int32Array(Math.min(scratchWordsMax, 2 * count));
  return scratch.subarray(0, count);
}

/** The letters that the engine's lower() makes ASCII: İ and the sign of the kelvin. */
const becomingAscii = [{ letter: "\u0130", ascii: "i" }, { letter: "\u212a", ascii: "k" }];

/** The same texts with a letter of one byte for each of another one, which is longer. */
function replaced(texts: Texts, letter: string, ascii: string): Texts {
  const sought = Buffer.from(letter), byte = ascii.charCodeAt(0);
  let found = texts.bytes.indexOf(sought);
  if (found < 0) return texts;
  const bytes = Buffer.alloc(texts.bytes.length), offsets = new Int32Array(texts.offsets.length);
  let from = 0, to = 0, at = 0;
  for (; found >= 0; found = texts.bytes.indexOf(sought, from)) {
    for (; texts.offsets[at] <= found; at++) offsets[at] = texts.offsets[at] - from + to;
    to += texts.bytes.copy(bytes, to, from, found);
    bytes[to++] = byte;
    from = found + sought.length;
  }
  for (; at < offsets.length; at++) offsets[at] = texts.offsets[at] - from + to;
  to += texts.bytes.copy(bytes, to, from);
  return { bytes: bytes.subarray(0, to), offsets };
}
