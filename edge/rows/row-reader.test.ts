import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { Chunk } from "../../core/model/chunk.ts";
import { columnsOf } from "../../core/model/columns.ts";
import { equal } from "../../core/parquet/read/filter.ts";
import type { FindRowsRequest, RowReader } from "../../core/query/row_reader.ts";
import { buildChunk, rowOf, valueAt } from "../../tests/golden/segment-chunk.ts";
import { inProcessEncoder } from "../parquet/in-process.ts";
import { rowReader } from "./row-reader.ts";

const folder = mkdtempSync(join(tmpdir(), "openwit-row-thread-"));
mkdirSync(join(folder, "parquet"));
const logged: string[] = [];
const open = () => rowReader(folder, (_level, message) => logged.push(message));
const thread = open();
afterAll(() => {
  thread.close();
  rmSync(folder, { recursive: true });
});

const rowCount = 20_000;

async function segment(seed: number, keyValues: Record<string, string> = {}): Promise<[string, Chunk]> {
  const chunk = buildChunk("spans", seed, rowCount);
  const parts: Uint8Array[] = [];
  for await (const part of inProcessEncoder().encode("spans", [{ chunk, rowCount }], keyValues)) {
    parts.push(part);
  }
  const path = `parquet/${seed}.parquet`;
  writeFileSync(join(folder, path), Buffer.concat(parts));
  return [path, chunk];
}

const wanted = (path: string, rows = Int32Array.of(0, 16_383, 16_384, 19_999)) => ({ path, rows });
const read = (files: Parameters<RowReader["read"]>[0]["files"], columns?: ReadonlySet<string>) =>
  thread.read({ signal: "spans", files, ...(columns === undefined ? {} : { columns }) });

test("rows of several files come in one chunk, file after file", async () => {
  const [one, first] = await segment(1), [other, second] = await segment(2);
  const found = await read([wanted(one), wanted(other, Int32Array.of(7))]);
  expect(found!.chunk.rows).toBe(5);
  const expected = [
    rowOf(first, 0),
    rowOf(first, 16_383),
    rowOf(first, 16_384),
    rowOf(first, 19_999),
    rowOf(second, 7),
  ];
  expect(expected.map((_, row) => rowOf(found!.chunk, row))).toEqual(expected);
  expect(found!.inflatedBytes).toBeGreaterThan(100_000);
});

test("columns that are not needed are not read", async () => {
  const [path, chunk] = await segment(3);
  const all = await read([wanted(path)]), few = await read([wanted(path)], new Set(["name", "links"]));
  expect(few!.inflatedBytes * 2).toBeLessThan(all!.inflatedBytes);
  for (const [at, { name }] of columnsOf.spans.entries()) {
    const vector = few!.chunk.vectors[at];
    expect(vector.length).toBe(name === "name" || name === "links" ? 4 : 0);
    if (vector.length > 0) expect(valueAt(vector, 1)).toEqual(valueAt(chunk.vectors[at], 16_383));
  }
});

test("what cannot be read is left to the engine: a file that is damaged, gone, of other tables, or without that row", async () => {
  const [path] = await segment(4);
  expect(await read([wanted("parquet/gone.parquet")])).toBeUndefined();
  expect(await read([wanted(path, Int32Array.of(rowCount))])).toBeUndefined();
  expect(await thread.read({ signal: "logs", files: [wanted(path)] })).toBeUndefined();
  const [newer] = await segment(5, { "openwit.schema_version": "2" });
  expect(await read([wanted(newer)])).toBeUndefined();
  writeFileSync(join(folder, path), new Uint8Array(100_000));
  expect(await read([wanted(path)])).toBeUndefined();
  const [whole] = await segment(6);
  expect(await read([wanted(whole)])).toBeDefined();
});

test("rows are found by comparisons of their columns, the first by time or any, and a file that cannot be read is left to the engine", async () => {
  const [path, chunk] = await segment(9);
  const find = (request: Partial<FindRowsRequest>) =>
    thread.find({
      signal: "spans",
      files: [{ path, ranges: [{ from: 100, end: 300 }, { from: 16_000, end: 17_000 }] }],
      filter: {
        columns: [{ column: "flags", tests: [{ kind: "compare", accepted: equal, value: 4_294_967_295n }] }],
        time: { column: "start_timestamp", tests: [] },
      },
      rowsMax: 1_000,
      ...request,
    }, new AbortController().signal);
  const expected = Array.from({ length: rowCount }, (_, row) => row)
    .filter((row) => row >= 100 && row < 300 || row >= 16_000 && row < 17_000)
    .filter((row) => rowOf(chunk, row).flags === 4_294_967_295);
  expect([...(await find({}))!.rows]).toEqual(expected);
  expect([...(await find({ rowsMax: 5, isDescending: true }))!.rows]).toEqual(expected.slice(-5).reverse());
  expect(await find({ files: [{ path: "parquet/gone.parquet", ranges: [{ from: 0, end: 1 }] }] }))
    .toBeUndefined();
});

test("many row groups are looked through round after round, until there are as many rows as are wanted or nobody waits", async () => {
  const segments = await Promise.all([60, 61].map((seed) => segment(seed)));
  const files = Array.from({ length: 40 }, (_, at) => ({
    path: segments[at % 2][0],
    ranges: [{ from: 0, end: rowCount }],
  }));
  const time = { column: "start_timestamp", tests: [] };
  const find = (rowsMax: number, isDescending: boolean | undefined, abort = new AbortController().signal) =>
    thread.find({ signal: "spans", files, filter: { columns: [], time }, rowsMax, isDescending }, abort);
  const all = await find(50 * rowCount, undefined);
  expect([...new Set(all!.files)].sort((left, right) => left - right)).toEqual([...files.keys()]);
  expect(all!.rows.length).toBe(40 * rowCount);
  const newest = await find(80, true);
  expect([...newest!.files].sort((left, right) => left - right)).toEqual(
    [...files.keys()].flatMap((at) => [at, at]),
  );
  expect(new Set(newest!.rows)).toEqual(new Set([rowCount - 1, rowCount - 2]));
  expect((await find(100, undefined))!.rows.length).toBe(100);
  await expect(find(100, true, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
});

test("a file that was written anew under its name is not read by its old footer", async () => {
  const [path] = await segment(7);
  await read([wanted(path)]);
  const chunk = buildChunk("spans", 8, 500);
  const parts: Uint8Array[] = [];
  for await (const part of inProcessEncoder().encode("spans", [{ chunk, rowCount: 500 }], {})) {
    parts.push(part);
  }
  writeFileSync(join(folder, path), Buffer.concat(parts));
  const found = await read([wanted(path, Int32Array.of(499))]);
  expect(rowOf(found!.chunk, 0)).toEqual(rowOf(chunk, 499));
});

test("more than it may take at once is left to the engine", async () => {
  const [path] = await segment(20);
  expect(await read(Array.from({ length: 50 }, () => wanted(path)))).toBeUndefined();
  const answers = await Promise.all(Array.from({ length: 9 }, () => read([wanted(path)])));
  expect(answers.filter((answer) => answer === undefined).length).toBe(
    9 - 4 * Math.min(2, availableParallelism()),
  );
});

test("what was asked when it was closed is left to the engine", async () => {
  const [path] = await segment(40);
  const closing = open();
  const asked = closing.read({ signal: "spans", files: [wanted(path)] });
  closing.close();
  expect(await asked).toBeUndefined();
  expect(logged).toEqual([]);
});
