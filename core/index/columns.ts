/**
 * The columns of a row group that are indexed: read from its file, or made of the slices from which it is written.
 *
 * Memory: what is read is the columns of one row group; what is made of slices are views of them.
 */
import type { DiskFile } from "../env/disk.ts";
import { assert, OpenWitError } from "../error.ts";
import { columnsOf, type Signal, timeColumnOf } from "../model/columns.ts";
import { freeWhole } from "../model/free.ts";
import type { Texts } from "../parquet/read/column.ts";
import type { LeafLevels } from "../parquet/read/page.ts";
import type { Batch, DictionarySlice, FixedSlice, TextSlice } from "../parquet/slice.ts";
import { type ParquetColumnChunk, type ParquetRowGroup, readRange } from "../segment/reader.ts";
import { jsonColumns, mapColumn, textColumnOf, valueColumns } from "./fields.ts";
import { freeLeaf, readNumbers, readTexts, type TextLeaf } from "./leaf.ts";

export interface IndexedColumns {
  readonly rows: number;
  /** Two words a row. */
  readonly times: Int32Array;
  readonly texts: ReadonlyMap<string, TextLeaf>;
  /** NULLs are 0. */
  readonly numbers: ReadonlyMap<string, Int32Array>;
  readonly keys: TextLeaf;
  readonly mapValues: TextLeaf;
}

/** Columns that were read from a file. */
export interface ReadColumns extends IndexedColumns {
  /** The column chunks as they lie in the file: texts may be views of them. */
  readonly chunks: readonly Uint8Array[];
}

/** @throws OpenWitError `io`, `malformed`, `unsupported` */
export async function readIndexedColumns(
  file: DiskFile,
  signal: Signal,
  group: ParquetRowGroup,
  levels: ReadonlyMap<string, LeafLevels>,
): Promise<ReadColumns> {
  const { rows } = group;
  const texts = new Map<string, TextLeaf>();
  const numbers = new Map<string, Int32Array>();
  const chunks: Uint8Array[] = [];
  const leaf = async (path: string): Promise<[Uint8Array, ParquetColumnChunk, LeafLevels]> => {
    const chunk = group.columns.find((column) => column.path.join(".") === path);
    const level = levels.get(path);
    if (chunk === undefined || level === undefined) {
      throw new OpenWitError("malformed", `a row group has no column ${path}`);
    }
    const bytes = await readRange(file, chunk.offset, chunk.offset + chunk.compressedBytes);
    chunks.push(bytes);
    return [bytes, chunk, level];
  };
  for (const name of indexedNames(signal)) {
    if (isNumber(signal, name)) numbers.set(name, readNumbers(...await leaf(name), rows, 1));
    else texts.set(name, readTexts(...await leaf(name), rows));
  }
  const entryLevel = levels.get(`${mapColumn}.key_value`)?.maxDefinition ?? 0;
  return {
    rows,
    times: readNumbers(...await leaf(timeColumnOf[signal]), rows, 2),
    texts,
    numbers,
    keys: readTexts(...await leaf(`${mapColumn}.key_value.key`), rows, entryLevel),
    mapValues: readTexts(...await leaf(`${mapColumn}.key_value.value`), rows, entryLevel),
    chunks,
  };
}

/** Frees columns that were read; nobody looks at them any more. */
export function freeColumns({ times, texts, numbers, keys, mapValues, chunks }: ReadColumns): void {
  for (const leaf of [...texts.values(), keys, mapValues]) freeLeaf(leaf);
  for (const array of [times, ...numbers.values(), ...chunks]) freeWhole(array);
}

/** The columns of a batch, which must stay as it is while they are looked at. */
export function indexedColumnsOf(signal: Signal, { rows, columns }: Batch): IndexedColumns {
  const sliceOf = (name: string) => columns[columnsOf[signal].findIndex((each) => each.name === name)];
  const texts = new Map<string, TextLeaf>();
  const numbers = new Map<string, Int32Array>();
  for (const name of indexedNames(signal)) {
    const slice = sliceOf(name);
    if (isNumber(signal, name)) numbers.set(name, numbersOf(slice as FixedSlice));
    else texts.set(name, leafOf(slice as TextSlice | DictionarySlice));
  }
  const map = sliceOf(mapColumn);
  assert(map.kind === "map", "a slice has the shape of its column");
  const rowStarts = fromZero(map.offsets);
  return {
    rows,
    times: numbersOf(sliceOf(timeColumnOf[signal]) as FixedSlice),
    texts,
    numbers,
    keys: { ...leafOf(map.keys), rowStarts },
    mapValues: { ...leafOf(map.values), rowStarts },
  };
}

function indexedNames(signal: Signal): Set<string> {
  const text = textColumnOf[signal];
  return new Set([...valueColumns[signal], ...jsonColumns, ...text === undefined ? [] : [text]]);
}

function isNumber(signal: Signal, name: string): boolean {
  return columnsOf[signal].find((column) => column.name === name)?.type.kind === "int32";
}

function numbersOf({ values, present }: FixedSlice): Int32Array {
  const words = values as Int32Array;
  return present === undefined ? words : words.map((word, row) => present[row] === 0 ? 0 : word);
}

function leafOf(slice: TextSlice | DictionarySlice): TextLeaf {
  if (slice.kind === "dictionary") {
    const { codes, values } = slice;
    return { texts: textsOf(values), textOf: codes, isShared: true, rowStarts: undefined };
  }
  const { present } = slice;
  const textOf = present && Int32Array.from(present, (isThere, row) => isThere === 0 ? -1 : row);
  return { texts: textsOf(slice), textOf, isShared: false, rowStarts: undefined };
}

function textsOf({ count, offsets, bytes }: TextSlice): Texts {
  return { count, offsets: fromZero(offsets), bytes };
}

/** The offsets of a slice begin where they began in what it was cut from. */
function fromZero(offsets: Int32Array): Int32Array {
  const [first] = offsets;
  return first === 0 ? offsets : offsets.map((offset) => offset - first);
}
