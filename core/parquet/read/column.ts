/**
 * The values of one leaf column in one row group, as buffers: text as bytes with offsets, or as codes of a
 * dictionary; numbers as words. Nothing is made a value: no string, no object, no bigint.
 *
 * Reads what our own writer and DuckDB's write: PLAIN, dictionaries, DELTA_LENGTH_BYTE_ARRAY, DELTA_BINARY_PACKED.
 */
import { OpenWitError } from "../../error.ts";
import { freeWhole } from "../../model/free.ts";
import type { ParquetColumn, ParquetColumnChunk } from "../../segment/reader.ts";
import { wordsAt } from "./chosen.ts";
import { readDelta32, readDelta64 } from "./delta.ts";
import {
  deltaBinaryPacked,
  deltaLengthByteArray,
  type LeafLevels,
  malformedPage,
  type Page,
  plain,
  plainDictionary,
  readPages,
  rleDictionary,
} from "./page.ts";
import type { PageLevels } from "./levels.ts";
import { readRuns } from "./runs.ts";

/** Texts: value i is `bytes[offsets[i], offsets[i + 1])`. */
export interface Texts {
  readonly count: number;
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
}

/** A page of a leaf. Values stand without NULLs: place i has one where `definition[i]` is the column's maximum. */
export interface LeafPage {
  readonly places: number;
  /** Values that are there. */
  readonly count: number;
  readonly repetition: Uint8Array | undefined;
  /** Undefined where all values are there. */
  readonly definition: Uint8Array | undefined;
  /** Text: codes into `dictionary` where the page has them, else texts of its own. */
  readonly codes?: Int32Array;
  readonly texts?: Texts;
  /** INT32 and INT64: one or two words a value, low word first. */
  readonly words?: Int32Array;
}

/** The levels of each leaf, by its path joined with "."; from the schema's list in pre-order. */
export function leafLevels(
  schema: readonly Pick<ParquetColumn, "path" | "repetition">[],
): Map<string, LeafLevels> {
  const levels = new Map<string, LeafLevels>();
  for (const { path, repetition } of schema) {
    const parent = levels.get(path.slice(0, -1).join(".")) ?? { maxRepetition: 0, maxDefinition: 0 };
    levels.set(path.join("."), {
      maxRepetition: parent.maxRepetition + (repetition === "repeated" ? 1 : 0),
      maxDefinition: parent.maxDefinition + (repetition === "required" ? 0 : 1),
    });
  }
  return levels;
}

export interface Leaf {
  /** Of a text column that has one. */
  readonly dictionary: Texts | undefined;
  readonly pages: Generator<LeafPage>;
}

/**
 * Opens a text column (BYTE_ARRAY). Pages whose bytes are not those of their texts are freed when they were read.
 * @param bytes the column chunk as it lies in the file
 * @throws OpenWitError `malformed`, `unsupported`; the pages throw as well
 */
export function readTextLeaf(bytes: Uint8Array, chunk: ParquetColumnChunk, levels: LeafLevels): Leaf {
  const pages = readPages(bytes, chunk.codec, levels.maxRepetition, levels.maxDefinition);
  const first = pages.next();
  const head = first.done ? undefined : first.value;
  const dictionary = head?.kind === "dictionary" ? plainTexts(head, head.count) : undefined;
  function* leafPages(): Generator<LeafPage> {
    if (head?.kind === "data") yield textPage(head, levels, dictionary);
    for (const page of pages) {
      if (page.kind === "data") yield textPage(page, levels, dictionary);
    }
  }
  return { dictionary, pages: leafPages() };
}

/** A byte a place, for who walks them all. */
function eachLevel({ repetition, definition, count }: Page, { maxRepetition, maxDefinition }: LeafLevels) {
  const each = (levels: PageLevels) =>
    typeof levels === "number" ? new Uint8Array(count).fill(levels) : levels;
  return {
    repetition: maxRepetition === 0 ? undefined : each(repetition),
    definition: definition === maxDefinition ? undefined : each(definition),
  };
}

/** The values of an INT32 or INT64 column. @param width words a value. @throws OpenWitError as above */
export function* readWordPages(
  bytes: Uint8Array,
  chunk: ParquetColumnChunk,
  levels: LeafLevels,
  width: 1 | 2,
): Generator<LeafPage> {
  let dictionary: Int32Array | undefined;
  for (const page of readPages(bytes, chunk.codec, levels.maxRepetition, levels.maxDefinition)) {
    if (page.kind === "dictionary") {
      dictionary = plainWords(page.bytes, page.from, page.count, width);
      freeWhole(page.bytes);
      continue;
    }
    const count = valueCount(page, levels);
    const words = isDictionaryCoded(page)
      ? lookUp(codesOf(page, count), dictionary, count, width)
      : wordsOf(page, count, width);
    freeWhole(page.bytes);
    yield { places: page.count, count, ...eachLevel(page, levels), words };
  }
}

function textPage(page: Page, levels: LeafLevels, dictionary: Texts | undefined): LeafPage {
  const count = valueCount(page, levels);
  const { count: places } = page;
  const each = eachLevel(page, levels);
  if (isDictionaryCoded(page)) {
    const codes = codesOf(page, count);
    freeWhole(page.bytes);
    for (let at = 0; at < count; at++) {
      if (codes[at] >= (dictionary?.count ?? 0)) {
        throw malformedPage(`code ${codes[at]} is not in its dictionary`);
      }
    }
    return { places, count, ...each, codes };
  }
  return { places, count, ...each, texts: textsOf(page, count) };
}

function valueCount({ definition, count }: Page, { maxDefinition }: LeafLevels): number {
  if (typeof definition === "number") return definition === maxDefinition ? count : 0;
  let values = 0;
  for (let at = 0; at < count; at++) if (definition[at] === maxDefinition) values++;
  return values;
}

function isDictionaryCoded({ encoding }: Page): boolean {
  return encoding === rleDictionary || encoding === plainDictionary;
}

function codesOf({ bytes, from }: Page, count: number): Int32Array {
  const codes = new Int32Array(count);
  if (count > 0) readRuns(bytes, from + 1, bytes.length, bytes[from] ?? 0, count, codes);
  return codes;
}

function textsOf(page: Page, count: number): Texts {
  const { encoding, bytes, from } = page;
  if (encoding === plain) return plainTexts(page, count);
  if (encoding !== deltaLengthByteArray) throw unsupported(encoding);
  const lengths = new Int32Array(count);
  const { count: found, end } = readDelta32(bytes, from, lengths, count);
  const offsets = new Int32Array(count + 1);
  let at = end;
  offsets[0] = at;
  for (let index = 0; index < count; index++) {
    at += lengths[index];
    if (lengths[index] < 0 || at > bytes.length) throw malformedPage("texts that end early");
    offsets[index + 1] = at;
  }
  if (found !== count) throw malformedPage(`${found} lengths of ${count} texts`);
  return { count, offsets, bytes };
}

/** PLAIN: each text after its length in four bytes. They are moved together, so that offsets tell lengths. */
function plainTexts({ bytes, from }: Page, count: number): Texts {
  if (count * 4 > bytes.length - from) throw malformedPage(`${count} texts in ${bytes.length - from} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const offsets = new Int32Array(count + 1);
  const joined = new Uint8Array(bytes.length - from - count * 4);
  let at = from, filled = 0;
  for (let index = 0; index < count; index++) {
    const length = at + 4 > bytes.length ? Infinity : view.getUint32(at, true);
    if (filled + length > joined.length) throw malformedPage("texts that end early");
    joined.set(bytes.subarray(at + 4, at += 4 + length), filled);
    offsets[index + 1] = filled += length;
  }
  freeWhole(bytes);
  return { count, offsets, bytes: joined };
}

function wordsOf({ encoding, bytes, from }: Page, count: number, width: 1 | 2): Int32Array {
  if (encoding === plain) return plainWords(bytes, from, count, width);
  if (encoding !== deltaBinaryPacked) throw unsupported(encoding);
  const words = new Int32Array(count * width);
  const read = width === 1 ? readDelta32 : readDelta64;
  const { count: found } = read(bytes, from, words, count);
  if (found !== count) throw malformedPage(`${found} numbers of ${count}`);
  return words;
}

function plainWords(bytes: Uint8Array, from: number, count: number, width: 1 | 2): Int32Array {
  const end = from + count * width * 4;
  if (end > bytes.length) throw malformedPage("numbers that end early");
  return wordsAt(bytes, from, end);
}

function lookUp(
  codes: Int32Array,
  dictionary: Int32Array | undefined,
  count: number,
  width: 1 | 2,
): Int32Array {
  const words = new Int32Array(count * width);
  for (let at = 0; at < count; at++) {
    const place = codes[at] * width;
    if (dictionary === undefined || place >= dictionary.length) {
      throw malformedPage(`code ${codes[at]} is not in its dictionary`);
    }
    words[at * width] = dictionary[place];
    if (width === 2) words[at * 2 + 1] = dictionary[place + 1];
  }
  return words;
}

function unsupported(encoding: number): OpenWitError {
  return new OpenWitError("unsupported", `a Parquet page has encoding ${encoding}, which is not read here`);
}
