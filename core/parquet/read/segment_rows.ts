/**
 * Rows of segments, read from their pages: opens files, keeps what it needs of the footers that were last used, and
 * gives rows as a batch. Synchronous, for it has a thread of its own (edge/rows).
 *
 * Memory is bounded: a page at a time, a column chunk as it lies in the file, and the rows themselves. Beyond a bound,
 * and for whatever it cannot read, it throws, and the rows are read another way.
 */
import { OpenWitError } from "../../error.ts";
import { type Column, columnsOf, type Signal } from "../../model/columns.ts";
import { footerLength } from "../../segment/reader.ts";
import { concatBatches } from "../concat.ts";
import { pageBytesMax } from "../layout.ts";
import { type Batch, batchBytes } from "../slice.ts";
import { matchingRows, type RowFilter } from "./filter.ts";
import { type FoundPlaces, FoundSink } from "./found.ts";
import type { ReadMeter } from "./leaf_rows.ts";
import { codecName, type FilePlaces, filePlaces, placesBytes, type SchemaCache } from "./places.ts";
import { leafPaths, readColumnRows, readTextVerdicts } from "./rows.ts";

/** A file that is open for reading. */
export interface SegmentFile {
  readonly bytes: number;
  /** Another value when another file stands under the same name. */
  readonly version: string;
  /** Fills `into` from `offset` on. @throws OpenWitError `io`; `malformed` where the file ends before */
  read(into: Uint8Array, offset: number): void;
  close(): void;
}

/** Rows of one file, by number, ascending. */
export interface WantedRows {
  readonly path: string;
  readonly rows: Int32Array;
}

/** The end is excluded. */
export interface RowRange {
  readonly from: number;
  readonly end: number;
}

export interface FindRequest {
  readonly files: readonly { readonly path: string; readonly ranges: readonly RowRange[] }[];
  readonly filter: RowFilter;
  /** Most rows that are given. */
  readonly rowsMax: number;
  /** The first ones by time, in this order; any when absent. */
  readonly isDescending?: boolean;
}

export interface ReadLimits {
  /** Bytes of the largest page, decompressed. */
  readonly pageBytesMax: number;
  /** Bytes of all pages together, decompressed, as far as a footer tells. */
  readonly inflatedBytesMax: number;
  /** Bytes of the rows' values. */
  readonly batchBytesMax: number;
}

export interface RowsBatch {
  /** Its columns are those that were wanted, in the order of the table. */
  readonly batch: Batch;
  /** Bytes that were decompressed for it. */
  readonly inflatedBytes: number;
}

/** Memory of footers that were used; one takes some kilobytes. */
const footersBytesMax = 4 * 1024 * 1024;

export class SegmentRows {
  readonly #open: (path: string) => SegmentFile;
  /** The one that was used last is the last. */
  readonly #footers = new Map<string, { readonly version: string; readonly places: FilePlaces }>();
  #footersBytes = 0;
  readonly #schemas: SchemaCache = new Map();
  /** The column chunk at hand. */
  #chunk = new Uint8Array(64 * 1024);

  constructor(open: (path: string) => SegmentFile) {
    this.#open = open;
  }

  /**
   * @param columns names of those that are wanted; all when undefined
   * @throws OpenWitError `malformed`, `unsupported`, `too_large`, `not_found`, `io`
   */
  read(
    signal: Signal,
    files: readonly WantedRows[],
    columns: ReadonlySet<string> | undefined,
    limits: ReadLimits,
  ): RowsBatch {
    const wanted = columnsOf[signal].filter(({ name }) => columns === undefined || columns.has(name));
    const meter: ReadMeter = { pageBytesMax: limits.pageBytesMax, inflatedBytes: 0 };
    const parts = this.#parts(
      signal,
      files.map(({ path, rows }) => ({ path, groupsOf: (places) => groupsOfRows(places, rows) })),
      wanted,
      limits,
    );
    const batches: Batch[] = [];
    let bytes = 0;
    for (const { path, places, groups } of parts) {
      this.#with(path, (file) => {
        for (const { group, count, rows } of groups) {
          const source = this.#group(file, places, group), own = rows();
          const columns = wanted.map((column) => readColumnRows(source, column, own, meter));
          const batch = { rows: count, columns };
          batches.push(batch);
          bytes += batchBytes(batch);
          if (bytes > limits.batchBytesMax) throw tooMuch("rows", bytes, limits.batchBytesMax);
        }
      });
    }
    const batch = batches.length === 0 ? { rows: 0, columns: [] } : concatBatches(batches);
    return { batch, inflatedBytes: meter.inflatedBytes };
  }

  /**
   * Rows that meet conditions, of some rows of files.
   * @throws OpenWitError as `read`
   */
  find(signal: Signal, request: FindRequest, limits: ReadLimits): FoundPlaces {
    const { filter, rowsMax, isDescending } = request;
    const columns = new Map(columnsOf[signal].map((column) => [column.name, column]));
    const names = new Set([...filter.columns, filter.time].map(({ column }) => column));
    const meter: ReadMeter = { pageBytesMax: limits.pageBytesMax, inflatedBytes: 0 };
    const parts = this.#parts(
      signal,
      request.files.map(({ path, ranges }) => ({
        path,
        groupsOf: (places) => groupsOfRanges(places, ranges),
      })),
      [...names].map((name) => columns.get(name)!),
      limits,
    );
    const found = new FoundSink(rowsMax, isDescending);
    for (const [at, { path, places, groups }] of parts.entries()) {
      if (found.isFull) break;
      this.#with(path, (file) => {
        for (const { group, rows } of groups) {
          const source = this.#group(file, places, group);
          const matching = matchingRows(filter, rows(), {
            column: (name, rows) => readColumnRows(source, columns.get(name)!, rows, meter),
            texts(name, rows, verdictsOf) {
              const column = columns.get(name)!;
              return column.type.kind === "utf8"
                ? readTextVerdicts(source, column, rows, meter, verdictsOf)
                : undefined;
            },
          });
          found.add(at, matching.rows, places.firstRows[group], matching.times);
          if (found.isFull) return;
        }
      });
    }
    return found.finish();
  }

  #with<Result>(path: string, work: (file: SegmentFile) => Result): Result {
    const file = this.#open(path);
    try {
      return work(file);
    } finally {
      file.close();
    }
  }

  /** The row groups that are touched. What would be too much is known before the first page is. */
  #parts(
    signal: Signal,
    files: readonly { readonly path: string; groupsOf(places: FilePlaces): GroupRows[] }[],
    columns: readonly Column[],
    limits: ReadLimits,
  ): { path: string; places: FilePlaces; groups: GroupRows[] }[] {
    let expected = 0;
    return files.map(({ path, groupsOf }) => {
      const places = this.#with(path, (file) => this.#placesOf(path, file, signal));
      const groups = groupsOf(places);
      for (const { group, count } of groups) expected += expectedBytes(places, group, columns, count);
      if (expected > limits.inflatedBytesMax) throw tooMuch("pages", expected, limits.inflatedBytesMax);
      return { path, places, groups };
    });
  }

  #group(file: SegmentFile, places: FilePlaces, group: number) {
    const { schema: { levels, leaves, leafCount }, offsets, bytes, codecs } = places;
    return {
      levels,
      /** The bytes are those of the last column chunk that was asked for. */
      chunk: (path: string) => {
        const leaf = leaves.get(path);
        if (leaf === undefined) throw new OpenWitError("unsupported", `a Parquet file has no column ${path}`);
        const at = group * leafCount + leaf, length = bytes[at];
        if (offsets[at] + length > file.bytes) throw malformedPlace(path);
        if (length > this.#chunk.length) this.#chunk = new Uint8Array(length);
        const chunk = this.#chunk.subarray(0, length);
        file.read(chunk, offsets[at]);
        return { bytes: chunk, codec: codecName(codecs[at]) };
      },
    };
  }

  #placesOf(path: string, file: SegmentFile, signal: Signal): FilePlaces {
    const known = this.#footers.get(path);
    this.#forget(path);
    const places = known?.version === file.version ? known.places : this.#readPlaces(file, signal);
    this.#footers.set(path, { version: file.version, places });
    this.#footersBytes += placesBytes(places);
    for (const [oldest] of this.#footers) {
      if (this.#footersBytes <= footersBytesMax) break;
      this.#forget(oldest);
    }
    return places;
  }

  #forget(path: string): void {
    const known = this.#footers.get(path);
    if (known === undefined) return;
    this.#footers.delete(path);
    this.#footersBytes -= placesBytes(known.places);
  }

  #readPlaces(file: SegmentFile, signal: Signal): FilePlaces {
    const tailOf = (bytes: number) => {
      const tail = new Uint8Array(Math.min(file.bytes, bytes));
      file.read(tail, file.bytes - tail.length);
      return tail;
    };
    let tail = tailOf(64 * 1024);
    const length = footerLength(tail, file.bytes);
    if (length + 8 > tail.length) tail = tailOf(length + 8);
    return filePlaces(tail.subarray(tail.length - 8 - length, tail.length - 8), signal, this.#schemas);
  }
}

/** Rows of one row group, by their number in it; listed when they are looked at. */
interface GroupRows {
  readonly group: number;
  readonly count: number;
  rows(): Int32Array;
}

function groupsOfRanges({ firstRows }: FilePlaces, ranges: readonly RowRange[]): GroupRows[] {
  const groups: GroupRows[] = [];
  for (let group = 0, at = 0; group + 1 < firstRows.length && at < ranges.length; group++) {
    const first = firstRows[group], next = firstRows[group + 1];
    const own: RowRange[] = [];
    for (; at < ranges.length && ranges[at].from < next; at++) {
      const { from, end } = ranges[at];
      own.push({ from: Math.max(from, first) - first, end: Math.min(end, next) - first });
      if (end > next) break; // it goes on in the next one
    }
    const count = own.reduce((sum, { from, end }) => sum + end - from, 0);
    if (count > 0) groups.push({ group, count, rows: () => numbersOf(own) });
  }
  const rows = firstRows[firstRows.length - 1];
  if (ranges.length > 0 && ranges[ranges.length - 1].end > rows) throw malformedPlace(`row ${rows}`);
  return groups;
}

function groupsOfRows({ firstRows }: FilePlaces, rows: Int32Array): GroupRows[] {
  const groups: GroupRows[] = [];
  let group = 0;
  for (let at = 0; at < rows.length;) {
    while (group + 1 < firstRows.length && firstRows[group + 1] <= rows[at]) group++;
    if (group + 1 >= firstRows.length) throw malformedPlace(`row ${rows[at]}`);
    const from = at;
    while (at < rows.length && rows[at] < firstRows[group + 1]) at++;
    const own = rows.slice(from, at), first = firstRows[group];
    for (let place = 0; place < own.length; place++) own[place] -= first;
    groups.push({ group, count: own.length, rows: () => own });
  }
  return groups;
}

/** About what the pages of some rows take, decompressed. */
function expectedBytes(
  { schema: { leaves, leafCount }, rawBytes, isPaged }: FilePlaces,
  group: number,
  columns: readonly Column[],
  rows: number,
): number {
  let bytes = 0;
  for (const path of columns.flatMap(leafPaths)) {
    const at = group * leafCount + (leaves.get(path) ?? 0);
    bytes += isPaged[at] === 1 ? Math.min(rawBytes[at], rows * pageBytesMax) : rawBytes[at];
  }
  return bytes;
}

/** The rows by number. */
export function numbersOf(ranges: readonly RowRange[]): Int32Array {
  const rows = new Int32Array(ranges.reduce((sum, { from, end }) => sum + end - from, 0));
  let at = 0;
  for (const { from, end } of ranges) for (let row = from; row < end; row++) rows[at++] = row;
  return rows;
}

function tooMuch(what: string, bytes: number, bytesMax: number): OpenWitError {
  return new OpenWitError("too_large", `the ${what} take ${bytes} bytes, more than ${bytesMax}`);
}

function malformedPlace(what: string): OpenWitError {
  return new OpenWitError("malformed", `a Parquet file ends before ${what}`);
}
