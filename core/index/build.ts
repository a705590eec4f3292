/**
 * Indexes one segment: reads the columns that are indexed, a row group at a time, and gives the bytes of its index
 * file. Memory: a row group's columns, and what the builder keeps.
 */
import type { Disk, DiskFile } from "../env/disk.ts";
import type { Random } from "../env/random.ts";
import { OpenWitError } from "../error.ts";
import { columnsOf, timeColumnOf } from "../model/columns.ts";
import type { Signal } from "../model/columns.ts";
import { freeWhole } from "../model/free.ts";
import { leafLevels } from "../parquet/read/column.ts";
import type { LeafLevels } from "../parquet/read/page.ts";
import { blockRows, segmentRowsMax } from "../segment/encoder.ts";
import { type ParquetColumnChunk, type ParquetRowGroup, readParquetFooter } from "../segment/reader.ts";
import { IndexBuilder } from "./builder.ts";
import {
  foldedColumnOf,
  jsonColumns,
  levelOf,
  mapColumn,
  serviceColumn,
  textColumnOf,
  valueColumns,
} from "./fields.ts";
import { encodeIndex } from "./format.ts";
import { freeLeaf, readNumbers, readTexts, type TextLeaf } from "./leaf.ts";

export interface IndexSource {
  readonly id: string;
  readonly signal: Signal;
  /** In the data folder. */
  readonly path: string;
}

export interface BuildOptions {
  readonly abort?: AbortSignal;
  /** Called after each row group, when what its columns took is garbage. */
  readonly collect?: () => void;
  /** Awaited before each row group: who comes first has the thread meanwhile. */
  readonly turn?: (() => Promise<void>) | undefined;
}

/**
 * The bytes of a segment's index.
 * @throws OpenWitError `malformed`, `unsupported`, `io`, `not_found`; the signal's reason
 */
export async function buildIndex(
  disk: Disk,
  random: Random,
  segment: IndexSource,
  { abort, collect, turn }: BuildOptions = {},
): Promise<Uint8Array[]> {
  const footer = await readParquetFooter(disk, segment.path);
  if (footer.rows > segmentRowsMax) {
    throw new OpenWitError(
      "unsupported",
      `${segment.path} has ${footer.rows} rows, an index at most ${segmentRowsMax}`,
    );
  }
  const seed = { high: random.uint32() | 0, low: random.uint32() | 0 };
  const builder = new IndexBuilder(footer.rows, seed);
  const levels = leafLevels(footer.schema);
  const file = await disk.open(segment.path, "read");
  try {
    let firstRow = 0, block = -1;
    for (const group of footer.rowGroups) {
      await turn?.();
      abort?.throwIfAborted();
      const columns = await readColumns(file, segment.signal, group, levels);
      // Row groups of large rows are smaller than two blocks, so a block may go on in the next group.
      for (let row = 0; row < group.rows;) {
        const at = Math.floor((firstRow + row) / blockRows);
        const end = Math.min(group.rows, (at + 1) * blockRows - firstRow);
        if (at !== block) builder.beginBlock(block = at);
        addRows(builder, segment.signal, columns, row, end);
        row = end;
      }
      firstRow += group.rows;
      freeColumns(columns);
      collect?.();
    }
  } finally {
    await file.close();
  }
  return encodeIndex({ ...segment, rows: footer.rows }, seed, builder.finish());
}

interface IndexedColumns {
  readonly times: Int32Array;
  readonly texts: ReadonlyMap<string, TextLeaf>;
  readonly numbers: ReadonlyMap<string, Int32Array>;
  readonly keys: TextLeaf;
  readonly mapValues: TextLeaf;
  /** The column chunks as they lie in the file: texts may be views of them. */
  readonly chunks: readonly Uint8Array[];
}

function addRows(
  builder: IndexBuilder,
  signal: Signal,
  { times, texts, numbers, keys, mapValues }: IndexedColumns,
  from: number,
  end: number,
): void {
  builder.times(times, from, end);
  for (const name of valueColumns[signal]) {
    const leaf = texts.get(name);
    if (leaf !== undefined) builder.values(name, leaf, from, end);
    else builder.numbers(name, numbers.get(name)!, from, end);
  }
  const services = texts.get(serviceColumn)!, level = levelOf[signal], folded = foldedColumnOf[signal];
  if (level !== undefined) builder.levels(level, numbers.get(level.column)!, services, from, end);
  if (folded !== undefined) builder.folded(folded, texts.get(folded)!, services, from, end);
  for (const name of jsonColumns) builder.json(name, texts.get(name)!, from, end);
  builder.map(mapColumn, keys, mapValues, from, end);
  const text = textColumnOf[signal];
  if (text !== undefined) builder.words(texts.get(text)!, from, end);
}

function freeColumns({ times, texts, numbers, keys, mapValues, chunks }: IndexedColumns): void {
  for (const leaf of [...texts.values(), keys, mapValues]) freeLeaf(leaf);
  for (const array of [times, ...numbers.values(), ...chunks]) freeWhole(array);
}

async function readColumns(
  file: DiskFile,
  signal: Signal,
  group: ParquetRowGroup,
  levels: ReadonlyMap<string, LeafLevels>,
): Promise<IndexedColumns> {
  const { rows } = group;
  const textColumn = textColumnOf[signal];
  const names = new Set([
    ...valueColumns[signal],
    ...jsonColumns,
    ...textColumn === undefined ? [] : [textColumn],
  ]);
  const kinds = new Map(columnsOf[signal].map(({ name, type }) => [name, type.kind]));
  const texts = new Map<string, TextLeaf>();
  const numbers = new Map<string, Int32Array>();
  const chunks: Uint8Array[] = [];
  const leaf = async (path: string): Promise<[Uint8Array, ParquetColumnChunk, LeafLevels]> => {
    const chunk = group.columns.find((column) => column.path.join(".") === path);
    const level = levels.get(path);
    if (chunk === undefined || level === undefined) {
      throw new OpenWitError("malformed", `a row group has no column ${path}`);
    }
    const bytes = await readChunk(file, chunk);
    chunks.push(bytes);
    return [bytes, chunk, level];
  };
  for (const name of names) {
    if (kinds.get(name) === "int32") numbers.set(name, readNumbers(...await leaf(name), rows, 1));
    else texts.set(name, readTexts(...await leaf(name), rows));
  }
  const entryLevel = levels.get(`${mapColumn}.key_value`)?.maxDefinition ?? 0;
  return {
    times: readNumbers(...await leaf(timeColumnOf[signal]), rows, 2),
    texts,
    numbers,
    keys: readTexts(...await leaf(`${mapColumn}.key_value.key`), rows, entryLevel),
    mapValues: readTexts(...await leaf(`${mapColumn}.key_value.value`), rows, entryLevel),
    chunks,
  };
}

async function readChunk(
  file: DiskFile,
  { offset, compressedBytes }: ParquetColumnChunk,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(compressedBytes);
  for (let filled = 0; filled < bytes.length;) {
    const read = await file.read(bytes.subarray(filled), offset + filled);
    if (read === 0) throw new OpenWitError("malformed", `a column chunk ends at byte ${offset + filled}`);
    filled += read;
  }
  return bytes;
}
