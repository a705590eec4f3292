/** One leaf column of one row group, ready to be walked by rows: what its pages held, joined. */
import { freeWhole } from "../model/free.ts";
import type { ParquetColumnChunk } from "../segment/reader.ts";
import { type LeafPage, readTextLeaf, readWordPages, type Texts } from "../parquet/read/column.ts";
import { type LeafLevels, malformedPage } from "../parquet/read/page.ts";

export interface TextLeaf {
  readonly texts: Texts;
  /**
   * For each place its text, -1 where it has none; absent when place i has text i. A text may stand in many places:
   * `isShared` says that they are values of a dictionary.
   */
  readonly textOf: Int32Array | undefined;
  readonly isShared: boolean;
  /** Entries of row i are the places [rowStarts[i], rowStarts[i + 1]); absent when row i is place i. */
  readonly rowStarts: Int32Array | undefined;
}

/** Whole numbers of 32 or 64 bits by row, NULLs as 0; one or two words each, low word first. */
export type NumberLeaf = Int32Array;

/**
 * @param entryLevel definition level from which on a place of a repeated leaf is an entry, and not an empty list
 * @throws OpenWitError `malformed`, `unsupported`
 */
export function readTexts(
  bytes: Uint8Array,
  chunk: ParquetColumnChunk,
  levels: LeafLevels,
  rows: number,
  entryLevel = 0,
): TextLeaf {
  const { dictionary, pages } = readTextLeaf(bytes, chunk, levels);
  const all = [...pages];
  const leaf = leafOf(all, dictionary, levels, rows, entryLevel);
  const kept = new Set(arraysOf(leaf));
  const read = [...all.flatMap(arraysOfPage), ...dictionary === undefined ? [] : arraysOfTexts(dictionary)];
  read.filter((array) => !kept.has(array)).forEach(freeWhole);
  return leaf;
}

/** Frees what a leaf has to itself; nobody reads it any more. */
export function freeLeaf(leaf: TextLeaf): void {
  arraysOf(leaf).forEach(freeWhole);
}

function leafOf(
  all: readonly LeafPage[],
  dictionary: Texts | undefined,
  levels: LeafLevels,
  rows: number,
  entryLevel: number,
): TextLeaf {
  const isShared = dictionary !== undefined && all.every(({ codes }) => codes !== undefined);
  const texts = isShared
    ? dictionary
    : all.length === 1 && all[0].texts
    ? all[0].texts
    : joined(all, dictionary);
  const places = all.reduce((sum, page) => sum + page.places, 0);
  if (levels.maxRepetition === 0 && places !== rows) throw malformedPage(`${places} places of ${rows} rows`);
  if (levels.maxRepetition === 0 && all.length === 1 && all[0].places === all[0].count) {
    return { texts, textOf: isShared ? all[0].codes : undefined, isShared, rowStarts: undefined };
  }
  const isPlain = !isShared && all.every(({ places, count }) => places === count);
  const textOf = isPlain ? undefined : new Int32Array(places);
  const rowStarts = levels.maxRepetition === 0 ? undefined : new Int32Array(rows + 1);
  let place = 0, value = 0, row = 0, entries = 0;
  for (const page of all) {
    let own = 0;
    for (let at = 0; at < page.places; at++, place++) {
      const isThere = page.definition === undefined || page.definition[at] === levels.maxDefinition;
      if (textOf !== undefined) textOf[entries] = !isThere ? -1 : isShared ? page.codes![own] : value;
      if (isThere) {
        own++;
        value++;
      }
      if (rowStarts === undefined) {
        entries++;
        continue;
      }
      if (page.repetition![at] === 0) {
        if (row >= rows) throw malformedPage(`more than ${rows} rows`);
        rowStarts[row++] = entries;
      }
      if (page.definition === undefined || page.definition[at] >= entryLevel) entries++;
    }
  }
  if (rowStarts !== undefined) {
    if (row !== rows) throw malformedPage(`${row} of ${rows} rows`);
    rowStarts[rows] = entries;
  }
  return { texts, textOf, isShared, rowStarts };
}

/** @throws OpenWitError `malformed`, `unsupported` */
export function readNumbers(
  bytes: Uint8Array,
  chunk: ParquetColumnChunk,
  levels: LeafLevels,
  rows: number,
  width: 1 | 2,
): NumberLeaf {
  const numbers = new Int32Array(rows * width);
  let row = 0;
  for (const { places, definition, words } of readWordPages(bytes, chunk, levels, width)) {
    for (let at = 0, value = 0; at < places; at++, row++) {
      if (row >= rows) throw malformedPage(`more than ${rows} rows`);
      if (definition !== undefined && definition[at] !== levels.maxDefinition) continue;
      numbers[row * width] = words![value * width];
      if (width === 2) numbers[row * 2 + 1] = words![value * 2 + 1];
      value++;
    }
    freeWhole(words!);
  }
  if (row !== rows) throw malformedPage(`${row} of ${rows} rows`);
  return numbers;
}

type Buffered = Int32Array | Uint8Array;

function arraysOf({ texts, textOf, rowStarts }: TextLeaf): Buffered[] {
  return [...arraysOfTexts(texts), textOf, rowStarts].filter((array) => array !== undefined);
}

function arraysOfPage({ repetition, definition, codes, texts }: LeafPage): Buffered[] {
  const arrays = [repetition, definition, codes].filter((array) => array !== undefined);
  return texts === undefined ? arrays : [...arrays, ...arraysOfTexts(texts)];
}

function arraysOfTexts({ offsets, bytes }: Texts): Buffered[] {
  return [offsets, bytes];
}

/** The texts of several pages as one, those of a dictionary written out. */
function joined(pages: readonly LeafPage[], dictionary: Texts | undefined): Texts {
  const count = pages.reduce((sum, page) => sum + page.count, 0);
  const offsets = new Int32Array(count + 1);
  const parts: Uint8Array[] = [];
  let value = 0, length = 0;
  for (const { codes, texts, count } of pages) {
    if (texts !== undefined) {
      // Texts of a page lie side by side.
      const shift = length - texts.offsets[0];
      for (let at = 1; at <= count; at++) offsets[++value] = texts.offsets[at] + shift;
      parts.push(texts.bytes.subarray(texts.offsets[0], texts.offsets[count]));
      length = offsets[value];
      continue;
    }
    if (dictionary === undefined || codes === undefined) throw malformedPage("codes without a dictionary");
    for (let at = 0; at < count; at++) {
      const part = dictionary.bytes.subarray(
        dictionary.offsets[codes[at]],
        dictionary.offsets[codes[at] + 1],
      );
      parts.push(part);
      offsets[++value] = length += part.length;
    }
  }
  return { count, offsets, bytes: Buffer.concat(parts) };
}
