/**
 * The words of a segment's texts, to be looked through for parts: prefixes, ends, anything in the middle.
 *
 * Listed are words without ASCII digits, whole; and of words with digits, which are ids above all and too many, the
 * runs of letters: the one at the start (of any length) after a byte 1, those further in (of three letters or more)
 * after a byte 2. Of words of hex digits alone, which most ids are, only a run at the start of three letters or more.
 * Where a block's words stand, its tokens say (token.ts). A word that is not listed, being long or
 * one too many, leaves its block an `opaqueWord`.
 *
 * Sorted by bytes, each ended by "\n", in chunks of about 32 KiB that are compressed by themselves; a directory has
 * the first word of each. So a prefix reads one chunk, and a search in the middle all.
 */
import { zstdDecompressSync } from "node:zlib";
import { OpenWitError } from "../error.ts";

/** Longer words are not listed. */
export const wordBytesMax = 64;
/** Together they take at most this: an index of random text must not outgrow it. */
export const dictionaryBytesMax = 4 * 1024 * 1024;
export const startRunMark = "\u0001", innerRunMark = "\u0002";
/** Shorter runs inside a word tell nothing. */
export const innerRunMin = 3;

const chunkBytes = 32 * 1024;
const chunkBytesMax = chunkBytes + wordBytesMax + 2;

export interface WordChunk {
  readonly first: string;
  readonly offset: number;
  readonly length: number;
}

export interface EncodedWords {
  readonly directory: Uint8Array;
  readonly chunks: Uint8Array;
}

/** @param words distinct, in any order */
export function encodeWords(words: readonly string[]): EncodedWords {
  const sorted = words.map((word) => encoder.encode(word)).sort(Buffer.compare);
  const directory: WordChunk[] = [];
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (let at = 0; at < sorted.length;) {
    const first = at;
    let bytes = 0;
    while (at < sorted.length && bytes < chunkBytes) bytes += sorted[at++].length + 1;
    const joined = new Uint8Array(bytes);
    let filled = 0;
    for (const word of sorted.slice(first, at)) {
      joined.set(word, filled);
      filled += word.length + 1;
      joined[filled - 1] = newline;
    }
    const chunk = Bun.zstdCompressSync(joined, { level: 3 });
    directory.push({ first: decoder.decode(sorted[first]), offset, length: chunk.length });
    chunks.push(chunk);
    offset += chunk.length;
  }
  return { directory: encoder.encode(JSON.stringify(directory)), chunks: Buffer.concat(chunks) };
}

/** @throws OpenWitError `corrupt` */
export function parseWordDirectory(bytes: Uint8Array): WordChunk[] {
  try {
    const chunks = JSON.parse(decoder.decode(bytes));
    if (
      Array.isArray(chunks) &&
      chunks.every(({ first, offset, length }) => typeof first === "string" && offset >= 0 && length > 0)
    ) return chunks;
  } catch { /* said below */ }
  throw new OpenWitError("corrupt", "cannot read an index: its directory of words is damaged");
}

/** The words of a chunk, each with "\n" before and after it, as one text. @throws OpenWitError `corrupt` */
export function inflateWords(bytes: Uint8Array): string {
  try {
    return "\n" + decoder.decode(zstdDecompressSync(bytes, { maxOutputLength: chunkBytesMax }));
  } catch (cause) {
    throw new OpenWitError("corrupt", "cannot read an index: a chunk of words does not decompress", {
      cause,
    });
  }
}

/** The chunks that may hold words which begin so. */
export function chunksWithPrefix(directory: readonly WordChunk[], prefix: string): readonly WordChunk[] {
  const bytes = encoder.encode(prefix);
  const head = (text: string) => Buffer.compare(encoder.encode(text).subarray(0, bytes.length), bytes);
  const end = directory.findIndex(({ first }) => head(first) > 0);
  const upTo = end < 0 ? directory.length : end;
  const from = directory.findLastIndex(({ first }, at) => at < upTo && head(first) < 0);
  return directory.slice(Math.max(0, from), upTo);
}

/** The words in a chunk that contain a text; those that begin with it, where "\n" stands before it. */
export function* wordsContaining(words: string, text: string): Generator<string> {
  for (let at = words.indexOf(text); at >= 0;) {
    const from = words.lastIndexOf("\n", at) + 1;
    const end = words.indexOf("\n", at + text.length);
    yield words.slice(from, end);
    at = words.indexOf(text, end);
  }
}

const newline = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
