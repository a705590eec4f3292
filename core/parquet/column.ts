/**
 * Turns the slice of a column into the pages of its leaves, in the schema's order.
 *
 * Encodings: codes of a dictionary for what the table of columns calls one, for keys of maps and for 32-bit integers;
 * text as lengths and bytes, 64-bit integers and times as differences, doubles and booleans plain.
 * What was measured for each: docs/decisions/003-l0-encoding.md.
 */
import { assert } from "../error.ts";
import { freeWhole } from "../model/free.ts";
import type { ColumnType } from "../model/columns.ts";
import { writeDelta64 } from "./delta.ts";
import { freeLevels, type Levels, levelsBetween, listLevels, nullableLevels } from "./levels.ts";
import type { DictionarySlice, FixedSlice, ListSlice, MapSlice, Slice, TextSlice } from "./slice.ts";
import { integerStatistics, type Statistics, textStatistics, timeStatistics } from "./statistics.ts";
import {
  numberIntegers,
  renumber,
  withoutNulls,
  writeBooleans,
  writeCodePage,
  writeDictionary,
  writeTexts,
} from "./values.ts";
import type { ByteSink } from "./sink.ts";

export const encodingPlain = 0, encodingDelta = 5, encodingDeltaLength = 6, encodingDictionary = 8;

/** Where the pages of a row group go, leaf after leaf. */
export interface PageWriter {
  /** Whether the leaf at hand has statistics. */
  readonly wantsStatistics: boolean;
  /** Rows of a page of the leaf at hand, whose texts take `bytes`; `undefined` when it is one page. */
  textPageRows(bytes: number): number | undefined;
  /**
   * Writes the one data page of the leaf at hand, after its dictionary if it has one, and goes on to the next.
   * @param writeTable writes the PLAIN values of a dictionary of `tableSize`
   */
  page(
    levels: Levels,
    encoding: number,
    write: (sink: ByteSink) => void,
    statistics?: Statistics,
    table?: { readonly size: number; readonly write: (sink: ByteSink) => void },
  ): void;
  /** Writes the data pages of the leaf at hand, and goes on to the next. */
  textPages(pages: Iterable<TextPage>, encoding: number): void;
}

/** A page that begins with a row and ends with one. */
export interface TextPage {
  readonly rows: number;
  readonly levels: Levels;
  readonly write: (sink: ByteSink) => void;
}

/** @param levels the places of the column's values */
export function writeColumn(
  writer: PageWriter,
  type: ColumnType,
  nullable: boolean,
  slice: Slice,
  levels: Levels,
): void {
  switch (slice.kind) {
    case "fixed":
      return writeFixed(writer, nullable, slice, levels);
    case "utf8":
      return writeText(writer, nullable, slice, levels);
    case "dictionary":
      return writeCoded(writer, slice, levels);
    case "map":
      return withEntries(levels, slice, (entries) => {
        writeCoded(writer, slice.keys, entries);
        writeText(writer, true, slice.values, entries);
      });
    case "list":
      assert(type.kind === "list", "a slice has the shape of its column");
      return withEntries(
        levels,
        slice,
        (entries) => writeColumn(writer, type.element, false, slice.child, entries),
      );
    case "struct":
      assert(type.kind === "struct", "a slice has the shape of its column");
      type.fields.forEach((field, index) =>
        writeColumn(writer, field.type, field.nullable ?? false, slice.children[index], levels)
      );
  }
}

/** Gives the places of the entries of a list or map to who writes the leaves below it. */
function withEntries(
  levels: Levels,
  { offsets, count }: ListSlice | MapSlice,
  write: (entries: Levels) => void,
): void {
  const entries = listLevels(levels, offsets, count);
  write(entries);
  freeLevels(entries);
}

function writeFixed(writer: PageWriter, nullable: boolean, slice: FixedSlice, parent: Levels): void {
  const levels = leafLevels(parent, nullable, slice.present);
  const values = withoutNulls(slice.values, slice.present, isWide(slice) ? 2 : 1);
  const nulls = slice.values.length - values.length;
  if (slice.type === "bool") {
    return writer.page(levels, encodingPlain, (sink) => writeBooleans(sink, values as Uint8Array));
  }
  const words = values as Int32Array;
  switch (slice.type) {
    case "float64":
      return writer.page(
        levels,
        encodingPlain,
        (sink) => sink.append(new Uint8Array(words.buffer, words.byteOffset, words.byteLength)),
      );
    case "int32":
    case "uint32": {
      const table = numberIntegers(words, words.length);
      return writer.page(
        levels,
        encodingDictionary,
        (sink) => writeCodePage(sink, table),
        writer.wantsStatistics ? integerStatistics(table.used, nulls) : undefined,
        {
          size: table.used.length,
          write: (sink) => sink.append(new Uint8Array(table.used.buffer, 0, table.used.byteLength)),
        },
      );
    }
    default:
      return writer.page(
        levels,
        encodingDelta,
        (sink) => writeDelta64(sink, words, words.length / 2),
        writer.wantsStatistics ? timeStatistics(words, nulls / 2) : undefined,
      );
  }
}

function isWide({ type }: FixedSlice): boolean {
  return type !== "bool" && type !== "int32" && type !== "uint32";
}

function writeText(writer: PageWriter, nullable: boolean, slice: TextSlice, parent: Levels): void {
  const levels = leafLevels(parent, nullable, slice.present);
  const pageRows = writer.textPageRows(slice.bytes.length);
  if (pageRows === undefined) {
    return writer.page(levels, encodingDeltaLength, (sink) => writeTexts(sink, slice));
  }
  writer.textPages(cutTexts(slice, parent, levels, pageRows), encodingDeltaLength);
}

/** @param parent the places before NULLs were told from values: the slice has a text for each that is defined */
function* cutTexts(slice: TextSlice, parent: Levels, levels: Levels, pageRows: number): Generator<TextPage> {
  const { offsets, bytes, present } = slice;
  const { repetition, definition, maxDefinition } = parent;
  for (let place = 0, text = 0; place < parent.count;) {
    const from = place, firstText = text;
    let rows = 0;
    for (; place < parent.count; place++) {
      if (repetition === undefined || repetition[place] === 0) {
        if (rows === pageRows) break;
        rows++;
      }
      if (definition === undefined || definition[place] === maxDefinition) text++;
    }
    const count = text - firstText;
    const texts: TextSlice = {
      kind: "utf8",
      count,
      offsets: offsets.subarray(firstText, text + 1),
      bytes: bytes.subarray(offsets[firstText] - offsets[0], offsets[text] - offsets[0]),
      present: present?.subarray(firstText, text),
    };
    yield { rows, levels: levelsBetween(levels, from, place), write: (sink) => writeTexts(sink, texts) };
  }
}

function writeCoded(writer: PageWriter, { codes, count, values }: DictionarySlice, levels: Levels): void {
  const table = renumber(codes, count, values.count), { used } = table;
  writer.page(
    levels,
    encodingDictionary,
    (sink) => writeCodePage(sink, table),
    writer.wantsStatistics ? textStatistics(values, used) : undefined,
    { size: used.length, write: (sink) => writeDictionary(sink, values, used) },
  );
  freeWhole(table.codes);
}

function leafLevels(parent: Levels, nullable: boolean, present: Uint8Array | undefined): Levels {
  if (nullable) return nullableLevels(parent, present);
  assert(present === undefined || !present.includes(0), "a column has a NULL that its table does not allow");
  return parent;
}
