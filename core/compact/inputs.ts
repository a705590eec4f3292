/** The files that a merge reads, open as long as it lasts, and the rows of their columns. */
import type { Disk, DiskFile } from "../env/disk.ts";
import { OpenWitError } from "../error.ts";
import type { Column } from "../model/columns.ts";
import { freeWhole } from "../model/free.ts";
import { leafLevels } from "../parquet/read/column.ts";
import type { ReadMeter } from "../parquet/read/leaf_rows.ts";
import type { LeafLevels } from "../parquet/read/page.ts";
import { leafPaths, readColumnRows } from "../parquet/read/rows.ts";
import type { Slice } from "../parquet/slice.ts";
import { type ParquetRowGroup, readParquetFooter, readRange } from "../segment/reader.ts";
import type { InputGroup } from "./row_groups.ts";

interface OpenGroup extends InputGroup {
  readonly file: DiskFile;
  /** Where its column chunks lie in the file, from the first to the last. */
  readonly from: number;
  readonly to: number;
  readonly levels: ReadonlyMap<string, LeafLevels>;
  readonly columns: ParquetRowGroup["columns"];
}

/** A page of a flush has at most the bytes of a row group; larger ones are for who has the memory. */
const pageBytesMax = 32 * 1024 * 1024;

/** Row groups of small flushes are read at once and kept: a read for each of dozens of columns costs more than they do. */
const keptGroupBytesMax = 256 * 1024, keptBytesMax = 8 * 1024 * 1024;

/** As many as a place in a list of 16 bits tells apart. */
const groupsMax = 65_536;

export class MergeInputs {
  readonly #files: DiskFile[] = [];
  readonly #groups: OpenGroup[] = [];
  readonly #meter: ReadMeter = { pageBytesMax, inflatedBytes: 0 };
  readonly #kept = new Map<OpenGroup, Uint8Array>();
  #keptBytes = 0;
  #rows = 0;

  /** @throws OpenWitError `not_found`, `io`, `malformed`, `unsupported` */
  static async open(disk: Disk, paths: readonly string[]): Promise<MergeInputs> {
    const inputs = new MergeInputs();
    try {
      for (const path of paths) await inputs.#add(disk, path);
    } catch (error) {
      await inputs.close();
      throw error;
    }
    if (inputs.#groups.length > groupsMax) {
      throw new OpenWitError("unsupported", `a merge of ${inputs.#groups.length} row groups`);
    }
    return inputs;
  }

  /** Row groups that are not empty, in the order of the files. */
  get groups(): readonly InputGroup[] {
    return this.#groups;
  }

  get rows(): number {
    return this.#rows;
  }

  /**
   * Rows of a column.
   * @param group by its place in `groups`
   * @param rows by their number in the row group, ascending
   * @throws OpenWitError `io`, `malformed`, `unsupported`, `too_large`
   */
  async read(group: number, column: Column, rows: Int32Array): Promise<Slice> {
    const open = this.#groups[group];
    const { levels, columns } = open;
    const chunks = new Map<string, { readonly bytes: Uint8Array; readonly codec: string }>();
    for (const path of leafPaths(column)) {
      const chunk = columns.find((each) => each.path.join(".") === path);
      if (chunk === undefined) throw new OpenWitError("unsupported", `a Parquet file has no column ${path}`);
      const bytes = await this.#bytes(open, chunk.offset, chunk.compressedBytes);
      chunks.set(path, { bytes, codec: chunk.codec });
    }
    const slice = readColumnRows({ levels, chunk: (path) => chunks.get(path)! }, column, rows, this.#meter);
    if (!this.#kept.has(open)) chunks.forEach(({ bytes }) => freeWhole(bytes));
    return slice;
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close();
  }

  async #bytes(group: OpenGroup, offset: number, length: number): Promise<Uint8Array> {
    const { file, from, to } = group;
    let kept = this.#kept.get(group);
    if (kept === undefined && to - from <= Math.min(keptGroupBytesMax, keptBytesMax - this.#keptBytes)) {
      kept = await readRange(file, from, to);
      this.#kept.set(group, kept);
      this.#keptBytes += kept.length;
    }
    if (kept !== undefined) return kept.subarray(offset - from, offset - from + length);
    return await readRange(file, offset, offset + length);
  }

  async #add(disk: Disk, path: string): Promise<void> {
    const footer = await readParquetFooter(disk, path);
    const levels = leafLevels(footer.schema);
    const file = await disk.open(path, "read");
    this.#files.push(file);
    for (const { rows, bytes, columns } of footer.rowGroups) {
      if (rows === 0) continue;
      const from = Math.min(...columns.map(({ offset }) => offset));
      const to = Math.max(...columns.map(({ offset, compressedBytes }) => offset + compressedBytes));
      if (to > footer.bytes) throw new OpenWitError("malformed", `${path} ends before its row groups do`);
      const rowBytes = bytes / rows;
      this.#groups.push({ firstRow: this.#rows, rows, rowBytes, file, from, to, levels, columns });
      this.#rows += rows;
    }
  }
}
