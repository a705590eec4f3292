/**
 * Repeated KeyValue to one row of a MAP column and its column of types.
 *
 * Invariants: a row holds no key twice (DuckDB refuses such a map): the last one has its name, those before it
 * become `openwit.duplicate.{n}.{key}`. Entries keep the order in which they were sent.
 * Nothing is allocated for an attribute with a known key and a string, integer or boolean value.
 */
import type { DictionaryVector, MapVector } from "../model/vector.ts";
import { type AnyValueReader, letterString } from "./any_value.ts";
import { attributesMax, refuseAttributes } from "./weight.ts";
import type { Wire } from "./wire.ts";

const textEncoder = new TextEncoder();

/** Up to this many, codes are compared pairwise; above it, marked in an array. */
const pairwiseMax = 16;

/** Words kept of an expected key. */
const keyWordsMax = 16;

export class AttributeReader {
  readonly #wire: Wire;
  /** Entries of the row that is being read. */
  #count = 0;
  #allStrings = true;
  #letters = new Uint8Array(32);
  /** The key's code at each position of the row before: rows of one origin mostly repeat their keys. */
  #expected = new Int32Array(32).fill(-1);
  /** The bytes of those keys as words, the last four bytes in the last word; and their lengths, or -1. */
  #keyWords = new Int32Array(32 * keyWordsMax);
  #keyLengths = new Int32Array(32).fill(-1);
  /** So many of the expected keys are known to be distinct. */
  #distinct = 0;
  #typesCode = -1;
  #marks = new Int32Array(64);
  #mark = 0;
  readonly #emptyTypes: number;

  constructor(
    readonly map: MapVector,
    readonly types: DictionaryVector,
    readonly values: AnyValueReader,
  ) {
    this.#wire = values.wire;
    this.#emptyTypes = types.codeOf(new Uint8Array(0), 0, 0);
  }

  /** How many entries the row has so far. */
  get count(): number {
    return this.#count;
  }

  /** Reads one KeyValue into the row. */
  add(start: number, end: number): void {
    const { bytes } = this.#wire;
    // What encoders write: a short key, then a value that is a string and nothing else.
    const keyEnd = end - start > 3 ? start + 2 + bytes[start + 1] : end;
    if (keyEnd + 2 <= end && bytes[start] === 0x0a && bytes[start + 1] < 0x80 && bytes[keyEnd] === 0x12) {
      let at = keyEnd + 2;
      let length = bytes[keyEnd + 1];
      if (length >= 0x80 && at < end) length = (length & 0x7f) | bytes[at++] << 7;
      if (length < 0x4000 && at + length === end) {
        this.#pushBodyKey(start + 2, keyEnd);
        if (length > 1 && bytes[at] === 0x0a) {
          let textLength = bytes[at + 1];
          let from = at + 2;
          if (textLength >= 0x80 && from < end) textLength = (textLength & 0x7f) | bytes[from++] << 7;
          if (textLength < 0x4000 && from + textLength === end) {
            this.map.values.pushFrom(this.#wire.view, from, end);
            return this.#noteLetter(letterString);
          }
        }
        return this.#noteLetter(this.values.push(this.map.values, at, end));
      }
    }
    const { keyValue } = this.values;
    keyValue.scan(start, end);
    this.#pushKey(this.#wire.bytes, keyValue.keyFrom, keyValue.keyTo);
    this.#noteLetter(this.values.push(this.map.values, keyValue.valueFrom, keyValue.valueTo));
  }

  /** Adds an entry of our own, a string. Not for hot loops. */
  addText(key: string, value: string): void {
    const bytes = textEncoder.encode(key);
    this.#pushKey(bytes, 0, bytes.length);
    this.map.values.pushText(value);
    this.#noteLetter(letterString);
  }

  /** Type letter of the entry at `position` of the row that is being read. */
  letterAt(position: number): number {
    return this.#letters[position];
  }

  /** Ends the row. */
  end(): void {
    const { map, types } = this;
    const count = this.#count;
    if (count > this.#distinct) this.#renameDuplicates(map.keys.length - count, map.keys.length);
    map.endRow();
    if (this.#allStrings) types.pushCode(this.#emptyTypes);
    else {
      if (!types.matches(this.#typesCode, this.#letters, 0, count)) {
        this.#typesCode = types.codeOf(this.#letters, 0, count);
      }
      types.pushCode(this.#typesCode);
    }
    this.discard();
  }

  /** Forgets the entries of a row that was not ended; the map has been truncated, or will be. */
  discard(): void {
    this.#count = 0;
    this.#allStrings = true;
  }

  #pushKey(source: Uint8Array, start: number, end: number): void {
    const { keys } = this.map;
    const position = this.#count;
    if (position === this.#letters.length) this.#grow();
    let code = this.#expected[position];
    if (!keys.matches(code, source, start, end)) {
      code = keys.codeOf(source, start, end);
      this.#expect(position, code);
    }
    keys.pushCode(code);
  }

  /** As `pushKey`, for a key in the body, which is compared by words. */
  #pushBodyKey(start: number, end: number): void {
    const { keys } = this.map;
    const { view } = this.#wire;
    const position = this.#count;
    if (position === this.#letters.length) this.#grow();
    const length = end - start;
    let code = this.#expected[position];
    if (code >= 0 && length === this.#keyLengths[position] && length >= 4) {
      const words = this.#keyWords;
      let at = position * keyWordsMax;
      const last = end - 4;
      let from = start;
      while (from < last && view.getInt32(from, true) === words[at]) from += 4, at++;
      // The last word may overlap the one before it: all bytes have been compared when it is equal too.
      if (from >= last && view.getInt32(last, true) === words[(position + 1) * keyWordsMax - 1]) {
        return keys.pushCode(code);
      }
    }
    code = keys.codeOf(this.#wire.bytes, start, end);
    this.#expect(position, code);
    if (length >= 4 && length <= keyWordsMax * 4 - 4) {
      let at = position * keyWordsMax;
      for (let from = start; from < end - 4; from += 4) this.#keyWords[at++] = view.getInt32(from, true);
      this.#keyWords[(position + 1) * keyWordsMax - 1] = view.getInt32(end - 4, true);
      this.#keyLengths[position] = length;
    }
    keys.pushCode(code);
  }

  #expect(position: number, code: number): void {
    this.#expected[position] = code;
    this.#keyLengths[position] = -1;
    if (position < this.#distinct) this.#distinct = position;
  }

  #noteLetter(letter: number): void {
    this.#letters[this.#count++] = letter;
    if (letter !== letterString) this.#allStrings = false;
  }

  #grow(): void {
    if (this.#letters.length >= attributesMax) refuseAttributes();
    const letters = new Uint8Array(this.#letters.length * 2);
    letters.set(this.#letters);
    this.#letters = letters;
    const expected = new Int32Array(letters.length).fill(-1);
    expected.set(this.#expected);
    this.#expected = expected;
    const lengths = new Int32Array(letters.length).fill(-1);
    lengths.set(this.#keyLengths);
    this.#keyLengths = lengths;
    const words = new Int32Array(letters.length * keyWordsMax);
    words.set(this.#keyWords);
    this.#keyWords = words;
  }

  #renameDuplicates(from: number, to: number): void {
    const { codes } = this.map.keys;
    if (to - from <= pairwiseMax) {
      for (let at = from + 1; at < to; at++) {
        const code = codes[at];
        for (let before = from; before < at; before++) {
          if (codes[before] === code) return this.#rename(from, to);
        }
      }
      this.#distinct = to - from;
      return;
    }
    this.#mark++;
    for (let at = from; at < to; at++) {
      const code = codes[at];
      if (code >= this.#marks.length) {
        const grown = new Int32Array(Math.max(this.#marks.length * 2, code + 1));
        grown.set(this.#marks);
        this.#marks = grown;
      }
      if (this.#marks[code] === this.#mark) return this.#rename(from, to);
      this.#marks[code] = this.#mark;
    }
    this.#distinct = to - from;
  }

  /** Renames all but the last entry of each key, counting from 1, and past names that are taken. */
  #rename(from: number, to: number): void {
    const { keys } = this.map;
    const last = new Map<number, number>();
    for (let at = from; at < to; at++) last.set(keys.codes[at], at);
    const counters = new Map<number, number>();
    for (let at = from; at < to; at++) {
      const code = keys.codes[at];
      if (last.get(code) === at) continue;
      let n = counters.get(code) ?? 0;
      let renamed: number;
      do {
        const name = textEncoder.encode(`openwit.duplicate.${++n}.${keys.values.text(code)}`);
        renamed = keys.codeOf(name, 0, name.length);
      } while (last.has(renamed));
      counters.set(code, n);
      last.set(renamed, at);
      keys.codes[at] = renamed;
    }
  }
}
