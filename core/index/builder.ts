/**
 * Builds the index of one segment: it is given the columns of the rows, block after block, and gives postings,
 * words and the times of the blocks.
 *
 * No string or object is made a row. A block's tokens are gathered in a set, so that a token costs a posting once a
 * block; values that a dictionary shares are hashed once a block.
 *
 * Memory: 5 bytes a posting, some 13 MB for a segment of a million rows whose bodies are full of ids.
 */
import type { Texts } from "../parquet/read/column.ts";
import { blockRows } from "../segment/encoder.ts";
import { multiByte, sequenceLength, wordByteTable, wordCharacterAt } from "../text/word.ts";
import { eachPair, greatestBeside } from "./beside.ts";
import { BlockKeys } from "./block_keys.ts";
import { foldedValue, type Level } from "./fields.ts";
import { jsonFields } from "./json_fields.ts";
import type { TextLeaf } from "./leaf.ts";
import { encodePostings, type Postings } from "./postings.ts";
import {
  beginHash,
  finishLane,
  foldedText,
  hashBytes,
  type HashState,
  highPrime,
  levelText,
  lowPrime,
  pairText,
  tokenKey,
  type TokenKind,
  tokenKind,
} from "./token.ts";
import { isHexWord, isLeftOut, isStrong, mayBeStrong, strongBytesMin } from "./strong.ts";
import { TokenSet } from "./token_set.ts";
import {
  dictionaryBytesMax,
  type EncodedWords,
  encodeWords,
  innerRunMark,
  innerRunMin,
  startRunMark,
  wordBytesMax,
} from "./words.ts";

export interface BuiltIndex {
  readonly postings: Postings;
  readonly words: EncodedWords;
  /** Least and greatest time of each block, two words each. */
  readonly times: Int32Array;
  /** Names of the keys that rows have: `attributes.http.route`, … */
  readonly fields: readonly string[];
}

/** More keys than this are no schema; the list ends there, and says nothing of the rest. */
const fieldsMax = 10_000;

export class IndexBuilder {
  readonly blockCount: number;
  #block = -1;
  /** Whether the block has had no time yet. */
  #isFirst = true;
  readonly #inBlock = new TokenSet();
  /** Words of the block's texts that have been listed, where #inBlock does not tell. */
  readonly #listedInBlock = new TokenSet();
  /** Words and runs for the dictionary. */
  readonly #words = new Set<string>();
  #wordBytes = 0;
  readonly #keys = new BlockKeys();
  readonly #times: Int32Array;
  readonly #fields = new Map<string, HashState>();
  /** Where the hashes of a map's keys begin, for the dictionary of keys at hand. */
  #keySeeds: { readonly texts: Texts | undefined; readonly seeds: (HashState | undefined)[] } = noKeys;
  readonly #wordSeed: HashState;
  readonly #quadSeed: HashState;
  readonly #scratch = new Uint8Array(64 * 1024);

  /** @param seed where this file's hashes begin */
  constructor(readonly rows: number, readonly seed: HashState) {
    this.blockCount = Math.ceil(rows / blockRows);
    this.#times = new Int32Array(this.blockCount * 4);
    this.#wordSeed = beginHash(tokenKind.word, seed);
    this.#quadSeed = beginHash(tokenKind.quad, seed);
  }

  /** What comes from now on is of the next block: all columns of one come before those of the next. */
  beginBlock(): void {
    if (this.#block >= 0) this.#keys.endBlock();
    this.#block++;
    this.#isFirst = true;
    this.#inBlock.clear();
    this.#listedInBlock.clear();
  }

  /** @param words of the time column, two a row */
  times(words: Int32Array, from: number, end: number): void {
    const times = this.#times, min = this.#block * 2, max = min + 1;
    for (let row = from; row < end; row++) {
      if (this.#isFirst || isLess(words, row, times, min)) copyTime(words, row, times, min);
      if (this.#isFirst || isLess(times, max, words, row)) copyTime(words, row, times, max);
      this.#isFirst = false;
    }
  }

  /** Values of a column of whole numbers, as decimal digits. */
  numbers(field: string, numbers: Int32Array, from: number, end: number): void {
    const seed = this.#fieldSeed(field);
    const small = new Uint8Array(smallNumbers), others = new Set<number>();
    for (let row = from; row < end; row++) {
      const number = numbers[row];
      if (number >= 0 && number < smallNumbers) {
        if (small[number] !== 0) continue;
        small[number] = 1;
      } else {
        if (others.has(number)) continue;
        others.add(number);
      }
      this.#addText(seed, String(number));
    }
  }

  /** Values of a text column. */
  values(field: string, leaf: TextLeaf, from: number, end: number): void {
    const seed = this.#fieldSeed(field);
    this.#eachText(leaf, from, end, (texts, text) => this.#addValue(seed, texts, text));
  }

  /** How high a number goes, in the block and in the rows of each service. */
  levels(
    { column, thresholds, pairedFrom }: Level,
    numbers: Int32Array,
    services: TextLeaf,
    from: number,
    end: number,
  ): void {
    const greatest = greatestBeside(services, numbers, from, end);
    const highest = greatest.reduce((left, right) => Math.max(left, right));
    for (const threshold of thresholds) {
      const text = levelText(column, threshold);
      if (highest >= threshold) this.#addToken(tokenKind.level, text);
      if (threshold < pairedFrom) continue;
      for (let service = 0; service < services.texts.count; service++) {
        if (greatest[service] >= threshold) this.#addPair(services.texts, service, text);
      }
    }
  }

  /** Texts in any case, in the block and in the rows of each service. */
  folded(column: string, leaf: TextLeaf, services: TextLeaf, from: number, end: number): void {
    const folded = new Map<number, string | undefined>();
    this.#eachText(leaf, from, end, ({ bytes, offsets }, text) => {
      const value = foldedValue(decoder.decode(bytes.subarray(offsets[text], offsets[text + 1])));
      folded.set(text, value);
      if (value === undefined) this.#addToken(tokenKind.opaqueValue, column);
      else this.#addToken(tokenKind.folded, foldedText(column, value));
    });
    eachPair(services, leaf, from, end, (service, text) => {
      const value = folded.get(text);
      if (value !== undefined) this.#addPair(services.texts, service, foldedText(column, value));
    });
  }

  /** Fields of a column of JSON text. */
  json(column: string, leaf: TextLeaf, from: number, end: number): void {
    this.#eachText(leaf, from, end, ({ offsets, bytes }, text) => {
      const { fields, isWhole } = jsonFields(
        decoder.decode(bytes.subarray(offsets[text], offsets[text + 1])),
      );
      for (const [key, value] of fields) {
        const field = `${column}.${key}`;
        const seed = this.#fieldSeed(field);
        if (value !== undefined) this.#addText(seed, value);
        else this.#addToken(tokenKind.opaqueValue, field);
      }
      if (!isWhole) this.#addToken(tokenKind.opaqueValue, column);
    });
  }

  /** Entries of a map: keys and values have the same places. */
  map(column: string, keys: TextLeaf, values: TextLeaf, from: number, end: number): void {
    const starts = keys.rowStarts!;
    if (this.#keySeeds.texts !== keys.texts) this.#keySeeds = { texts: keys.texts, seeds: [] };
    const { seeds } = this.#keySeeds;
    const { texts, textOf } = values;
    const keyCount = keys.texts.count;
    // Pairs that both dictionaries share are hashed once a block, where there are not too many to remember.
    const pairs = values.isShared && keys.isShared && keyCount * texts.count <= pairsMax
      ? new Uint8Array(keyCount * texts.count)
      : undefined;
    for (let at = starts[from]; at < starts[end]; at++) {
      const key = keys.textOf === undefined ? at : keys.textOf[at];
      const value = textOf === undefined ? at : textOf[at];
      if (key < 0 || value < 0) continue;
      if (pairs !== undefined) {
        const pair = key * texts.count + value;
        if (pairs[pair] !== 0) continue;
        pairs[pair] = 1;
      }
      this.#addValue(seeds[key] ??= this.#keySeed(column, keys.texts, key), texts, value);
    }
  }

  /** Words of a text column. */
  words(leaf: TextLeaf, from: number, end: number): void {
    this.#eachText(
      leaf,
      from,
      end,
      ({ bytes, offsets }, text) => this.#scan(bytes, offsets[text], offsets[text + 1], false),
    );
  }

  /** Once, after all blocks. */
  finish(): BuiltIndex {
    if (this.#block >= 0) this.#keys.endBlock();
    return {
      postings: encodePostings(this.#keys, this.blockCount),
      words: encodeWords([...this.#words]),
      times: this.#times,
      fields: [...this.#fields.keys()].sort(),
    };
  }

  #eachText(
    { texts, textOf, isShared }: TextLeaf,
    from: number,
    end: number,
    each: (texts: Texts, text: number) => void,
  ): void {
    const seen = isShared ? new Uint8Array(texts.count) : undefined;
    for (let row = from; row < end; row++) {
      const text = textOf === undefined ? row : textOf[row];
      if (text < 0) continue;
      if (seen !== undefined) {
        if (seen[text] !== 0) continue;
        seen[text] = 1;
      }
      each(texts, text);
    }
  }

  #addValue(seed: HashState, { bytes, offsets }: Texts, text: number): void {
    const from = offsets[text], end = offsets[text + 1];
    if (end - from >= strongBytesMin && mayBeStrong(bytes, from, end) && this.#scan(bytes, from, end, true)) {
      return;
    }
    let { high, low } = seed;
    for (let at = from; at < end; at++) {
      high = Math.imul(high ^ bytes[at], highPrime);
      low = Math.imul(low ^ bytes[at], lowPrime);
      low ^= low >>> 15;
    }
    this.#add(high, low);
  }

  #addText(seed: HashState, text: string): void {
    const bytes = encoder.encode(text);
    this.#addValue(seed, { count: 1, offsets: Int32Array.of(0, bytes.length), bytes }, 0);
  }

  #addToken(kind: TokenKind, text: string): void {
    const bytes = encoder.encode(text);
    const { high, low } = hashBytes(beginHash(kind, this.seed), bytes, 0, bytes.length);
    this.#add(high, low);
  }

  #addPair({ bytes, offsets }: Texts, service: number, other: string): void {
    const state = hashBytes(
      beginHash(tokenKind.pair, this.seed),
      bytes,
      offsets[service],
      offsets[service + 1],
    );
    const rest = encoder.encode(pairText("", other));
    const { high, low } = hashBytes(state, rest, 0, rest.length);
    this.#add(high, low);
  }

  /** Adds the token of a hash that has seen all its bytes. Whether the block did not have it. */
  #add(high: number, low: number): boolean {
    if (!this.#inBlock.add(high, low)) return false;
    this.#keys.add(tokenKey(finishLane(high), finishLane(low)));
    return true;
  }

  #fieldSeed(field: string): HashState {
    let seed = this.#fields.get(field);
    if (seed === undefined) {
      const bytes = encoder.encode(`${field}\0`);
      seed = hashBytes(beginHash(tokenKind.value, this.seed), bytes, 0, bytes.length);
      if (this.#fields.size < fieldsMax) this.#fields.set(field, seed);
    }
    return seed;
  }

  #keySeed(column: string, { bytes, offsets }: Texts, key: number): HashState {
    return this.#fieldSeed(`${column}.${decoder.decode(bytes.subarray(offsets[key], offsets[key + 1]))}`);
  }

  /**
   * Adds the words of a text: all that are indexed, or with `isValue` the strong ones.
   * @returns whether there was a strong one
   */
  #scan(bytes: Uint8Array, from: number, end: number, isValue: boolean): boolean {
    let at = from, hasStrong = false;
    // Numbers joined by dots: where the last three began, and how many there have been.
    let first = 0, second = 0, third = 0, joined = 0, joinedEnd = -1;
    while (at < end) {
      let folded = wordByteTable[bytes[at]];
      if (folded === 0) {
        at++;
        continue;
      }
      const start = at;
      let { high, low } = this.#wordSeed;
      let digits = 0;
      while (folded !== 0 && folded !== multiByte) {
        high = Math.imul(high ^ folded, highPrime);
        low = Math.imul(low ^ folded, lowPrime);
        low ^= low >>> 15;
        if (folded < afterDigits) digits++;
        folded = ++at < end ? wordByteTable[bytes[at]] : 0;
      }
      if (folded === multiByte) {
        at = this.#wideWord(bytes, start, end);
        continue;
      }
      const length = at - start;
      const strong = isStrong(length, digits);
      hasStrong ||= strong;
      if (isValue) {
        if (strong) this.#add(high, low);
      } else {
        const isHex = digits > 0 && digits < length && isHexWord(bytes, start, at);
        const isNew = !(isHex && isLeftOut(length)) && this.#add(high, low);
        if (digits === 0 ? isNew : digits < length && (!isHex || beginsWithRun(bytes, start, at))) {
          // A word with digits may have been added by a value, which lists nothing.
          if (digits === 0 || this.#listedInBlock.add(high, low)) this.#list(bytes, start, at, digits, isHex);
        }
      }
      if (digits !== length || digits > 3) continue;
      joined = joinedEnd === start - 1 && bytes[start - 1] === dot ? joined + 1 : 1;
      joinedEnd = at;
      if (joined >= 4) {
        const quad = hashBytes({ ...this.#quadSeed }, bytes, first, at);
        this.#add(quad.high, quad.low);
        hasStrong = true;
      }
      first = second;
      second = third;
      third = start;
    }
    return hasStrong;
  }

  /** A word with characters beyond ASCII: folded aside, as it may take other bytes then. Returns where it ends. */
  #wideWord(bytes: Uint8Array, from: number, end: number): number {
    let folded = this.#scratch;
    let at = from, length = 0, digits = 0;
    while (at < end) {
      const character = bytes[at] < 0x80 ? wordByteTable[bytes[at]] : wordCharacterAt(bytes, at, end);
      if (character === 0) break;
      if (length + 4 > folded.length) {
        const grown = new Uint8Array(folded.length * 2);
        grown.set(folded);
        folded = grown;
      }
      if (character < afterDigits) digits++;
      length = appendCodePoint(folded, length, character);
      at += bytes[at] < 0x80 ? 1 : sequenceLength(bytes[at]);
    }
    // No word begins here: a character that only looked as if it might be one.
    if (length === 0) return Math.min(end, from + sequenceLength(bytes[from]));
    const { high, low } = hashBytes({ ...this.#wordSeed }, folded, 0, length);
    const isNew = this.#add(high, low);
    if (digits === 0 ? isNew : this.#listedInBlock.add(high, low)) {
      this.#list(folded, 0, length, digits, false);
    }
    return at;
  }

  /** Lists a word that is new to the block, or the runs of letters in one with digits. */
  #list(bytes: Uint8Array, from: number, end: number, digits: number, isHex: boolean): void {
    if (digits === end - from) return;
    if (end - from > wordBytesMax) return this.#addOpaque();
    if (digits === 0) return this.#listText(bytes, from, end, "");
    for (let at = from; at < end;) {
      if (isDigit(bytes[at])) {
        at++;
        continue;
      }
      const start = at;
      while (at < end && !isDigit(bytes[at])) at++;
      if (start === from) this.#listRun(bytes, start, at, tokenKind.startRun, startRunMark);
      if (isHex) return;
      if (start === from) continue;
      if (at - start >= innerRunMin) {
        this.#listRun(bytes, start, at, tokenKind.innerRun, innerRunMark);
      }
    }
  }

  #listRun(bytes: Uint8Array, from: number, end: number, kind: 3 | 4, mark: string): void {
    const { high, low } = hashBytes(beginHash(kind, this.seed), foldedBytes(bytes, from, end), 0, end - from);
    if (this.#add(high, low)) this.#listText(bytes, from, end, mark);
  }

  #listText(bytes: Uint8Array, from: number, end: number, mark: string): void {
    const text = mark + decoder.decode(foldedBytes(bytes, from, end));
    if (this.#words.has(text)) return;
    if (this.#wordBytes + end - from + 2 > dictionaryBytesMax) return this.#addOpaque();
    this.#wordBytes += end - from + 2;
    this.#words.add(text);
  }

  #addOpaque(): void {
    this.#addToken(tokenKind.opaqueWord, "");
  }
}

/** Those below are noted in a table: kinds, levels and the like. */
const smallNumbers = 64;
/** More pairs of keys and values than this are hashed each time. */
const pairsMax = 1 << 20;
const dot = 0x2e;
/** ASCII digits come before all that is folded to letters. */
const afterDigits = 0x3a;
const noKeys = { texts: undefined, seeds: [] };

/** Whether a word's first characters are letters, as many as tell something. */
function beginsWithRun(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < from + innerRunMin; at++) if (at >= end || isDigit(bytes[at])) return false;
  return true;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte < afterDigits;
}

/** A copy with ASCII letters in lower case; what is beyond ASCII has been folded before. */
function foldedBytes(bytes: Uint8Array, from: number, end: number): Uint8Array {
  const folded = bytes.slice(from, end);
  for (let at = 0; at < folded.length; at++) if (folded[at] < 0x80) folded[at] = wordByteTable[folded[at]];
  return folded;
}

/** Writes a code point as UTF-8; returns where it ends. */
function appendCodePoint(bytes: Uint8Array, at: number, codePoint: number): number {
  if (codePoint < 0x80) {
    bytes[at] = codePoint;
    return at + 1;
  }
  const more = codePoint < 0x800 ? 1 : codePoint < 0x1_0000 ? 2 : 3;
  bytes[at] = (0xff80 >> more & 0xff) | codePoint >> more * 6;
  for (let next = 1; next <= more; next++) bytes[at + next] = 0x80 | codePoint >> (more - next) * 6 & 0x3f;
  return at + more + 1;
}

/** Compares two 64-bit times by their words. */
function isLess(left: Int32Array, at: number, right: Int32Array, other: number): boolean {
  const leftHigh = left[at * 2 + 1], rightHigh = right[other * 2 + 1];
  return leftHigh < rightHigh || leftHigh === rightHigh && left[at * 2] >>> 0 < right[other * 2] >>> 0;
}

function copyTime(from: Int32Array, at: number, to: Int32Array, place: number): void {
  to[place * 2] = from[at * 2];
  to[place * 2 + 1] = from[at * 2 + 1];
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
