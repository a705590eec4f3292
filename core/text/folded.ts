/**
 * Texts in lower case, as far as they are ASCII: a copy that grows with them. A word is then found in any case by one
 * search for bytes, which runs at many gigabytes a second (docs/decisions/016-rows-in-memory.md).
 */
import { freeBuffer } from "../model/free.ts";
import { foldCodePoint } from "./word.ts";

/** A copy of texts that lie side by side, of which only the end grows or is cut back. */
export class FoldedText {
  #bytes = Buffer.alloc(0);
  #words = new Int32Array(0);
  #length = 0;
  #others: OtherCase[] = [];

  /** The cases beyond ASCII that may be among it: few texts have one. */
  get others(): readonly OtherCase[] {
    return this.#others;
  }

  /** Memory that it takes. */
  get bytes(): number {
    return this.#bytes.length;
  }

  /** The first `length` bytes of a source in lower case, which must be what it was followed to before, and more. */
  follow(source: Uint8Array, length: number): Buffer {
    if (length > this.#bytes.length) this.#grow(source.length);
    const sourceWords = new Int32Array(source.buffer, source.byteOffset, source.length >> 2);
    const from = this.#length;
    let at = from, others = 0;
    for (; at < length && (at & 3) !== 0; at++) others |= this.#fold(source[at], at);
    let word = at >> 2;
    for (const end = length >> 2; word < end; word++) {
      const value = sourceWords[word];
      others |= value;
      this.#words[word] = lowerCase(value);
    }
    for (at = Math.max(at, word << 2); at < length; at++) others |= this.#fold(source[at], at);
    if ((others & beyondAscii) !== 0) this.#noteOthers(this.#bytes.subarray(from, length));
    this.#length = Math.max(this.#length, length);
    return this.#bytes.subarray(0, length);
  }

  free(): void {
    if (this.#bytes.length > 0) freeBuffer(this.#bytes);
  }

  /** What follows is written anew. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
    if (this.#length === 0) this.#others = [];
  }

  #noteOthers(texts: Buffer): void {
    for (const each of otherCases) {
      if (!this.#others.includes(each) && texts.includes(each.bytes)) this.#others.push(each);
    }
  }

  #fold(byte: number, at: number): number {
    this.#bytes[at] = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    return byte;
  }

  /** To the room that the source has: it will be filled as well, and fresh pages cost more than folding them. */
  #grow(length: number): void {
    const grown = Buffer.allocUnsafeSlow((length + 7) & ~7);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.free();
    this.#bytes = grown;
    this.#words = new Int32Array(grown.buffer, grown.byteOffset, grown.length >> 2);
  }
}

/** The bits of four bytes that say that one is beyond ASCII. */
export const beyondAscii = 0x80808080 | 0;

/** Four ASCII bytes in lower case; bytes beyond ASCII stay. */
export function lowerCase(word: number): number {
  const low = word & 0x7f7f7f7f;
  const fromA = low + 0x3f3f3f3f, beyondZ = low + 0x25252525; // the top bit of each byte says so
  return word | ((~word & (fromA ^ beyondZ) & beyondAscii) >>> 2);
}

/** A code point beyond ASCII that is a case of a letter. */
export interface OtherCase {
  readonly letter: string;
  /** In UTF-8. */
  readonly bytes: Buffer;
}

/** Code points beyond ASCII that are a case of an ASCII letter, in UTF-8: the sign for kelvin is a K. */
export const otherCases: readonly OtherCase[] = [
  0x130, // İ
  0x131, // ı
  0x17f, // ſ
  0x212a, // K
].map((codePoint) => ({
  letter: String.fromCodePoint(foldCodePoint(codePoint)),
  bytes: Buffer.from(String.fromCodePoint(codePoint)),
}));
