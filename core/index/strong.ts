/**
 * Which words are indexed, and which values are known by their words.
 *
 * Ids are most of an index, and the same one stands in a body and in an attribute or two. So a value that has a
 * *strong* word, one that hardly anything else has, gets no token of its own: it is found by its strong words,
 * wherever they stand. A value without one (`GET`, `200`, `checkout`) has its own token, with its field.
 *
 * Groups of four hex digits in which letters and digits mix are not indexed: UUIDs have three of them each, and
 * nobody looks for one alone.
 */
import { wordByteTable } from "../text/word.ts";
import { type TokenKind, tokenKind } from "./token.ts";

/** Of a word with letters; one of digits alone, which may be a count, has to be longer. */
const strongMixedMin = 5, strongDigitsMin = 6;
/** Shorter values have no strong word: nor has four numbers joined by dots fewer bytes than seven. */
export const strongBytesMin = strongMixedMin;

/** @param digits ASCII digits among its `length` bytes */
export function isStrong(length: number, digits: number): boolean {
  return digits === length ? length >= strongDigitsMin : digits > 0 && length >= strongMixedMin;
}

/** Whether a word of hex digits that mixes letters and digits is left out, by its length. */
export function isLeftOut(length: number): boolean {
  return length === 4;
}

/** Whether an ASCII word has hex digits alone. */
export function isHexWord(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (hexDigitTable[bytes[at]] === 0) return false;
  return true;
}

/** Whether a folded word given as text is indexed. */
export function isIndexedWord(word: string): boolean {
  return !(word.length === 4 && /^(?=.*[0-9])(?=.*[a-f])[0-9a-f]{4}$/.test(word));
}

/** The tokens by which a value is found, all of which its block has; `undefined` when it has its own. */
export function strongTokens(
  value: string,
): { readonly kind: TokenKind; readonly text: string }[] | undefined {
  // deno-lint-ignore no-control-regex -- ASCII is meant whole
  if (!/^[\x00-\x7f]*$/.test(value)) return undefined;
  const tokens: { kind: TokenKind; text: string }[] = [];
  const words = [...value.matchAll(/[0-9A-Za-z]+/g)];
  for (const [at, { 0: word, index }] of words.entries()) {
    const digits = word.replace(/[^0-9]/g, "").length;
    if (isStrong(word.length, digits)) tokens.push({ kind: tokenKind.word, text: word.toLowerCase() });
    const first = words[at - 3];
    if (first === undefined) continue;
    const text = value.slice(first.index, index + word.length);
    if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) tokens.push({ kind: tokenKind.quad, text });
  }
  return tokens.length === 0 ? undefined : tokens;
}

/** Whether a text is ASCII alone and has a digit: no other is known by strong words. */
export function mayBeStrong(bytes: Uint8Array, from: number, end: number): boolean {
  let all = 0, digits = 0;
  for (let at = from; at < end; at++) {
    const byte = bytes[at];
    all |= byte;
    if (byte - 0x30 >>> 0 < 10) digits++;
  }
  return all < 0x80 && digits > 0;
}

/** 1 for the bytes that fold to 0 to 9 or a to f. */
const hexDigitTable: Uint8Array = wordByteTable.map((folded) =>
  folded >= 0x30 && folded <= 0x39 || folded >= 0x61 && folded <= 0x66 ? 1 : 0
);
