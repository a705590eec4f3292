/**
 * Compresses the pages of a row group into the file, and collects what the footer says of them (Parquet format 2.11,
 * parquet.thrift).
 *
 * A leaf has one data page of version 1, whose levels are compressed with its values; or pages of version 2, each
 * beginning with a row, whose headers say how many rows they hold.
 */
import { freeWhole } from "../model/free.ts";
import { encodingPlain, type PageWriter, type TextPage } from "./column.ts";
import type { Layout } from "./layout.ts";
import { type Levels, writeLevels, writeLevelsApart } from "./levels.ts";
import type { Leaf } from "./schema.ts";
import { ByteSink } from "./sink.ts";
import type { Statistics } from "./statistics.ts";
import { ThriftWriter } from "./thrift_writer.ts";

/** What the footer says of a column in a row group. */
export interface ColumnChunk {
  readonly leaf: Leaf;
  readonly codec: number;
  readonly encodings: readonly number[];
  readonly places: number;
  readonly raw: number;
  readonly compressed: number;
  readonly dataOffset: number;
  readonly tableOffset: number | undefined;
  readonly statistics: Statistics | undefined;
  /** Its data pages in order, where the layout wants to know. */
  readonly pages: readonly PageLocation[];
}

export interface PageLocation {
  readonly offset: number;
  /** Its header included. */
  readonly bytes: number;
  readonly firstRow: number;
}

export interface RowGroup {
  readonly rows: number;
  readonly chunks: readonly ColumnChunk[];
}

/** Below this a column is stored as it is: a call of the compressor costs more than the bytes that it saves. */
const compressBytesMin = 128;

const pageData = 0, pageDictionary = 2, pageData2 = 3, encodingRle = 3, codecNone = 0, codecZstd = 6;

export class RowGroupPages implements PageWriter {
  readonly #out: ByteSink;
  readonly #leaves: readonly Leaf[];
  readonly #layout: Layout;
  #base = 0;
  #rows = 0;
  #chunks: ColumnChunk[] = [];
  readonly #data = new ByteSink(256 * 1024);
  readonly #table = new ByteSink(16 * 1024);

  constructor(out: ByteSink, leaves: readonly Leaf[], layout: Layout) {
    this.#out = out;
    this.#leaves = leaves;
    this.#layout = layout;
  }

  /** @param offset where in the file the output begins */
  begin(offset: number, rows: number): void {
    this.#base = offset;
    this.#rows = rows;
    this.#chunks = [];
  }

  end(): RowGroup {
    return { rows: this.#rows, chunks: this.#chunks };
  }

  get wantsStatistics(): boolean {
    return this.#leaf.hasStatistics;
  }

  textPageRows(bytes: number): number | undefined {
    return this.#layout.textPageRows(this.#rows, bytes);
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
      const compressed = stored.map((page) => page.length === 0 ? page : this.#compress(page));
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
    if (codec !== codecNone) stored.forEach(freeWhole);
    this.#chunks.push({
      leaf: this.#leaf,
      codec,
      encodings: table === undefined ? [encodingRle, encoding] : [encodingPlain, encodingRle, encoding],
      places: levels.count,
      raw: raw + headers,
      compressed: this.#out.length - start,
      dataOffset: this.#base + dataStart,
      tableOffset: table === undefined ? undefined : this.#base + start,
      statistics,
      pages: this.#layout.hasOffsetIndex
        ? [{ offset: this.#base + dataStart, bytes: this.#out.length - dataStart, firstRow: 0 }]
        : [],
    });
  }

  textPages(pages: Iterable<TextPage>, encoding: number): void {
    const start = this.#out.length;
    const locations: PageLocation[] = [];
    let raw = 0, places = 0, firstRow = 0;
    for (const { rows, levels, write } of pages) {
      const pageStart = this.#out.length;
      this.#data.length = 0;
      const lengths = writeLevelsApart(this.#data, levels);
      const valuesAt = this.#data.length;
      write(this.#data);
      const page = this.#data.view(), values = page.subarray(valuesAt);
      const compressed = this.#compress(values);
      const isCompressed = compressed.length < values.length;
      const stored = isCompressed ? compressed : values;
      const header = this.#header2(
        page.length,
        valuesAt + stored.length,
        rows,
        levels,
        lengths,
        encoding,
        isCompressed,
      );
      this.#out.append(page.subarray(0, valuesAt));
      this.#out.append(stored);
      freeWhole(compressed);
      raw += header + page.length;
      places += levels.count;
      locations.push({ offset: this.#base + pageStart, bytes: this.#out.length - pageStart, firstRow });
      firstRow += rows;
    }
    this.#chunks.push({
      leaf: this.#leaf,
      codec: codecZstd,
      encodings: [encodingRle, encoding],
      places,
      raw,
      compressed: this.#out.length - start,
      dataOffset: this.#base + start,
      tableOffset: undefined,
      statistics: undefined,
      pages: locations,
    });
  }

  /** The leaf at hand. */
  get #leaf(): Leaf {
    return this.#leaves[this.#chunks.length];
  }

  #compress(page: Uint8Array): Uint8Array {
    return this.#layout.compress(this.#leaf, page);
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

  #header2(
    raw: number,
    stored: number,
    rows: number,
    levels: Levels,
    lengths: { readonly repetition: number; readonly definition: number },
    encoding: number,
    isCompressed: boolean,
  ): number {
    const start = this.#out.length;
    const thrift = new ThriftWriter(this.#out);
    thrift.i32(1, pageData2);
    thrift.i32(2, raw);
    thrift.i32(3, stored);
    thrift.open(8);
    thrift.i32(1, levels.count);
    thrift.i32(2, undefinedPlaces(levels));
    thrift.i32(3, rows);
    thrift.i32(4, encoding);
    thrift.i32(5, lengths.definition);
    thrift.i32(6, lengths.repetition);
    thrift.boolean(7, isCompressed);
    thrift.close();
    thrift.close();
    return this.#out.length - start;
  }
}

/** Places without a value: NULLs and empty lists. */
function undefinedPlaces({ count, definition, maxDefinition }: Levels): number {
  if (definition === undefined) return 0;
  let places = 0;
  for (let place = 0; place < count; place++) if (definition[place] < maxDefinition) places++;
  return places;
}
