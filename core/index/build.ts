/**
 * Indexes one segment: is given its row groups, one after another, and gives the bytes of its index file. Who merges has
 * them in hand (core/compact/time_merger.ts); else they are read, the columns that are indexed alone.
 */
import type { Disk } from "../env/disk.ts";
import type { Random } from "../env/random.ts";
import { OpenWitError } from "../error.ts";
import type { Signal } from "../model/columns.ts";
import { leafLevels } from "../parquet/read/column.ts";
import { blockRows, segmentRowsMax } from "../segment/encoder.ts";
import { readParquetFooter } from "../segment/reader.ts";
import { IndexBuilder } from "./builder.ts";
import { freeColumns, type IndexedColumns, readIndexedColumns } from "./columns.ts";
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
import type { HashState } from "./token.ts";

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
  const { rows, rowGroups, schema } = await readParquetFooter(disk, segment.path);
  if (rows > segmentRowsMax) {
    throw new OpenWitError(
      "unsupported",
      `${segment.path} has ${rows} rows, an index at most ${segmentRowsMax}`,
    );
  }
  const index = new SegmentIndex(segment.signal, rows, random);
  const levels = leafLevels(schema);
  const file = await disk.open(segment.path, "read");
  try {
    for (const group of rowGroups) {
      await turn?.();
      abort?.throwIfAborted();
      const columns = await readIndexedColumns(file, segment.signal, group, levels);
      index.add(columns);
      freeColumns(columns);
      collect?.();
    }
  } finally {
    await file.close();
  }
  return index.encode(segment.id);
}

/** The index of a segment of at most `segmentRowsMax` rows. Memory: what the builder keeps. */
export class SegmentIndex {
  readonly #seed: HashState;
  readonly #builder: IndexBuilder;
  #firstRow = 0;

  constructor(readonly signal: Signal, readonly rows: number, random: Random) {
    this.#seed = { high: random.uint32() | 0, low: random.uint32() | 0 };
    this.#builder = new IndexBuilder(rows, this.#seed);
  }

  /** Adds the next row group. One of large rows is smaller than two blocks, so a block may go on in the next one. */
  add(columns: IndexedColumns): void {
    for (let row = 0; row < columns.rows;) {
      const block = Math.floor((this.#firstRow + row) / blockRows);
      const end = Math.min(columns.rows, (block + 1) * blockRows - this.#firstRow);
      if (this.#firstRow + row === block * blockRows) this.#builder.beginBlock();
      this.#addRows(columns, row, end);
      row = end;
    }
    this.#firstRow += columns.rows;
  }

  /** The bytes of the file, once, when all row groups were added. */
  encode(id: string): Uint8Array[] {
    const { signal, rows } = this;
    return encodeIndex({ id, signal, rows }, this.#seed, this.#builder.finish());
  }

  #addRows({ times, texts, numbers, keys, mapValues }: IndexedColumns, from: number, end: number): void {
    const builder = this.#builder, { signal } = this;
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
}
