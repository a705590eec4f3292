/**
 * Some rows of one leaf column of a row group: walks its pages, decompresses those that hold a wanted row, and gives
 * their levels and values to whoever knows their type (rows.ts).
 */
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

/** Takes the values of a leaf, page after page. */
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
  return source.levels.maxRepetition === 0
    ? flatRows(source, rows, meter, values)
    : repeatedRows(source, rows, meter, values);
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
      if (page.definition === undefined) {
        const ranks = new Int32Array(last - at);
        for (let to = 0; to < ranks.length; to++) ranks[to] = rows[at + to] - first;
        values.values(page, page.count, ranks);
      } else {
        definition ??= new Uint8Array(rows.length).fill(maxDefinition);
        chooseFlat(page, page.definition, maxDefinition, rows, at, last, first, definition, values);
      }
    }
    at = last;
    first = end;
  }
  if (at < rows.length) throw malformedPage(`row ${rows[at]} of ${first}`);
  return { count: rows.length, repetition: undefined, definition };
}

/** Rows `[at, last)` of a page with NULLs, whose first row is `first`. */
function chooseFlat(
  page: Page,
  levels: Uint8Array,
  max: number,
  rows: Int32Array,
  at: number,
  last: number,
  first: number,
  definition: Uint8Array,
  values: LeafValues,
): void {
  const ranks = new Int32Array(last - at);
  let chosen = 0, rank = 0, place = 0;
  for (let row = at; row < last; row++) {
    for (const end = rows[row] - first; place < end; place++) if (levels[place] === max) rank++;
    definition[row] = levels[place];
    if (levels[place] === max) ranks[chosen++] = rank;
  }
  if (chosen === 0) return;
  for (; place < page.count; place++) if (levels[place] === max) rank++;
  values.values(page, rank, ranks.subarray(0, chosen));
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
    parts.push(chooseRepeated(open(headers, source, meter), source.levels.maxDefinition, walk, values));
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
  const { count, definition } = page;
  const repetition = page.repetition!;
  const { rows } = walk;
  const places = new Int32Array(count), ranks = new Int32Array(count);
  let { at, row, isWanted } = walk;
  let chosen = 0, wanted = 0, rank = 0, place = 0;
  for (; place < count; place++) {
    if (repetition[place] === 0) {
      row++;
      isWanted = at < rows.length && rows[at] === row;
      if (isWanted) at++;
      else if (at === rows.length) break;
    } else if (row < 0) throw malformedPage("a column that begins within a row");
    const isThere = definition === undefined || definition[place] === max;
    if (isWanted) {
      places[chosen++] = place;
      if (isThere) ranks[wanted++] = rank;
    }
    if (isThere) rank++;
  }
  if (definition === undefined) rank = count;
  else for (; place < count; place++) if (definition[place] === max) rank++;
  walk.at = at;
  walk.row = row;
  walk.isWanted = isWanted;
  if (wanted > 0) values.values(page, rank, ranks.subarray(0, wanted));
  const ofRepetition = new Uint8Array(chosen), ofDefinition = new Uint8Array(chosen).fill(max);
  for (let to = 0; to < chosen; to++) {
    ofRepetition[to] = repetition[places[to]];
    if (definition !== undefined) ofDefinition[to] = definition[places[to]];
  }
  return { repetition: ofRepetition, definition: ofDefinition };
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
