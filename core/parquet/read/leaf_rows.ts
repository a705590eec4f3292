/**
 * Some rows of one leaf column of a row group: walks its pages, decompresses those that hold a wanted row, and gives
 * their levels and values to whoever knows their type (rows.ts).
 */
import { freeWhole } from "../../model/free.ts";
import { kindDictionary, PageHeaders } from "./header.ts";
import { isOfValues, type LeafLevels, malformedPage, openPage, type Page } from "./page.ts";

/** A leaf's column chunk. */
export interface LeafSource {
  /** As it lies in the file. */
  readonly bytes: Uint8Array;
  readonly codec: string;
  readonly levels: LeafLevels;
}

/** What reading may take, and what it took. */
export interface ReadMeter {
  /** Bytes of the largest page that is decompressed; one is held at a time. */
  readonly pageBytesMax: number;
  /** Bytes that pages had, decompressed. */
  inflatedBytes: number;
}

/** Takes the values of a leaf, page after page. A data page is freed when its values were taken, the dictionary at the end. */
export interface LeafValues {
  /** The values of its dictionary, before all pages. */
  dictionary(page: Page): void;
  /** Values by their rank among the `count` of a page; at least one. */
  values(page: Page, count: number, ranks: Int32Array): void;
}

/** The places of the wanted rows: values, NULLs and empty lists. */
export interface LeafPlaces {
  readonly count: number;
  /** A level a place; undefined where the leaf is below no list. */
  readonly repetition: Uint8Array | undefined;
  /** The same; undefined where every place has a value. */
  readonly definition: Uint8Array | undefined;
}

/**
 * @param rows by their number in the row group, ascending
 * @throws OpenWitError `malformed`, `unsupported`; `too_large` for a page beyond the meter's bound
 */
export function readLeafRows(
  source: LeafSource,
  rows: Int32Array,
  meter: ReadMeter,
  values: LeafValues,
): LeafPlaces {
  let dictionary: Page | undefined;
  const taking: LeafValues = {
    dictionary: (page) => values.dictionary(dictionary = page),
    values: (page, count, ranks) => values.values(page, count, ranks),
  };
  const places = source.levels.maxRepetition === 0
    ? flatRows(source, rows, meter, taking)
    : repeatedRows(source, rows, meter, taking);
  if (dictionary !== undefined) freeWhole(dictionary.bytes);
  return places;
}

/** A place is a row. */
function flatRows(source: LeafSource, rows: Int32Array, meter: ReadMeter, values: LeafValues): LeafPlaces {
  const { maxDefinition } = source.levels;
  const headers = new PageHeaders(source.bytes);
  let definition: Uint8Array | undefined;
  let first = 0, at = 0;
  while (at < rows.length && headers.next()) {
    if (!isOfValues(headers)) continue;
    if (headers.kind === kindDictionary) {
      values.dictionary(open(headers, source, meter));
      continue;
    }
    const end = first + headers.count;
    let last = at;
    while (last < rows.length && rows[last] < end) last++;
    if (last > at) {
      const page = open(headers, source, meter);
      const own = chooseFlat(page, rows, at, last, first, maxDefinition, values);
      if (own !== undefined) {
        definition ??= new Uint8Array(rows.length).fill(maxDefinition);
        definition.set(own, at);
      }
      freeWhole(page.bytes);
    }
    at = last;
    first = end;
  }
  if (at < rows.length) throw malformedPage(`row ${rows[at]} of ${first}`);
  return { count: rows.length, repetition: undefined, definition };
}

/** Rows `[at, last)` of a page, whose first row is `first`; their levels, where not all are there. */
function chooseFlat(
  page: Page,
  rows: Int32Array,
  at: number,
  last: number,
  first: number,
  max: number,
  values: LeafValues,
): Uint8Array | undefined {
  const { definition: levels, count } = page;
  const ranks = new Int32Array(last - at);
  if (levels === max) {
    for (let to = 0; to < ranks.length; to++) ranks[to] = rows[at + to] - first;
    values.values(page, count, ranks);
    return undefined;
  }
  const definition = new Uint8Array(last - at);
  if (typeof levels === "number") return definition.fill(levels);
  let chosen = 0, rank = 0, place = 0;
  for (let row = at; row < last; row++) {
    const wanted = rows[row] - first;
    rank += valuesBetween(levels, max, place, wanted);
    place = wanted;
    definition[row - at] = levels[place];
    if (levels[place] === max) ranks[chosen++] = rank;
  }
  rank += valuesBetween(levels, max, place, count);
  if (chosen > 0) values.values(page, rank, ranks.subarray(0, chosen));
  return definition;
}

/** How many places of a page have a value. */
function valuesBetween(levels: Uint8Array, max: number, from: number, to: number): number {
  let count = 0;
  for (let place = from; place < to; place++) count += (levels[place] ^ max) - 1 >>> 31;
  return count;
}

/** A row is one place or more, of which the first has repetition level 0. */
function repeatedRows(
  source: LeafSource,
  rows: Int32Array,
  meter: ReadMeter,
  values: LeafValues,
): LeafPlaces {
  const headers = new PageHeaders(source.bytes);
  const walk: Walk = { rows, at: 0, row: -1, isWanted: false };
  const parts: ChosenPlaces[] = [];
  while (headers.next()) {
    if (!isOfValues(headers)) continue;
    if (headers.kind === kindDictionary) {
      if (rows.length > 0) values.dictionary(open(headers, source, meter));
      continue;
    }
    if (walk.at === rows.length && !walk.isWanted) break;
    if (headers.rows >= 0) { // it begins with a row, and says how many it has
      walk.isWanted = false;
      if (walk.at === rows.length) break;
      if (rows[walk.at] > walk.row + headers.rows) {
        walk.row += headers.rows;
        continue;
      }
    }
    const page = open(headers, source, meter);
    parts.push(chooseRepeated(page, source.levels.maxDefinition, walk, values));
    freeWhole(page.bytes);
  }
  if (walk.at < rows.length) throw malformedPage(`row ${rows[walk.at]} of ${walk.row + 1}`);
  return joinedPlaces(parts);
}

/** Where a walk over the rows of a repeated leaf stands. */
interface Walk {
  readonly rows: Int32Array;
  /** Position of the next wanted row. */
  at: number;
  /** The last row that has begun, and whether it is wanted. */
  row: number;
  isWanted: boolean;
}

interface ChosenPlaces {
  readonly repetition: Uint8Array;
  readonly definition: Uint8Array;
}

function chooseRepeated(page: Page, max: number, walk: Walk, values: LeafValues): ChosenPlaces {
  const { definition, repetition } = page;
  const runs = wantedRuns(page, walk);
  let places = 0;
  for (let run = 0; run < runs.length; run += 2) places += runs[run + 1] - runs[run];
  const chosen = { repetition: new Uint8Array(places), definition: new Uint8Array(places) };
  const ranks = new Int32Array(places);
  let to = 0, wanted = 0, rank = 0, passed = 0;
  for (let run = 0; run < runs.length; run += 2) {
    rank += valuesIn(page, max, passed, runs[run]);
    passed = runs[run + 1];
    for (let place = runs[run]; place < passed; place++, to++) {
      const level = typeof definition === "number" ? definition : definition[place];
      chosen.repetition[to] = typeof repetition === "number" ? repetition : repetition[place];
      chosen.definition[to] = level;
      if (level === max) ranks[wanted++] = rank++;
    }
  }
  if (wanted > 0) {
    values.values(page, rank + valuesIn(page, max, passed, page.count), ranks.subarray(0, wanted));
  }
  return chosen;
}

/** The places of the wanted rows of a page: each from and to. Moves the walk to its end. */
function wantedRuns({ count, repetition }: Page, walk: Walk): number[] {
  const { rows } = walk;
  const runs: number[] = [];
  const begins = typeof repetition === "number" ? repetition === 0 : count === 0 || repetition[0] === 0;
  if (!begins && walk.row < 0) throw malformedPage("a column that begins within a row");
  if (typeof repetition === "number") {
    if (!begins) { // the page is of one row
      if (walk.isWanted) runs.push(0, count);
      return runs;
    }
    for (const before = walk.row + 1; rows[walk.at] - before < count; walk.at++) {
      runs.push(rows[walk.at] - before, rows[walk.at] - before + 1);
    }
    walk.row += count;
  } else {
    let place = 0, { at, row } = walk;
    const passRow = () => {
      while (place < count && repetition[place] > 0) place++;
    };
    if (walk.isWanted) {
      passRow();
      if (place > 0) runs.push(0, place);
    }
    while (at < rows.length) {
      for (const target = rows[at]; place < count; place++) {
        row += repetition[place] - 1 >>> 31; // 1 where a row begins
        if (row === target) break;
      }
      if (place === count) break;
      const start = place++;
      passRow();
      runs.push(start, place);
      at++;
    }
    walk.at = at;
    walk.row = row;
  }
  walk.isWanted = runs.length > 0 && runs[runs.length - 1] === count;
  return runs;
}

function valuesIn({ definition }: Page, max: number, from: number, to: number): number {
  if (typeof definition === "number") return definition === max ? to - from : 0;
  return valuesBetween(definition, max, from, to);
}

function joinedPlaces(parts: readonly ChosenPlaces[]): LeafPlaces {
  if (parts.length === 1) return { count: parts[0].repetition.length, ...parts[0] };
  const count = parts.reduce((sum, { repetition }) => sum + repetition.length, 0);
  const repetition = new Uint8Array(count), definition = new Uint8Array(count);
  let at = 0;
  for (const part of parts) {
    repetition.set(part.repetition, at);
    definition.set(part.definition, at);
    at += part.repetition.length;
  }
  return { count, repetition, definition };
}

function open(headers: PageHeaders, { codec, levels }: LeafSource, meter: ReadMeter): Page {
  const page = openPage(headers, codec, levels, meter.pageBytesMax);
  meter.inflatedBytes += headers.size;
  return page;
}
