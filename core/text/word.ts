/**
 * What a word is. The index and the query share these rules; an index that was built under another version of them
 * is not used.
 *
 * A *word character* is an ASCII letter or digit, and every code point from U+0080 on except the ranges listed here.
 * A *word* is a maximal run of word characters, folded to one case. So `user_id` is two words and `10.0.0.1` four; a
 * search for either finds it whole all the same (query.ts). A change of case ends no word.
 *
 * Invariants: (1) The list is explicit, so that the class printed for RE2 and the byte tokenizer agree, whatever
 * Unicode tables either of them has. (2) Folding never changes whether a character is a word character. (3) Texts
 * that DuckDB's `lower()`, its ILIKE or RE2's `(?i)` take for equal fold to the same text; folding may take more for
 * equal than they do, which makes an index let more through, never less.
 */

/** Raised when the list, or what folding gives for any code point, changes. */
export const wordRulesVersion = 1;

/** First and last code point of each range from U+0080 on that holds no word characters; ascending. */
export const nonWordRanges: readonly (readonly [first: number, last: number])[] = [
  [0x80, 0xa9], // C1 controls, Latin-1 punctuation
  [0xab, 0xb4],
  [0xb6, 0xb9],
  [0xbb, 0xbf],
  [0xd7, 0xd7], // ×
  [0xf7, 0xf7], // ÷
  [0x1680, 0x1680], // ogham space
  [0x2000, 0x206f], // spaces and general punctuation
  [0x20a0, 0x20cf], // currencies
  [0x2190, 0x2bff], // arrows, mathematical and technical signs, box drawing, dingbats
  [0x3000, 0x3004], // CJK punctuation
  [0x3008, 0x3020],
  [0x3030, 0x3030],
  [0xd800, 0xdfff], // surrogates, which UTF-8 cannot hold
  [0xfe30, 0xfe6f], // compatibility and small forms of punctuation
  [0xfeff, 0xfeff], // byte order mark
  [0xff01, 0xff0f], // full-width punctuation
  [0xff1a, 0xff20],
  [0xff3b, 0xff40],
  [0xff5b, 0xff65],
  [0xfff0, 0xffff], // specials, the replacement character among them
  [0x1f000, 0x1faff], // pictographs
];

export function isWordCodePoint(codePoint: number): boolean {
  if (codePoint < 0x80) return wordByteTable[codePoint] !== 0;
  let low = 0, high = nonWordRanges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (nonWordRanges[middle][1] < codePoint) low = middle + 1;
    else high = middle;
  }
  return low === nonWordRanges.length || codePoint < nonWordRanges[low][0];
}

/** The value in `wordByteTable` of bytes that are not ASCII. */
export const multiByte = 0xff;

/**
 * What a byte of UTF-8 text says of a word: 0 is no word character, `multiByte` begins or continues a sequence that
 * `wordCharacterAt` decides; anything else is an ASCII word character, and the value is the byte that it folds to.
 */
export const wordByteTable: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return multiByte;
  if (byte >= 0x41 && byte <= 0x5a) return byte + 0x20;
  return byte >= 0x30 && byte <= 0x39 || byte >= 0x61 && byte <= 0x7a ? byte : 0;
});

/** Bytes of the UTF-8 sequence that a byte begins; 1 for one that begins none. */
export function sequenceLength(lead: number): number {
  return lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
}

/**
 * The folded code point of the sequence of `sequenceLength` bytes at an offset; 0 where it is no word character, or
 * is cut short by the end of the text.
 */
export function wordCharacterAt(bytes: Uint8Array, at: number, end = bytes.length): number {
  const lead = bytes[at], length = sequenceLength(lead);
  if (length === 1) return wordByteTable[lead] === multiByte ? 0 : wordByteTable[lead];
  if (at + length > end) return 0;
  let codePoint = lead & (0x7f >> length);
  for (let next = at + 1; next < at + length; next++) codePoint = codePoint << 6 | bytes[next] & 0x3f;
  return isWordCodePoint(codePoint) ? foldCodePoint(codePoint) : 0;
}

/** The one code point that stands for all the cases of a letter. */
export function foldCodePoint(codePoint: number): number {
  if (codePoint < 0x80) return codePoint >= 0x41 && codePoint <= 0x5a ? codePoint + 0x20 : codePoint;
  const page = foldedPages[codePoint >> pageBits] ??= foldedPage(codePoint >> pageBits);
  return page[codePoint & pageMask];
}

/** A text in one case: as many code points as it had. */
export function foldText(text: string): string {
  if (isAscii.test(text)) return text.toLowerCase();
  let folded = "";
  for (const character of text) folded += String.fromCodePoint(foldCodePoint(character.codePointAt(0)!));
  return folded;
}

/** The words of a text, folded, in order. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  let word = "";
  for (const character of text) {
    const codePoint = character.codePointAt(0)!;
    if (isWordCodePoint(codePoint)) word += String.fromCodePoint(foldCodePoint(codePoint));
    else if (word !== "") {
      words.push(word);
      word = "";
    }
  }
  if (word !== "") words.push(word);
  return words;
}

/** Whether a range of code points, both ends included, has a word character. */
export function hasWordCharacter(first: number, last: number): boolean {
  let next = first;
  for (; next < 0x80 && next <= last; next++) if (wordByteTable[next] !== 0) return true;
  for (const [from, to] of nonWordRanges) {
    if (next > last) return false;
    if (next < from) return true;
    next = Math.max(next, to + 1);
  }
  return next <= last;
}

/** Classes of RE2 for one character, for texts of any case. */
export const wordClass = `[0-9A-Za-z${wordRangesText()}]`;
export const nonWordClass = `[^0-9A-Za-z${wordRangesText()}]`;

function wordRangesText(): string {
  let text = "", next = 0x80;
  for (const [first, last] of [...nonWordRanges, [0x110000, 0x110000]]) {
    if (next < first) text += `\\x{${next.toString(16)}}`;
    if (next < first - 1) text += `-\\x{${(first - 1).toString(16)}}`;
    next = last + 1;
  }
  return text;
}

// deno-lint-ignore no-control-regex -- ASCII is meant whole
const isAscii = /^[\x00-\x7f]*$/;

/** Folded code points in pages that are filled when first looked at: few of them ever are. */
const foldedPages: (Uint32Array | undefined)[] = [];
const pageBits = 8, pageMask = (1 << pageBits) - 1;

function foldedPage(page: number): Uint32Array {
  return Uint32Array.from({ length: 1 << pageBits }, (_, at) => folded(page << pageBits | at));
}

/**
 * Lower case of the upper case: RE2's `(?i)` takes ſ for s, and ς for σ, which share only their upper case. Where
 * upper case is two letters (ß) the letter's own lower case stands; where lower case is two (İ), the first.
 */
function folded(codePoint: number): number {
  if (codePoint >= 0xd800 && codePoint <= 0xdfff) return codePoint;
  const upper = [...String.fromCodePoint(codePoint).toUpperCase()];
  const single = upper.length === 1 ? upper[0] : String.fromCodePoint(codePoint);
  return single.toLowerCase().codePointAt(0)!;
}
