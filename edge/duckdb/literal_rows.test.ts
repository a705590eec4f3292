import { expect, test } from "bun:test";
import { Chunk } from "../../core/model/chunk.ts";
import { columnIndex, columnsOf, type Signal, signals } from "../../core/model/columns.ts";
import { typedSelectList } from "../../core/model/sql.ts";
import type { FixedVector, Utf8Vector } from "../../core/model/vector.ts";
import { buildChunk } from "../../tests/golden/segment-chunk.ts";
import { literalRows } from "./literal_rows.ts";
import { loadDuckDB } from "./load.ts";
import { registerMemtable } from "./memtable.ts";

const scalars = (signal: Signal) =>
  columnsOf[signal].filter(({ type }) => !["map", "list", "struct"].includes(type.kind)).map(({ name }) =>
    name
  );

/** A statement's rows, of the memtable's function and of text. */
async function bothWays(signal: Signal, chunk: Chunk, columns: ReadonlySet<string>) {
  const duckdb = await loadDuckDB();
  const instance = await duckdb.api.DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const chunks = [{ chunk, rows: chunk.rows }];
  const pin = registerMemtable(duckdb, connection).pin(chunks);
  const rowsOf = async (from: string, given = {}) => {
    const reader = await connection.runAndReadAll(
      `SELECT ${typedSelectList(signal, columns, given)} FROM ${from}`,
    );
    return { types: reader.columnTypes().map(String), rows: reader.getRowsJson() };
  };
  const called = await rowsOf(`openwit_memtable_${signal}(${pin.id})`);
  const literal = literalRows(signal, chunks, columns);
  const read = literal && await rowsOf(literal.from, literal.given);
  connection.closeSync();
  instance.closeSync();
  return { called, read };
}

test.each(signals)("%s: every plain value and type is what the memtable's function gives", async (signal) => {
  const chunk = buildChunk(signal, 3, 40);
  for (const name of scalars(signal)) {
    const { called, read } = await bothWays(signal, chunk, new Set([name]));
    if (read !== undefined) expect(read).toEqual(called);
    else expect(JSON.stringify(called.rows)).toContain("\\u0000");
  }
});

test("texts with quotes and marks, the greatest numbers and doubles that are none come out as they are", async () => {
  const logs = buildChunk("logs", 1, 1);
  const body = logs.vectors[columnIndex("logs", "body")] as Utf8Vector;
  for (const text of ["it's", "''", "\\n", "\uFEFFmark", "💥", "-- /*", ""]) {
    body.truncate(0);
    const bytes = new TextEncoder().encode(text);
    body.push(bytes, 0, bytes.length);
    const { called, read } = await bothWays("logs", logs, new Set(["body", "timestamp"]));
    expect(read).toEqual(called);
  }
  const metrics = buildChunk("metrics", 1, 1);
  const value = metrics.vectors[columnIndex("metrics", "value")] as FixedVector;
  const double = new Float64Array(1), words = new Int32Array(double.buffer);
  for (const number of [NaN, Infinity, -Infinity, -0, 5e-324, 0.1, 1.7976931348623157e308]) {
    value.truncate(0);
    double[0] = number;
    value.pushWords(words[0], words[1]);
    const { called, read } = await bothWays("metrics", metrics, new Set(["value"]));
    expect(read).toEqual(called);
  }
});

test("more values, longer ones and those of other kinds are left to the function", () => {
  const chunk = buildChunk("logs", 1, 80);
  const of = (rows: number, ...columns: string[]) => literalRows("logs", [{ chunk, rows }], new Set(columns));
  expect(of(64, "timestamp")).toBeDefined();
  expect(of(65, "timestamp")).toBeUndefined();
  expect(of(33, "timestamp", "observed_timestamp")).toBeUndefined();
  expect(of(1, "attributes")).toBeUndefined();
});
