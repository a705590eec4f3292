/**
 * Rows that are read from pages by our own reader are the rows that DuckDB reads, whoever wrote the file and however
 * its pages are cut; and a page that is damaged is refused.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Compression,
  Encoding,
  readParquet,
  writeParquet,
  WriterPropertiesBuilder,
  WriterVersion,
} from "parquet-wasm";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { type Layout, mergedLayout } from "../../core/parquet/layout.ts";
import { columnsOf, type Signal, signals } from "../../core/model/columns.ts";
import { leafLevels } from "../../core/parquet/read/column.ts";
import { codecName, filePlaces } from "../../core/parquet/read/places.ts";
import { allRows, leafPaths, readColumnRows } from "../../core/parquet/read/rows.ts";
import type { Slice } from "../../core/parquet/slice.ts";
import { appendSlices } from "../../core/parquet/vectors.ts";
import { footerLength, type ParquetFooter, parseParquetFooter } from "../../core/segment/reader.ts";
import { duckDBMerger } from "../../edge/duckdb/merge.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { buildChunk, rowOf } from "../golden/segment-chunk.ts";
import { openDuckDb, type ParquetReader } from "../golden/segment-duckdb.ts";
import { textOf } from "./row_text.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-rows-"));
let duckdb: ParquetReader;
beforeAll(async () => {
  mkdirSync(join(dataDir, "parquet"));
  duckdb = await openDuckDb();
});
afterAll(() => {
  duckdb.close();
  rmSync(dataDir, { recursive: true });
});

/** A file with the same rows in it, written in another way. */
type Writer = (path: string, signal: Signal, from: string) => Promise<void>;

const writers: Readonly<Record<string, Writer>> = {
  "our own writer": async (path, _signal, from) => writeFileSync(path, readFileSync(from)),
  "our own writer in pages of a few rows, as a merge lays them out": async (path, signal, from) =>
    writeFileSync(
      path,
      await encoded(signal, openFile(from).footer.rows, { ...mergedLayout, textPageRows: () => 37 }),
    ),
  "a merge": async (path, signal, from) => {
    const relative = (name: string) => name.slice(dataDir.length + 1);
    await duckDBMerger({ dataDir, memoryBytes: 128 * 1024 * 1024, spillBytes: 1024 ** 3 }).merge({
      signal,
      inputs: [relative(from)],
      output: relative(path),
      keyValues: { a: "b" },
      abort: new AbortController().signal,
    });
  },
  "DuckDB without compression, of format 1, in small row groups": (path, _signal, from) =>
    copied(path, from, "COMPRESSION uncompressed, ROW_GROUP_SIZE 2048"),
  "DuckDB without dictionaries": (path, _signal, from) =>
    copied(
      path,
      from,
      "COMPRESSION zstd, PARQUET_VERSION V2, STRING_DICTIONARY_PAGE_SIZE_LIMIT 1, DICTIONARY_SIZE_LIMIT 1",
    ),
  "pages of version 2 of a few rows, texts by their lengths": (path, _signal, from) =>
    rewritten(
      path,
      from,
      (properties) =>
        properties.setWriterVersion(WriterVersion.V2).setDictionaryEnabled(false)
          .setEncoding(Encoding.PLAIN).setDataPageSizeLimit(900).setWriteBatchSize(50),
    ),
  "pages of version 2 of a few rows, with dictionaries that grow too large": (path, _signal, from) =>
    rewritten(
      path,
      from,
      (properties) =>
        properties.setWriterVersion(WriterVersion.V2).setEncoding(Encoding.PLAIN).setDictionaryPageSizeLimit(
          400,
        )
          .setDataPageSizeLimit(900).setWriteBatchSize(50),
    ),
  "pages of version 1 of a few rows": (path, _signal, from) =>
    rewritten(
      path,
      from,
      (properties) =>
        properties.setWriterVersion(WriterVersion.V1).setDictionaryEnabled(false)
          .setDataPageSizeLimit(900).setWriteBatchSize(50),
    ),
};

async function copied(path: string, from: string, options: string): Promise<void> {
  await duckdb.query(`COPY (FROM read_parquet('${from}')) TO '${path}' (FORMAT parquet, ${options})`);
}

async function rewritten(
  path: string,
  from: string,
  how: (properties: WriterPropertiesBuilder) => WriterPropertiesBuilder,
): Promise<void> {
  const properties = how(new WriterPropertiesBuilder()).setCompression(Compression.ZSTD)
    .setMaxRowGroupSize(1_500).build();
  writeFileSync(path, writeParquet(readParquet(readFileSync(from)), properties));
}

for (const signal of signals) {
  for (const [name, write] of Object.entries(writers)) {
    test(`${signal} written by ${name}: every column of any rows is what DuckDB reads`, async () => {
      const path = join(dataDir, `parquet/${signal}-${Bun.hash(name)}.parquet`);
      await write(path, signal, await seeded(signal, 4_100));
      const file = openFile(path);
      const expected = (await duckdb.rows(path)).map(textOf);
      expect(read(file, signal, allRows(file.footer.rows))).toEqual(expected);
      const random = seededRandom(4);
      for (const share of [2, 30, 500, 1_000_000]) {
        const rows = someRows(random, file.footer.rows, share);
        expect(read(file, signal, rows)).toEqual([...rows].map((row) => expected[row]));
      }
    });
  }
}

test("pages whose rows are not wanted are not decompressed", async () => {
  const path = join(dataDir, "parquet/skipped.parquet");
  await writers["pages of version 2 of a few rows, texts by their lengths"](
    path,
    "spans",
    await seeded("spans", 4_100),
  );
  const file = openFile(path);
  const inflated = (rows: Int32Array) => {
    const meter = { pageBytesMax: 1e9, inflatedBytes: 0 };
    read(file, "spans", rows, meter);
    return meter.inflatedBytes;
  };
  expect(inflated(Int32Array.of())).toBe(0);
  expect(inflated(Int32Array.of(1_000)) * 5).toBeLessThan(inflated(allRows(1_500)));
});

test("a page beyond the bound is refused before it is decompressed", async () => {
  const file = openFile(await seeded("logs", 4_100));
  const meter = { pageBytesMax: 1_000, inflatedBytes: 0 };
  expect(() => read(file, "logs", Int32Array.of(1), meter)).toThrow(/more than 1000/);
  expect(meter.inflatedBytes).toBeLessThan(1_000);
});

test("a NULL of what cannot be NULL with us, and a column that is not there, are left to others", async () => {
  const path = join(dataDir, "parquet/nulls.parquet");
  const from = await seeded("spans", 4_100);
  for (const column of ["service_name", "attributes", "events", "links"]) {
    await duckdb.query(
      `COPY (SELECT * REPLACE (CASE WHEN flags = 1 THEN ${column} END AS ${column}) FROM '${from}') TO '${path}' (COMPRESSION zstd)`,
    );
    expect(() => read(openFile(path), "spans", allRows(4_000))).toThrow(`has a NULL in ${column}`);
    await duckdb.query(`COPY (SELECT * EXCLUDE (${column}) FROM '${from}') TO '${path}' (COMPRESSION zstd)`);
    expect(() => read(openFile(path), "spans", allRows(4_000))).toThrow(`has no column ${column}`);
  }
  await duckdb.query(
    `COPY (SELECT * REPLACE ([NULL, events[1]] AS events) FROM '${from}') TO '${path}' (COMPRESSION zstd)`,
  );
  expect(() => read(openFile(path), "spans", allRows(4_000))).toThrow("has a NULL in events.list.element");
});

test(
  "bytes that are cut off or changed are refused, or read as other values: nothing hangs or crashes",
  async () => {
    let refused = 0;
    for (const signal of signals) {
      for (const name of Object.keys(writers)) {
        const path = join(dataDir, `parquet/${signal}-${Bun.hash(name)}.parquet`);
        const { bytes, footer } = openFile(path);
        const random = seededRandom(signal.length + name.length);
        for (let round = 0; round < 40; round++) {
          const damaged = bytes.slice();
          const isCut = round % 4 === 0;
          for (let at = 0; at < 20; at++) {
            damaged[randomBelow(random, bytes.length)] = randomBelow(
              random,
              256,
            );
          }
          const cut = isCut ? 1 + randomBelow(random, 200) : 0;
          try {
            read({ bytes: damaged, footer, cut }, signal, someRows(random, footer.rows, 40));
          } catch (error) {
            expect(error).toBeInstanceOf(OpenWitError);
            expect((error as OpenWitError).code).toMatch(/^(malformed|unsupported)$/);
            refused++;
          }
        }
      }
    }
    expect(refused).toBeGreaterThan(100);
  },
  120_000,
);

interface File {
  readonly bytes: Uint8Array;
  readonly footer: ParquetFooter;
  /** Bytes that are missing at the end of each column chunk. */
  readonly cut?: number;
}

function openFile(path: string): File {
  const bytes = new Uint8Array(readFileSync(path));
  const length = footerLength(bytes, bytes.length);
  return { bytes, footer: parseParquetFooter(bytes.subarray(bytes.length - 8 - length, bytes.length - 8)) };
}

const seededPaths = new Map<string, Promise<string>>();

/** A file of seeded rows, by our own writer. */
function seeded(signal: Signal, rowCount: number): Promise<string> {
  const known = seededPaths.get(signal);
  if (known !== undefined) return known;
  const written = (async () => {
    const path = join(dataDir, `parquet/${signal}.parquet`);
    writeFileSync(path, await encoded(signal, rowCount));
    return path;
  })();
  seededPaths.set(signal, written);
  return written;
}

async function encoded(signal: Signal, rowCount: number, layout?: Layout): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const part = { chunk: buildChunk(signal, 7, rowCount), rowCount };
  for await (const bytes of inProcessEncoder(layout).encode(signal, [part], {})) parts.push(bytes);
  return Buffer.concat(parts);
}

/** Rows as texts, read from pages and brought into the vectors of a chunk. */
function read(
  { bytes, footer, cut = 0 }: File,
  signal: Signal,
  rows: Int32Array,
  meter = { pageBytesMax: 64 * 1024 * 1024, inflatedBytes: 0 },
): string[] {
  const chunk = new Chunk(signal);
  const levels = leafLevels(footer.schema);
  let first = 0;
  for (const group of footer.rowGroups) {
    const own = rows.filter((row) => row >= first && row < first + group.rows).map((row) => row - first);
    first += group.rows;
    if (own.length === 0) continue;
    const source = {
      levels,
      chunk(path: string) {
        const found = group.columns.find((each) => each.path.join(".") === path)!;
        const { offset, compressedBytes, codec } = found;
        return { bytes: bytes.subarray(offset, offset + Math.max(0, compressedBytes - cut)), codec };
      },
    };
    const slices = new Map(
      columnsOf[signal].map((column): [string, Slice] => [
        column.name,
        readColumnRows(source, column, own, meter),
      ]),
    );
    appendSlices(chunk, own.length, slices);
  }
  return Array.from({ length: chunk.rows }, (_, row) => textOf(rowOf(chunk, row)));
}

test("a footer says the same in short, and one that is cut off or changed is refused or says something else", async () => {
  let refused = 0;
  for (const signal of signals) {
    const bytes = new Uint8Array(readFileSync(await seeded(signal, 4_100)));
    const length = footerLength(bytes, bytes.length);
    const footer = bytes.subarray(bytes.length - 8 - length, bytes.length - 8);
    const { rows, rowGroups, schema } = parseParquetFooter(footer);
    const places = filePlaces(footer, signal, new Map());
    expect(places.schema.levels).toEqual(leafLevels(schema));
    expect(places.firstRows.at(-1)).toBe(rows);
    const columns = rowGroups.flatMap(({ columns }) => columns);
    expect([...places.offsets]).toEqual(columns.map(({ offset }) => offset));
    expect([...places.bytes]).toEqual(columns.map(({ compressedBytes }) => compressedBytes));
    expect([...places.codecs].map(codecName)).toEqual(columns.map(({ codec }) => codec));
    const random = seededRandom(5);
    for (let round = 0; round < 300; round++) {
      const damaged = footer.slice(0, round % 3 === 0 ? randomBelow(random, footer.length) : footer.length);
      for (let at = 0; at < 3; at++) damaged[randomBelow(random, damaged.length)] = randomBelow(random, 256);
      try {
        filePlaces(damaged, signal, new Map());
      } catch (error) {
        expect((error as OpenWitError).code).toMatch(/^(malformed|unsupported)$/);
        refused++;
      }
    }
  }
  expect(refused).toBeGreaterThan(300);
});

test("the leaves of a column are those of the file", async () => {
  for (const signal of signals) {
    const { footer } = openFile(await seeded(signal, 4_100));
    expect(columnsOf[signal].flatMap(leafPaths)).toEqual(
      footer.rowGroups[0].columns.map(({ path }) => path.join(".")),
    );
  }
});

function someRows(random: Random, count: number, oneIn: number): Int32Array {
  return Int32Array.from(
    allRows(count).filter((row) => row === count - 1 || randomBelow(random, oneIn) === 0),
  );
}
