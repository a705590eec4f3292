/** What readers beside DuckDB make of the pages of a merged file: pyarrow, and arrow-rs as parquet-wasm has it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { readParquet } from "parquet-wasm/esm";
import { signals } from "../../core/model/columns.ts";
import { type Layout, mergedLayout } from "../../core/parquet/layout.ts";
import { findPython } from "../../tests/e2e/python.ts";
import { buildChunk } from "../../tests/golden/segment-chunk.ts";
import { loadParquetWasm } from "../../tests/sim/parquet-wasm.ts";
import { inProcessEncoder } from "./in-process.ts";

const rows = 3_000;
const cut: Layout = { ...mergedLayout, textPageRows: () => 100 };
let folder: string;

beforeAll(() => {
  loadParquetWasm();
  folder = mkdtempSync(join(tmpdir(), "openwit-layout-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function fileOf(signal: (typeof signals)[number], layout?: Layout): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const part = { chunk: buildChunk(signal, 11, rows), rowCount: rows };
  for await (const piece of inProcessEncoder(layout).encode(signal, [part], { a: "b" })) pieces.push(piece);
  return Buffer.concat(pieces);
}

test.each(signals)("arrow-rs reads %s as from one page a row group", async (signal) => {
  const [plain, paged] = [await fileOf(signal), await fileOf(signal, cut)]
    .map((bytes) => tableFromIPC(readParquet(bytes).intoIPCStream()));
  expect(paged.numRows).toBe(rows);
  for (let row = 0; row < rows; row += 7) {
    expect(String(paged.get(row))).toBe(String(plain.get(row)));
  }
});

const python = findPython("pyarrow");

test.skipIf(python === undefined).each(signals)(
  "pyarrow reads %s as from one page a row group, and finds where pages lie",
  async (signal) => {
    const paths = [join(folder, `${signal}-plain.parquet`), join(folder, `${signal}-paged.parquet`)];
    writeFileSync(paths[0], await fileOf(signal));
    writeFileSync(paths[1], await fileOf(signal, cut));
    const script = "import sys, pyarrow.parquet as p; a, b = sys.argv[1:]; " +
      "g = p.ParquetFile(b).metadata.row_group(0); " +
      "print(p.read_table(a).equals(p.read_table(b)), p.read_table(b).num_rows, " +
      "all(g.column(i).has_offset_index for i in range(g.num_columns)))";
    const read = Bun.spawnSync([python!, "-c", script, ...paths]);
    expect(read.stdout.toString().trim() || read.stderr.toString()).toBe(`True ${rows} True`);
  },
  60_000,
);
