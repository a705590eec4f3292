/**
 * Writes the Parquet file of one segment straight from the columns of chunks (Parquet format 2.11): pages are made
 * of the dictionaries and buffers that a chunk has already, so no value is hashed or copied one by one.
 *
 * Row groups leave as they are finished, each in one piece; the footer comes last. Data pages are of version 1, one a
 * column and row group, zstd level 1.
 */
import { columnsOf, type Signal } from "../model/columns.ts";
import { rowGroupRows } from "../segment/encoder.ts";
import { encodingPlain, type PageWriter, writeColumn } from "./column.ts";
import { concatBatches } from "./concat.ts";
import { type Levels, rowLevels, writeLevels } from "./levels.ts";
import { type Leaf, leavesOf, writeSchema } from "./schema.ts";
import { ByteSink } from "./sink.ts";
import { type Batch, batchBytes } from "./slice.ts";
import type { Statistics } from "./statistics.ts";
import { thriftBinary, thriftI32, thriftStruct, ThriftWriter } from "./thrift_writer.ts";

/** Lives as long as one file is written: every batch with `write`, then `finish`, once. */
export class ParquetWriter {
  readonly #signal: Signal;
  readonly #keyValues: Readonly<Record<string, string>>;
  /** The row group that is being collected. */
  #pending: Batch[] = [];
  #pendingRows = 0;
  #pendingBytes = 0;
  /** Bytes of the file that were given out. */
  #offset = 0;
  #rows = 0;
  readonly #groups: Uint8Array[] = [];
  readonly #out = new ByteSink(1024 * 1024);
  readonly #pages: RowGroupPages;

  constructor(signal: Signal, keyValues: Readonly<Record<string, string>>) {
    this.#signal = signal;
    this.#keyValues = keyValues;
    this.#pages = new RowGroupPages(this.#out, leavesOf(signal));
    this.#out.append(magic);
  }

  /**
   * Takes rows, at most `rowGroupRows`; gives the row groups that are finished by them.
   * The batch's buffers must stay as they are until its row group was given.
   */
  *write(batch: Batch): Generator<Uint8Array<ArrayBuffer>> {
    const bytes = batchBytes(batch);
    const isOver = this.#pendingRows + batch.rows > rowGroupRows ||
      this.#pendingBytes + bytes > rowGroupBytesMax;
    if (this.#pendingRows > 0 && isOver) yield this.#rowGroup();
    if (batch.rows === 0) return;
    this.#pending.push(batch);
    this.#pendingRows += batch.rows;
    this.#pendingBytes += bytes;
    if (this.#pendingRows === rowGroupRows) yield this.#rowGroup();
  }

  /** Whether a batch waits for its row group to be full: its buffers are still read. */
  isHeld(batch: Batch): boolean {
    return this.#pending.includes(batch);
  }

  /** The last row group, if one is open, and the footer. */
  *finish(): Generator<Uint8Array<ArrayBuffer>> {
    if (this.#pendingRows > 0) yield this.#rowGroup();
    this.#writeFooter();
    yield this.#take();
  }

  #rowGroup(): Uint8Array<ArrayBuffer> {
    const batch = concatBatches(this.#pending);
    this.#pending = [];
    this.#pendingRows = this.#pendingBytes = 0;
    this.#pages.begin(this.#offset);
    const levels = rowLevels(batch.rows);
    columnsOf[this.#signal].forEach(({ type, nullable }, index) =>
      writeColumn(this.#pages, type, nullable ?? false, batch.columns[index], levels)
    );
    this.#groups.push(this.#pages.end(batch.rows));
    this.#rows += batch.rows;
    return this.#take();
  }

  #take(): Uint8Array<ArrayBuffer> {
    const piece = this.#out.view().slice();
    this.#offset += piece.length;
    this.#out.length = 0;
    return piece;
  }

  /** FileMetaData, its length, and the magic. */
  #writeFooter(): void {
    const start = this.#out.length;
    const thrift = new ThriftWriter(this.#out);
    thrift.i32(1, 1);
    writeSchema(thrift, this.#signal);
    thrift.i64(3, this.#rows);
    thrift.list(4, thriftStruct, this.#groups.length);
    for (const group of this.#groups) this.#out.append(group);
    const pairs = Object.entries(this.#keyValues);
    thrift.list(5, thriftStruct, pairs.length);
    for (const [key, value] of pairs) {
      thrift.openItem();
      thrift.binary(1, key);
      thrift.binary(2, value);
      thrift.close();
    }
    thrift.binary(6, "openwit");
    // Least and largest values count for readers only when their order is said to be that of the type.
    const leaves = leavesOf(this.#signal);
    thrift.list(7, thriftStruct, leaves.length);
    for (const _ of leaves) {
      thrift.openItem();
      thrift.empty(1);
      thrift.close();
    }
    thrift.close();
    const length = this.#out.length - start;
    const at = this.#out.reserve(4);
    this.#out.length += 4;
    this.#out.setUint32(at, length);
    this.#out.append(magic);
  }
}

/** "PAR1". */
const magic = Uint8Array.of(0x50, 0x41, 0x52, 0x31);

/**
 * Bytes of a row group's buffers, before encoding, above which it takes fewer rows: what bounds the memory that
 * a segment of large rows needs.
 */
const rowGroupBytesMax = 16 * 1024 * 1024;

/** Below this a column is stored as it is: a call of the compressor costs more than the bytes that it saves. */
const compressBytesMin = 128;

const pageData = 0, pageDictionary = 2, encodingRle = 3, codecNone = 0, codecZstd = 6;

/** Compresses the pages of a row group into the file, and collects what the footer says of them. */
class RowGroupPages implements PageWriter {
  readonly #out: ByteSink;
  readonly #leaves: readonly Leaf[];
  #leaf = 0;
  #base = 0;
  #rawTotal = 0;
  #compressedTotal = 0;
  readonly #data = new ByteSink(256 * 1024);
  readonly #table = new ByteSink(16 * 1024);
  #thrift = new ThriftWriter();

  constructor(out: ByteSink, leaves: readonly Leaf[]) {
    this.#out = out;
    this.#leaves = leaves;
  }

  /** @param offset where in the file the output begins */
  begin(offset: number): void {
    this.#base = offset;
    this.#leaf = this.#rawTotal = this.#compressedTotal = 0;
    this.#thrift = new ThriftWriter(new ByteSink(this.#leaves.length * 64));
    this.#thrift.list(1, thriftStruct, this.#leaves.length);
  }

  /** The footer's RowGroup. */
  end(rows: number): Uint8Array {
    const thrift = this.#thrift;
    thrift.i64(2, this.#rawTotal);
    thrift.i64(3, rows);
    thrift.i64(6, this.#compressedTotal);
    thrift.close();
    return thrift.sink.view();
  }

  get wantsStatistics(): boolean {
    return this.#leaves[this.#leaf].hasStatistics;
  }

  page(
    levels: Levels,
    encoding: number,
    write: (sink: ByteSink) => void,
    statistics?: Statistics,
    table?: { readonly size: number; readonly write: (sink: ByteSink) => void },
  ): void {
    this.#data.length = this.#table.length = 0;
    table?.write(this.#table);
    writeLevels(this.#data, levels);
    write(this.#data);
    let stored: Uint8Array[] = [this.#table.view(), this.#data.view()];
    const raw = this.#table.length + this.#data.length;
    let codec = codecNone;
    if (raw >= compressBytesMin) {
      const compressed = stored.map((page) =>
        page.length === 0 ? page : Bun.zstdCompressSync(page, { level: 1 })
      );
      if (compressed[0].length + compressed[1].length < raw) [stored, codec] = [compressed, codecZstd];
    }
    const start = this.#out.length;
    let headers = 0;
    if (table !== undefined) {
      headers += this.#header(
        pageDictionary,
        this.#table.length,
        stored[0].length,
        table.size,
        encodingPlain,
      );
      this.#out.append(stored[0]);
    }
    const dataStart = this.#out.length;
    headers += this.#header(pageData, this.#data.length, stored[1].length, levels.count, encoding);
    this.#out.append(stored[1]);
    this.#describe({
      codec,
      encodings: table === undefined ? [encodingRle, encoding] : [encodingPlain, encodingRle, encoding],
      places: levels.count,
      raw: raw + headers,
      compressed: this.#out.length - start,
      dataOffset: this.#base + dataStart,
      tableOffset: table === undefined ? undefined : this.#base + start,
      statistics,
    });
    this.#leaf++;
  }

  /** Writes a page's header; returns its length. */
  #header(kind: number, raw: number, stored: number, values: number, encoding: number): number {
    const start = this.#out.length;
    const thrift = new ThriftWriter(this.#out);
    thrift.i32(1, kind);
    thrift.i32(2, raw);
    thrift.i32(3, stored);
    thrift.open(kind === pageData ? 5 : 7);
    thrift.i32(1, values);
    thrift.i32(2, encoding);
    if (kind === pageData) {
      thrift.i32(3, encodingRle);
      thrift.i32(4, encodingRle);
    }
    thrift.close();
    thrift.close();
    return this.#out.length - start;
  }

  /** Adds the footer's ColumnChunk of the leaf at hand. */
  #describe(chunk: ColumnChunk): void {
    const { physical, path } = this.#leaves[this.#leaf];
    const thrift = this.#thrift;
    thrift.openItem();
    thrift.i64(2, 0);
    thrift.open(3);
    thrift.i32(1, physical);
    thrift.list(2, thriftI32, chunk.encodings.length);
    for (const encoding of chunk.encodings) thrift.i32Item(encoding);
    thrift.list(3, thriftBinary, path.length);
    for (const name of path) thrift.binaryItem(name);
    thrift.i32(4, chunk.codec);
    thrift.i64(5, chunk.places);
    thrift.i64(6, chunk.raw);
    thrift.i64(7, chunk.compressed);
    thrift.i64(9, chunk.dataOffset);
    if (chunk.tableOffset !== undefined) thrift.i64(11, chunk.tableOffset);
    if (chunk.statistics !== undefined) {
      thrift.open(12);
      thrift.i64(3, chunk.statistics.nulls);
      if (chunk.statistics.max !== undefined) thrift.binary(5, chunk.statistics.max);
      if (chunk.statistics.min !== undefined) thrift.binary(6, chunk.statistics.min);
      thrift.close();
    }
    thrift.close();
    thrift.close();
    this.#rawTotal += chunk.raw;
    this.#compressedTotal += chunk.compressed;
  }
}

interface ColumnChunk {
  readonly codec: number;
  readonly encodings: readonly number[];
  readonly places: number;
  readonly raw: number;
  readonly compressed: number;
  readonly dataOffset: number;
  readonly tableOffset: number | undefined;
  readonly statistics: Statistics | undefined;
}
