/**
 * Writes the Parquet file of one segment straight from the columns of chunks (Parquet format 2.11): pages are made
 * of the dictionaries and buffers that a chunk has already, so no value is hashed or copied one by one.
 *
 * Row groups leave as they are finished, each in one piece; the footer comes last. How pages are cut and compressed:
 * layout.ts.
 */
import { columnsOf, type Signal } from "../model/columns.ts";
import { rowGroupRows } from "../segment/encoder.ts";
import { writeColumn } from "./column.ts";
import { concatBatches } from "./concat.ts";
import { magic, writeFooter } from "./footer.ts";
import { freshLayout, type Layout } from "./layout.ts";
import { rowLevels } from "./levels.ts";
import { type RowGroup, RowGroupPages } from "./pages.ts";
import { leavesOf } from "./schema.ts";
import { ByteSink } from "./sink.ts";
import { type Batch, batchBytes, freeBatch } from "./slice.ts";

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
  readonly #groups: RowGroup[] = [];
  readonly #out = new ByteSink(1024 * 1024);
  readonly #pages: RowGroupPages;

  constructor(signal: Signal, keyValues: Readonly<Record<string, string>>, layout: Layout = freshLayout) {
    this.#signal = signal;
    this.#keyValues = keyValues;
    this.#pages = new RowGroupPages(this.#out, leavesOf(signal), layout);
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

  /** The row group that is open, if one is, as it is: what comes next begins another one. */
  *endRowGroup(): Generator<Uint8Array<ArrayBuffer>> {
    if (this.#pendingRows > 0) yield this.#rowGroup();
  }

  /** The last row group, if one is open, and the footer. */
  *finish(): Generator<Uint8Array<ArrayBuffer>> {
    yield* this.endRowGroup();
    writeFooter(this.#out, this.#offset, this.#signal, this.#groups, this.#keyValues);
    yield this.#take();
  }

  #rowGroup(): Uint8Array<ArrayBuffer> {
    const batch = concatBatches(this.#pending), isJoined = this.#pending.length > 1;
    this.#pending = [];
    this.#pendingRows = this.#pendingBytes = 0;
    this.#pages.begin(this.#offset, batch.rows);
    const levels = rowLevels(batch.rows);
    columnsOf[this.#signal].forEach(({ type, nullable }, index) =>
      writeColumn(this.#pages, type, nullable ?? false, batch.columns[index], levels)
    );
    this.#groups.push(this.#pages.end());
    if (isJoined) freeBatch(batch);
    return this.#take();
  }

  #take(): Uint8Array<ArrayBuffer> {
    const piece = this.#out.view().slice();
    this.#offset += piece.length;
    this.#out.length = 0;
    return piece;
  }
}

/**
 * Bytes of a row group's buffers, before encoding, above which it takes fewer rows: what bounds the memory that
 * a segment of large rows needs.
 */
const rowGroupBytesMax = 16 * 1024 * 1024;
