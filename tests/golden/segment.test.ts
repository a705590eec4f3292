/** Segments that an older version wrote are read by today's reader and by DuckDB, exactly. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { signals } from "../../core/model/columns.ts";
import { buildFooter, parseFooter } from "../../core/segment/footer.ts";
import { footerLength, parseParquetFooter } from "../../core/segment/reader.ts";
import { openDuckDb, type ParquetReader } from "./segment-duckdb.ts";
import { parseExactJson } from "./segment-json.ts";

interface Golden {
  readonly keyValues: Record<string, string>;
  readonly fieldIds: Record<string, number | null>;
  readonly types: Record<string, string>;
  readonly rows: Record<string, unknown>[];
}

let duckdb: ParquetReader;
beforeAll(async () => {
  duckdb = await openDuckDb();
});
afterAll(() => duckdb.close());

test.each(signals)("DuckDB finds the rows, types and field ids of a v1 segment of %s", async (signal) => {
  const { path, expected } = golden(signal);
  expect(await duckdb.rows(path)).toEqual(expected.rows);
  expect(await duckdb.types(path)).toEqual(expected.types);
  expect(await duckdb.fieldIds(path)).toEqual(expected.fieldIds);
});

test.each(signals)("our reader finds the footer and schema of a v1 segment of %s", (signal) => {
  const { path, expected } = golden(signal);
  const bytes = readFileSync(path);
  const length = footerLength(bytes, bytes.length);
  const file = parseParquetFooter(bytes.subarray(bytes.length - 8 - length, bytes.length - 8));
  expect(file.rows).toBe(expected.rows.length);
  expect(file.rowGroups.map(({ rows }) => rows)).toEqual([expected.rows.length]);
  expect(file.keyValues).toEqual(expected.keyValues);
  expect(Object.fromEntries(file.schema.map((column) => [column.path.join("."), column.fieldId ?? null]))).toEqual(
    expected.fieldIds,
  );
  const footer = parseFooter(file.keyValues);
  expect(footer).toMatchObject({ tenant: "acme", signal, level: 0, lsnFrom: 7, lsnTo: 9, late: false, hour: 490_923 });
  expect(footer.minTimeNs).toBe(1_767_322_800_000_000_000n);
  expect(buildFooter(footer, footer)).toEqual(expected.keyValues);
});

function golden(signal: string): { path: string; expected: Golden } {
  const path = join(import.meta.dirname, `segment-v1-${signal}.parquet`);
  return { path, expected: parseExactJson(readFileSync(path.replace(".parquet", ".json"), "utf8")) as Golden };
}
