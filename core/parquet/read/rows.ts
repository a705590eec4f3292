/**
 * Some rows of one column of a row group, as a slice (../slice.ts): what the Parquet writer takes, and what becomes
 * vectors (../vectors.ts). One pass over the pages that hold them; no value becomes an object.
 *
 * Reads what our own writer and DuckDB's write. A file may say that a column is optional which our table says is not;
 * a NULL there of what cannot hold one (text of few values, lists, maps, structs) is refused, for it is not ours.
 */
import { assert, OpenWitError } from "../../error.ts";
import type { Column, ColumnType } from "../../model/columns.ts";
import { DictionaryVector } from "../../model/vector.ts";
import type { DictionarySlice, FixedSlice, ListSlice, MapSlice, Slice, TextSlice } from "../slice.ts";
import { chosenBooleans, chosenCodes, chosenWords, dictionaryWords, isCoded } from "./chosen.ts";
import { chooseTexts, DictionaryTexts, TextSink, textsOf } from "./chosen_text.ts";
import { type LeafPlaces, type LeafValues, readLeafRows, type ReadMeter } from "./leaf_rows.ts";
import { type LeafLevels, malformedPage, type Page } from "./page.ts";

/** A row group whose column chunks can be had. */
export interface RowGroupSource {
  /** Levels of each leaf and group of the file, by its path joined with "." (column.ts). */
  readonly levels: ReadonlyMap<string, LeafLevels>;
  /** The column chunk of a leaf. @throws OpenWitError where there is none */
  chunk(path: string): { readonly bytes: Uint8Array; readonly codec: string };
}

/**
 * @param rows by their number in the row group, ascending
 * @throws OpenWitError `malformed`, `unsupported`; `too_large` for a page beyond the meter's bound
 */
export function readColumnRows(
  group: RowGroupSource,
  { name, type }: Pick<Column, "name" | "type">,
  rows: Int32Array,
  meter: ReadMeter,
): Slice {
  return new ColumnReader(group, rows, meter).column(type, [name], 0);
}

/**
 * What is said of the texts of a column, page after page: a byte a row, 0 where it is NULL.
 * @param verdictsOf a byte a text, which is copied
 * @throws OpenWitError as above
 */
export function readTextVerdicts(
  group: RowGroupSource,
  column: Column,
  rows: Int32Array,
  meter: ReadMeter,
  verdictsOf: (texts: TextSlice) => Uint8Array,
): Uint8Array {
  return new ColumnReader(group, rows, meter).textVerdicts([column.name], verdictsOf);
}

/** All rows of a row group, by number. */
export function allRows(count: number): Int32Array {
  const rows = new Int32Array(count);
  for (let row = 0; row < count; row++) rows[row] = row;
  return rows;
}

/** Names of the leaves of a column, each with the path at which DuckDB's and our writer put it. */
export function leafPaths({ name, type }: Pick<Column, "name" | "type">): string[] {
  switch (type.kind) {
    case "map":
      return [`${name}.key_value.key`, `${name}.key_value.value`];
    case "list":
      return leafPaths({ name: `${name}.list.element`, type: type.element });
    case "struct":
      return type.fields.flatMap((field) => leafPaths({ name: `${name}.${field.name}`, type: field.type }));
    default:
      return [name];
  }
}

class ColumnReader {
  /** Of the leaves that were read, by path. */
  readonly #places = new Map<string, LeafPlaces>();

  constructor(
    readonly group: RowGroupSource,
    readonly rows: Int32Array,
    readonly meter: ReadMeter,
  ) {}

  /** @param entry definition level from which on a place holds a value of this column, NULL or not */
  column(type: ColumnType, path: readonly string[], entry: number): Slice {
    switch (type.kind) {
      case "utf8":
        return this.#text(path, entry);
      case "dictionary":
        return this.#coded(path, entry);
      case "map":
        return this.#map(path, entry);
      case "list":
        return this.#list(type.element, path, entry);
      case "struct": {
        const children = type.fields.map((field) => this.column(field.type, [...path, field.name], entry));
        if (this.#levels(path).maxDefinition > entry) this.#checkStructs(type.fields, path, entry);
        return { kind: "struct", count: children[0].count, children };
      }
      default:
        return this.#fixed(type.kind, path, entry);
    }
  }

  #fixed(type: FixedSlice["type"], path: readonly string[], entry: number): FixedSlice {
    const levels = this.#levels(path);
    const parts: (Int32Array | Uint8Array)[] = [];
    const width = type === "int32" || type === "uint32" ? 1 : 2;
    let dictionary: Int32Array | undefined;
    const places = this.#read(path, {
      dictionary(page) {
        if (type === "bool") throw new OpenWitError("unsupported", "a Parquet dictionary of booleans");
        dictionary = dictionaryWords(page, width);
      },
      values: (page, count, ranks) =>
        parts.push(
          type === "bool"
            ? chosenBooleans(page, count, ranks)
            : chosenWords(page, count, ranks, width, dictionary),
        ),
    });
    const dense = type === "bool"
      ? joined(parts as Uint8Array[], (length) => new Uint8Array(length))
      : joined(parts as Int32Array[], (length) => new Int32Array(length));
    const { count, present } = slotsOf(places, levels, entry);
    return {
      kind: "fixed",
      type,
      count,
      values: spread(dense, present, type === "bool" ? 1 : width),
      present,
    };
  }

  #text(path: readonly string[], entry: number): TextSlice {
    const levels = this.#levels(path);
    const sink = new TextSink();
    let dictionary: DictionaryTexts | undefined;
    const places = this.#read(path, {
      dictionary: (page) => dictionary = new DictionaryTexts(page),
      values(page, count, ranks) {
        if (isCoded(page)) appendCoded(sink, page, ranks, dictionary);
        else chooseTexts(page, count, ranks, sink);
      },
    });
    const dense = sink.finish();
    const { count, present } = slotsOf(places, levels, entry);
    if (present === undefined) return dense;
    const offsets = new Int32Array(count + 1);
    for (let slot = 0, text = 0; slot < count; slot++) {
      offsets[slot + 1] = dense.offsets[text += present[slot]];
    }
    return { kind: "utf8", count, offsets, bytes: dense.bytes, present };
  }

  textVerdicts(path: readonly string[], verdictsOf: (texts: TextSlice) => Uint8Array): Uint8Array {
    const verdicts = new Uint8Array(this.rows.length);
    let dictionary: DictionaryTexts | undefined;
    let texts = 0;
    const places = this.#read(path, {
      dictionary: (page) => dictionary = new DictionaryTexts(page),
      values(page, count, ranks) {
        if (isCoded(page)) {
          const sink = new TextSink();
          appendCoded(sink, page, ranks, dictionary);
          verdicts.set(verdictsOf(sink.finish()), texts);
        } else {
          verdicts.set(verdictsOf(textsOf(page, count, ranks)), texts);
        }
        texts += ranks.length;
      },
    });
    const { present } = slotsOf(places, this.#levels(path), 0);
    return present === undefined ? verdicts : spread(verdicts, present, 1) as Uint8Array;
  }

  #coded(path: readonly string[], entry: number): DictionarySlice {
    const levels = this.#levels(path);
    const table = new DictionaryVector();
    const parts: Int32Array[] = [];
    let dictionary: DictionaryTexts | undefined;
    let numbers = new Int32Array(0);
    const places = this.#read(path, {
      dictionary(page) {
        dictionary = new DictionaryTexts(page);
        numbers = new Int32Array(page.count);
      },
      values(page, count, ranks) {
        parts.push(
          isCoded(page)
            ? renumbered(chosenCodes(page, ranks), dictionary, numbers, table)
            : numbered(page, count, ranks, table),
        );
      },
    });
    if (table.repairs > 0) throw malformedPage("a text that is not UTF-8");
    const { count, present } = slotsOf(places, levels, entry);
    if (present !== undefined) throw unexpectedNull(path);
    const { length, offsets, bytes } = table.values;
    return {
      kind: "dictionary",
      count,
      codes: joined(parts, (length) => new Int32Array(length)),
      values: {
        kind: "utf8",
        count: length,
        offsets: offsets.subarray(0, length + 1),
        bytes: bytes.subarray(0, offsets[length]),
        present: undefined,
      },
    };
  }

  #map(path: readonly string[], entry: number): MapSlice {
    const entries = [...path, "key_value"];
    const inner = this.#levels(entries);
    const keys = this.#coded([...entries, "key"], inner.maxDefinition);
    const values = this.#text([...entries, "value"], inner.maxDefinition);
    const lists = this.#lists([...entries, "key"].join("."), path, inner, entry);
    if (lists.children !== keys.count || keys.count !== values.count) {
      throw malformedPage(`${keys.count} keys and ${values.count} values`);
    }
    return { kind: "map", count: lists.count, offsets: lists.offsets, keys, values };
  }

  #list(element: ColumnType, path: readonly string[], entry: number): ListSlice {
    const elements = [...path, "list"];
    const inner = this.#levels(elements);
    const child = this.column(element, [...elements, "element"], inner.maxDefinition);
    const [first] = leafPaths({ name: [...elements, "element"].join("."), type: element });
    const lists = this.#lists(first, path, inner, entry);
    if (lists.children !== child.count) throw malformedPage(`${child.count} of ${lists.children} elements`);
    return { kind: "list", count: lists.count, offsets: lists.offsets, child };
  }

  /** Offsets of lists, by the levels of a leaf below them. @param inner of their repeated group */
  #lists(
    leaf: string,
    path: readonly string[],
    inner: LeafLevels,
    entry: number,
  ): { count: number; offsets: Int32Array; children: number } {
    const { maxDefinition: nonEmpty, maxRepetition } = inner;
    const { count, repetition, definition } = this.#placesOf(leaf);
    const offsets = new Int32Array(count + 1);
    let lists = 0, children = 0;
    for (let place = 0; place < count; place++) {
      const level = definition === undefined ? nonEmpty : definition[place];
      if (level < entry || repetition![place] > maxRepetition) continue;
      if (repetition![place] < maxRepetition) {
        if (level < nonEmpty - 1) throw unexpectedNull(path);
        offsets[lists++] = children;
      }
      if (level >= nonEmpty) children++;
    }
    offsets[lists] = children;
    return { count: lists, offsets: offsets.subarray(0, lists + 1), children };
  }

  /** Refuses a NULL of a struct, by the levels of its first leaf. */
  #checkStructs(fields: readonly Column[], path: readonly string[], entry: number): void {
    const own = this.#levels(path).maxDefinition;
    const [first] = leafPaths({ name: [...path, fields[0].name].join("."), type: fields[0].type });
    const { count, definition } = this.#placesOf(first);
    for (let place = 0; definition !== undefined && place < count; place++) {
      if (definition[place] >= entry && definition[place] < own) throw unexpectedNull(path);
    }
  }

  #read(path: readonly string[], values: LeafValues): LeafPlaces {
    const leaf = path.join(".");
    const source = { ...this.group.chunk(leaf), levels: this.#levels(path) };
    const places = readLeafRows(source, this.rows, this.meter, values);
    this.#places.set(leaf, places);
    return places;
  }

  #placesOf(leaf: string): LeafPlaces {
    const places = this.#places.get(leaf);
    assert(places !== undefined, "a list is put together after the leaves below it were read");
    return places;
  }

  #levels(path: readonly string[]): LeafLevels {
    const levels = this.group.levels.get(path.join("."));
    if (levels !== undefined) return levels;
    throw new OpenWitError("unsupported", `a Parquet file has no column ${path.join(".")}`);
  }
}

/**
 * The values that a leaf has a place for: one a row, or one an entry of the list that it is below.
 * @param entry definition level from which on a place is one of them
 */
function slotsOf(
  { count, definition }: LeafPlaces,
  { maxDefinition }: LeafLevels,
  entry: number,
): { count: number; present: Uint8Array | undefined } {
  if (definition === undefined) return { count, present: undefined };
  const present = new Uint8Array(count);
  let slots = 0, nulls = 0;
  for (let place = 0; place < count; place++) {
    const level = definition[place];
    if (level < entry) continue;
    if (level === maxDefinition) present[slots] = 1;
    else nulls++;
    slots++;
  }
  return { count: slots, present: nulls === 0 ? undefined : present.subarray(0, slots) };
}

/** Values one after the other, with zeros between them where there is a NULL. */
function spread(
  dense: Int32Array | Uint8Array,
  present: Uint8Array | undefined,
  width: 1 | 2,
): Int32Array | Uint8Array {
  if (present === undefined) return dense;
  const length = present.length * width;
  const values = dense instanceof Int32Array ? new Int32Array(length) : new Uint8Array(length);
  for (let slot = 0, at = 0; slot < present.length; slot++) {
    if (present[slot] === 0) continue;
    values[slot * width] = dense[at++];
    if (width === 2) values[slot * 2 + 1] = dense[at++];
  }
  return values;
}

function appendCoded(
  sink: TextSink,
  page: Page,
  ranks: Int32Array,
  dictionary: DictionaryTexts | undefined,
): void {
  const codes = chosenCodes(page, ranks);
  const { bytes, starts } = known(dictionary);
  for (let at = 0; at < codes.length; at++) {
    if (codes[at] >= starts.length - 1) throw notInDictionary(codes[at]);
    sink.append(bytes, starts[codes[at]], starts[codes[at] + 1] - 4);
  }
}

/** Codes of the table for codes of a page. @param numbers 1 more than the code in the table; 0 is not yet known */
function renumbered(
  codes: Int32Array,
  dictionary: DictionaryTexts | undefined,
  numbers: Int32Array,
  table: DictionaryVector,
): Int32Array {
  const { bytes, starts } = known(dictionary);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code >= numbers.length) throw notInDictionary(code);
    if (numbers[code] === 0) numbers[code] = 1 + table.codeOf(bytes, starts[code], starts[code + 1] - 4);
    codes[at] = numbers[code] - 1;
  }
  return codes;
}

/** Codes of the table for texts of a page that has none. */
function numbered(page: Page, count: number, ranks: Int32Array, table: DictionaryVector): Int32Array {
  const sink = new TextSink();
  chooseTexts(page, count, ranks, sink);
  const { offsets, bytes } = sink.finish();
  const codes = new Int32Array(ranks.length);
  for (let at = 0; at < codes.length; at++) codes[at] = table.codeOf(bytes, offsets[at], offsets[at + 1]);
  return codes;
}

function known(dictionary: DictionaryTexts | undefined): DictionaryTexts {
  if (dictionary !== undefined) return dictionary;
  throw malformedPage("codes without a dictionary");
}

function joined<A extends Int32Array | Uint8Array>(parts: readonly A[], make: (length: number) => A): A {
  if (parts.length === 1) return parts[0];
  const all = make(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function notInDictionary(code: number): OpenWitError {
  return malformedPage(`code ${code} is not in its dictionary`);
}

function unexpectedNull(path: readonly string[]): OpenWitError {
  return new OpenWitError(
    "unsupported",
    `a Parquet file has a NULL in ${path.join(".")}, where ours have none`,
  );
}
