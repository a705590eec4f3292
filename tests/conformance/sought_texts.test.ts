/**
 * Texts that are looked for in pages and in memory, without the engine (core/query/sought_texts.ts), are found in the rows
 * in which the engine finds them, whatever letters there are and however pages are cut.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { columnIndex, columnsOf } from "../../core/model/columns.ts";
import { freshLayout, mergedLayout } from "../../core/parquet/layout.ts";
import { looksInto, matchingRows } from "../../core/parquet/read/filter.ts";
import { allRows } from "../../core/parquet/read/rows.ts";
import { sliceVector } from "../../core/parquet/slice.ts";
import type { SqlEngine } from "../../core/query/engine.ts";
import { rowsOf } from "../../core/query/format.ts";
import { ownConditions } from "../../core/query/needs.ts";
import { prepareStatement } from "../../core/query/prepare.ts";
import { defaultQueryLimits, runQuery } from "../../core/query/query.ts";
import { type OwnFilter, rowFilterOf } from "../../core/query/row_filter.ts";
import type { RowReader } from "../../core/query/row_reader.ts";
import { defaultEngineOptions, duckDBEngine } from "../../edge/duckdb/engine.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { rowReader } from "../../edge/rows/row-reader.ts";
import { baseTimeNs, pushAny } from "../golden/segment-chunk.ts";
import { openDuckDb } from "../golden/segment-duckdb.ts";
import { clock } from "./sql_fixture.ts";

const seed = 17, rowCount = 3_000, statements = Number(process.env.TEXT_TESTS ?? 400);

const dataDir = mkdtempSync(join(tmpdir(), "openwit-texts-"));
const random = seededRandom(seed);
const pick = (from: readonly string[]) => from[randomBelow(random, from.length)];

/** Words and what stands between them: letters of which some become ASCII in lower case, and some only nearly. */
const parts = [
  ..."payment Payment PAYMENT failed FAILED fail pay kilo Kilo \u212Ailo mi m\u0130 \u0130 I i \u0131 \u017F s S"
    .split(" "),
  ..."naïve NAÏVE é É e\u0301 straße 支付 ПРИВЕТ привет 10.0.0.1 user_id x aa aaa 😀 ⓐ".split(" "),
];
const between = [
  " ",
  " ",
  " ",
  "-",
  ": ",
  "_",
  "",
  "",
  "\n",
  "\u00a0",
  "—",
  "…",
  "%",
  "\\",
  "'",
  "\u0000",
  ".",
];
const textOf = (most: number) =>
  Array.from({ length: randomBelow(random, most) }, () => pick(parts) + pick(between)).join("");

const never = new AbortController().signal;
const chunk = bodies(random);
const paths = ["fresh", "paged", "coded", "plain"].map((name) => `parquet/${name}.parquet`);
let engine: SqlEngine;
let reader: RowReader;

beforeAll(async () => {
  mkdirSync(join(dataDir, "parquet"));
  for (const [at, layout] of [freshLayout, { ...mergedLayout, textPageRows: () => 64 }].entries()) {
    const written: Uint8Array[] = [];
    for await (const part of inProcessEncoder(layout).encode("logs", [{ chunk, rowCount }], {})) {
      written.push(part);
    }
    writeFileSync(join(dataDir, paths[at]), Buffer.concat(written));
  }
  const duckdb = await openDuckDb();
  const [fresh, , coded, plain] = paths.map((path) => join(dataDir, path));
  const version = "KV_METADATA {'openwit.schema_version': '1'}, FIELD_IDS 'auto', COMPRESSION zstd";
  await duckdb.query(`COPY (FROM '${fresh}') TO '${coded}' (FORMAT parquet, ${version})`);
  await duckdb.query(
    `COPY (FROM '${fresh}') TO '${plain}' (FORMAT parquet, ${version}, DICTIONARY_SIZE_LIMIT 1)`,
  );
  duckdb.close();
  engine = duckDBEngine({ ...defaultEngineOptions, dataDir });
  reader = rowReader(dataDir, (_level, message) => {
    throw new Error(message);
  });
});
afterAll(async () => {
  await engine.close();
  reader.close();
  rmSync(dataDir, { recursive: true });
});

/** Log records with these bodies, some of which are empty and some NULL; `flags` is the number of the row. */
function bodies(random: Random): Chunk {
  const chunk = new Chunk("logs");
  for (let row = 0; row < rowCount; row++) {
    for (const [at, column] of columnsOf.logs.entries()) {
      const vector = chunk.vectors[at];
      if (column.name === "body" && vector.kind === "utf8") {
        if (randomBelow(random, 12) === 0) vector.pushNull();
        else vector.pushText(textOf(7));
      } else if (column.name === "flags" && vector.kind === "fixed") vector.pushInt(row);
      else if (column.name === "timestamp" && vector.kind === "fixed") {
        vector.pushBigint(baseTimeNs + BigInt(row));
      } else if (column.name === "service_name" && vector.kind === "dictionary") vector.pushText(textOf(3));
      else pushAny(vector, column, random);
    }
    chunk.rows++;
  }
  return chunk;
}

function anyCondition(): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "''").replaceAll("\u0000", "")}'`;
  const column = pick(["body", "body", "body", "service_name"]);
  const text = textOf(3) || "pay";
  const sought = randomBelow(random, 3) === 0 ? pick(parts) : text.trim() || "failed";
  const inSome = pick([column, `lower(${column})`]);
  const pattern = Array.from({ length: 1 + randomBelow(random, 3) }, () => pick([...parts, "%", "%", "a"]))
    .join(pick(["%", "", " "]));
  const escaped = sought.replaceAll("\u0000", "").replaceAll(/[^]/gu, (sign) => `\\${sign}`);
  const expression = Array.from(
    { length: 1 + randomBelow(random, 4) },
    () =>
      pick(parts).replaceAll(".", "\\.") +
      pick(["", "", ".", ".*", "+", "?", "{2}", "[aA]", " ", "(x|s)", "\\W", "(aa)"]),
  ).join("");
  return pick([
    `${pick(["regexp_matches", "regexp_matches", "regexp_full_match"])}(${inSome}, ${quoted(expression)})`,
    `match(${column}, ${quoted(escaped)})`,
    `match(${column}, ${quoted(`"${escaped}"`)})`,
    `match(${column}, ${quoted(`${escaped}*`)})`,
    `match(${column}, ${quoted(`"${escaped}"*`)})`,
    `match(${column}, ${quoted(`${pick(["payment", "kilo", "i"])} ${pick(["failed", "x", "aa", "s"])}`)})`,
    `contains(${inSome}, ${quoted(sought)})`,
    `contains(lower(${column}), lower(${quoted(sought)}))`,
    `${inSome} LIKE ${quoted(pick(["%", ""]) + sought + pick(["%", ""]))}`,
    `${inSome} LIKE ${quoted(pattern)}`,
    `${column} ILIKE ${quoted(pattern)}`,
    `starts_with(${inSome}, ${quoted(sought)})`,
    `${column} ^@ ${quoted(sought)}`,
    `${pick(["ends_with", "suffix"])}(${inSome}, ${quoted(sought)})`,
  ]);
}

async function filterOf(sql: string): Promise<OwnFilter> {
  const prepared = await prepareStatement({ sql, tenant: "default", limit: rowCount }, 0n, never, { engine });
  await prepared.text;
  const [{ mention }] = prepared.mentions;
  return rowFilterOf(mention, ownConditions(mention));
}

async function foundByEngine(sql: string): Promise<number[]> {
  const file = { path: paths[0], rows: rowCount, bytes: 0 };
  const table = (signal: "logs" | "spans" | "metrics") => ({
    signal,
    files: signal === "logs" ? [file] : [],
    chunks: [],
  });
  const result = await runQuery({
    sql,
    tenant: "default",
    ...defaultQueryLimits,
    sources: () => ({
      logs: table("logs"),
      spans: table("spans"),
      metrics: table("metrics"),
      release: () => {},
    }),
  }, { engine, clock });
  const rows: number[] = [];
  for await (const batch of result.batches) {
    rows.push(...rowsOf(batch, result.columns).map(([row]) => Number(row)));
  }
  return rows;
}

test(
  `${statements} random conditions are met by the same rows in memory, on pages and by the engine (seed ${seed})`,
  async () => {
    let tried = 0, met = 0, passed = 0;
    for (let number = 0; number < statements; number++) {
      const condition = [anyCondition(), ...randomBelow(random, 3) === 0 ? [anyCondition()] : []].join(
        " AND ",
      );
      const sql = `SELECT flags FROM logs WHERE ${condition} ORDER BY 1`;
      const { filter, isWhole } = await filterOf(sql);
      if (!filter.columns.some(looksInto)) continue;
      tried++;
      const expected = await foundByEngine(sql);
      met += expected.length;
      const inMemory = matchingRows(filter, allRows(rowCount), {
        column: (name, rows) => sliceVector(chunk.vectors[columnIndex("logs", name)], rows),
      });
      if (!isWhole) { // a regular expression, of which a text is known
        const found = new Set(inMemory.rows);
        expect([condition, expected.filter((row) => !found.has(row))]).toEqual([condition, []]);
        if (expected.length > 0 && found.size < rowCount / 4) passed++;
        continue;
      }
      expect([condition, [...inMemory.rows]]).toEqual([condition, expected]);
      for (const path of paths) {
        const ranges = [{ from: 0, end: rowCount }];
        const found = await reader.find({
          signal: "logs",
          files: [{ path, ranges }],
          filter,
          rowsMax: rowCount,
        }, never);
        expect([condition, path, [...found?.rows ?? []]]).toEqual([condition, path, expected]);
        const few = await reader.find({
          signal: "logs",
          files: [{ path, ranges: [{ from: 100, end: 130 }, { from: 2_000, end: 2_900 }] }],
          filter,
          rowsMax: rowCount,
        }, never);
        const within = expected.filter((row) => row >= 100 && row < 130 || row >= 2_000 && row < 2_900);
        expect([condition, path, [...few?.rows ?? []]]).toEqual([condition, path, within]);
      }
    }
    expect(tried).toBeGreaterThan(statements / 2);
    expect(met).toBeGreaterThan(statements * 20);
    expect(passed).toBeGreaterThan(statements / 100);
  },
  600_000,
);
