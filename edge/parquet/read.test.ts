import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duckDBMerger } from "../duckdb/merge.ts";
import { inProcessEncoder } from "./in-process.ts";
import { NodeDisk } from "../disk/disk.ts";
import { buildChunk } from "../../tests/golden/segment-chunk.ts";
import { randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { readFile } from "../../core/env/disk.ts";
import { type ParquetFooter, readParquetFooter } from "../../core/segment/reader.ts";
import {
  leafLevels,
  type LeafPage,
  readTextLeaf,
  readWordPages,
  type Texts,
} from "../../core/parquet/read/column.ts";
import { openDuckDb, type ParquetReader } from "../../tests/golden/segment-duckdb.ts";

const folder = mkdtempSync(join(tmpdir(), "openwit-columns-"));
const disk = new NodeDisk(folder);
afterAll(() => rmSync(folder, { recursive: true }));

const text = new TextDecoder();

/** Values of a flat or repeated text or integer leaf, NULL where the place has none. */
function valuesOf(file: Uint8Array, footer: ParquetFooter, path: string): unknown[] {
  const levels = leafLevels(footer.schema).get(path)!;
  const { type } = footer.schema.find((each) => each.path.join(".") === path)!;
  const values: unknown[] = [];
  for (const group of footer.rowGroups) {
    const chunk = group.columns.find((column) => column.path.join(".") === path)!;
    const bytes = file.subarray(chunk.offset, chunk.offset + chunk.compressedBytes);
    const textAt = (texts: Texts, at: number) =>
      text.decode(texts.bytes.subarray(texts.offsets[at], texts.offsets[at + 1]));
    const place = (page: LeafPage, valueAt: (at: number) => unknown) => {
      for (let at = 0, value = 0; at < page.places; at++) {
        const isThere = page.definition === undefined || page.definition[at] === levels.maxDefinition;
        values.push(isThere ? valueAt(value++) : null);
      }
    };
    if (type === "BYTE_ARRAY") {
      const { dictionary, pages } = readTextLeaf(bytes, chunk, levels);
      for (const page of pages) {
        place(page, (at) => page.codes ? textAt(dictionary!, page.codes[at]) : textAt(page.texts!, at));
      }
    } else {
      const width = type === "INT64" ? 2 : 1;
      for (const page of readWordPages(bytes, chunk, levels, width)) {
        place(
          page,
          (at) =>
            width === 1
              ? page.words![at]
              : new BigInt64Array(page.words!.slice(at * 2, at * 2 + 2).buffer)[0],
        );
      }
    }
  }
  return values;
}

async function segmentOf(signal: Signal, rows: number, path: string): Promise<void> {
  const parts = [];
  for await (
    const part of inProcessEncoder().encode(
      signal,
      [{ chunk: buildChunk(signal, 7, rows), rowCount: rows }],
      {},
    )
  ) {
    parts.push(part);
  }
  await disk.makeDir("parquet");
  writeFileSync(join(folder, path), Buffer.concat(parts));
}

test.each(signals)(
  "columns of %s are read as DuckDB reads them, from its own files and from ours",
  async (signal) => {
    const ours = `parquet/${signal}.parquet`, merged = `parquet/${signal}-merged.parquet`;
    await segmentOf(signal, 20_000, ours);
    await duckDBMerger({ dataDir: folder, memoryBytes: 256 << 20, spillBytes: 1 << 30 }).merge({
      signal,
      inputs: [ours],
      output: merged,
      keyValues: { test: "1" },
      abort: new AbortController().signal,
    });
    const duckdb = await openDuckDb();
    try {
      for (const path of [ours, merged]) {
        const file = await readFile(disk, path);
        const footer = await readParquetFooter(disk, path);
        const flat = footer.schema.filter(({ path, isGroup, type }) =>
          path.length === 1 && !isGroup && ["BYTE_ARRAY", "INT32", "INT64"].includes(type!)
        );
        expect(flat.length).toBeGreaterThan(8);
        for (const { path: [name], type } of flat) {
          const column = `"${name}"`;
          const as = type === "BYTE_ARRAY"
            ? column
            : name.includes("timestamp")
            ? `epoch_ns(${column})`
            : column;
          const expected = await query(
            duckdb,
            `SELECT ${as} AS v FROM read_parquet('${join(folder, path)}')`,
          );
          const found = valuesOf(file, footer, name);
          expect(found.length).toBe(20_000);
          const plain = (value: unknown) =>
            value === null || type === "BYTE_ARRAY"
              ? value
              : BigInt.asIntN(type === "INT64" ? 64 : 32, BigInt(value as number | bigint));
          expect(Bun.hash(JSON.stringify(found.map(plain), bigintText))).toBe(
            Bun.hash(JSON.stringify(expected.map(plain), bigintText)),
          );
        }
        const keys = valuesOf(file, footer, "attributes.key_value.key").filter((key) => key !== null);
        const expected = await query(
          duckdb,
          `SELECT unnest(map_keys(attributes)) AS v FROM read_parquet('${join(folder, path)}')`,
        );
        expect(keys as unknown[]).toEqual(expected);
      }
    } finally {
      duckdb.close();
    }
  },
  60_000,
);

test("hostile pages are refused, and never crash or hang", async () => {
  await segmentOf("logs", 300, "parquet/hostile.parquet");
  const file = await readFile(disk, "parquet/hostile.parquet");
  const footer = await readParquetFooter(disk, "parquet/hostile.parquet");
  const random = seededRandom(3);
  for (let round = 0; round < 1_000; round++) {
    const bytes = file.slice();
    for (let change = randomBelow(random, 6); change >= 0; change--) {
      bytes[randomBelow(random, bytes.length)] = random.uint32();
    }
    for (const path of ["body", "trace_id", "timestamp", "service_name", "attributes.key_value.value"]) {
      try {
        valuesOf(bytes, footer, path);
      } catch (error) {
        if (!(error instanceof OpenWitError) || !["malformed", "unsupported"].includes(error.code)) {
          throw error;
        }
      }
    }
  }
}, 60_000);

async function query(duckdb: ParquetReader, sql: string): Promise<unknown[]> {
  return (await duckdb.query(sql)).map(({ v }) => v);
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
