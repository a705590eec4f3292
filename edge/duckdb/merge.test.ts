/** A merge changes the order of rows and nothing else: every value, type and field id comes out as it went in. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sortColumnsOf } from "../../core/compact/merger.ts";
import { OpenWitError } from "../../core/error.ts";
import { columnsOf, signals } from "../../core/model/columns.ts";
import { readParquetFooter } from "../../core/segment/reader.ts";
import { buildChunk } from "../../tests/golden/segment-chunk.ts";
import { openDuckDb, type ParquetReader } from "../../tests/golden/segment-duckdb.ts";
import { NodeDisk } from "../disk/disk.ts";
import { inProcessEncoder } from "../parquet/in-process.ts";
import { duckDBMerger } from "./merge.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-merge-"));
const merger = duckDBMerger({ dataDir, memoryBytes: 128 * 1024 * 1024, spillBytes: 1024 ** 3 });
const never = new AbortController().signal;
let reader: ParquetReader;

beforeAll(async () => {
  await mkdir(join(dataDir, "parquet"));
  reader = await openDuckDb();
});
afterAll(() => {
  reader.close();
  rmSync(dataDir, { recursive: true });
});

/** Segments of seeded rows, as a flush writes them. */
async function writeInputs(signal: (typeof signals)[number], rows: readonly number[]): Promise<string[]> {
  const paths: string[] = [];
  for (const [seed, rowCount] of rows.entries()) {
    const chunk = buildChunk(signal, seed + 1, rowCount);
    const parts: Uint8Array[] = [];
    for await (const part of inProcessEncoder().encode(signal, [{ chunk, rowCount }], {})) parts.push(part);
    const path = `parquet/${signal}-${seed}.parquet`;
    await writeFile(join(dataDir, path), Buffer.concat(parts));
    paths.push(path);
  }
  return paths;
}

const textOf = (row: Record<string, unknown>) =>
  JSON.stringify(
    row,
    (_, value) =>
      typeof value === "bigint"
        ? `${value}n`
        : typeof value === "number" && !Number.isFinite(value)
        ? `${value}`
        : value,
  );

for (const signal of signals) {
  test(`${signal}: every value, type and field id comes out as it went in`, async () => {
    const inputs = await writeInputs(signal, [700, 1, 2_500]);
    const output = `parquet/${signal}-out.parquet.tmp`;
    const keyValues = { "openwit.format": "1", "openwit.sources": '[{"source":"it\'s"}]' };
    await merger.merge({ signal, inputs, output, keyValues, abort: never });

    const at = (path: string) => join(dataDir, path);
    const before = (await Promise.all(inputs.map((path) => reader.rows(at(path))))).flat().map(textOf);
    const after = await reader.rows(at(output));
    expect(after.map(textOf).toSorted()).toEqual(before.toSorted());
    expect(await reader.types(at(output))).toEqual(await reader.types(at(inputs[0])));
    expect(await reader.fieldIds(at(output))).toEqual(await reader.fieldIds(at(inputs[0])));
    const footer = await readParquetFooter(new NodeDisk(dataDir), output);
    expect([footer.rows, footer.keyValues]).toEqual([3_201, keyValues]);

    const keys = after.map((row) => sortColumnsOf[signal].map((name) => row[name] as string | bigint));
    const isAscending = keys.every((key, row) => row === 0 || compare(keys[row - 1], key) <= 0);
    expect(isAscending).toBe(true);
  });
}

test("texts of few values, which go through the sort as enums, come out as they went in", async () => {
  const inputs = await writeInputs("spans", [300, 300]);
  // A zero byte keeps a column from being an enum: a quote stands in its place.
  const names = columnsOf.spans.filter(({ type }) => type.kind === "dictionary").map(({ name }) => name);
  const replaced = names.map((name) => `replace(${name}, chr(0), '''') AS ${name}`).join(", ");
  const from = `[${inputs.map((path) => `'${join(dataDir, path)}'`).join(", ")}]`;
  const input = "parquet/quotes.parquet";
  await reader.query(
    `COPY (SELECT * REPLACE (${replaced}) FROM read_parquet(${from})) TO '${join(dataDir, input)}'`,
  );
  const output = "parquet/enums.parquet";
  await merger.merge({ signal: "spans", inputs: [input], output, keyValues: { a: "b" }, abort: never });
  const after = await reader.rows(join(dataDir, output));
  expect(after.map(textOf).toSorted()).toEqual(
    (await reader.rows(join(dataDir, input))).map(textOf).toSorted(),
  );
  const times = after.map((row) => row.start_timestamp as bigint);
  expect(times).toEqual(times.toSorted((left, right) => left < right ? -1 : left > right ? 1 : 0));
  expect(new Set(after.map((row) => row.service_name)).size).toBeGreaterThan(5);
});

test("row groups are two blocks", async () => {
  const inputs = await writeInputs("metrics", [9_000, 9_000, 20_000]);
  const output = "parquet/groups.parquet";
  await merger.merge({ signal: "metrics", inputs, output, keyValues: { a: "b" }, abort: never });
  const { rowGroups } = await readParquetFooter(new NodeDisk(dataDir), output);
  expect(rowGroups.map(({ rows }) => rows)).toEqual([16_384, 16_384, 5_232]);
});

test("records of low severities are left out, those without one stay, and it is known before what is left", async () => {
  const from = (await writeInputs("logs", [20_000])).map((path) => join(dataDir, path))[0];
  const inputs = ["parquet/severities.parquet"];
  for (const path of inputs) {
    const severity = "CAST(hash(body, timestamp) % 25 AS INTEGER) AS severity_number";
    await reader.query(
      `COPY (SELECT * REPLACE (${severity}) FROM read_parquet('${from}') ORDER BY service_name, timestamp) TO '${
        join(dataDir, path)
      }'`,
    );
  }
  const request = { signal: "logs", inputs, severityAbove: 8, abort: never } as const;
  const output = "parquet/shed.parquet";
  await merger.merge({ ...request, output, keyValues: { a: "b" } });
  const all = (await Promise.all(inputs.map((path) => reader.rows(join(dataDir, path))))).flat();
  const goes = ({ severity_number: severity }: Record<string, unknown>) =>
    Number(severity) >= 1 && Number(severity) <= 8;
  const kept = all.filter((row) => !goes(row));
  expect(kept.length).toBeLessThan(all.length);
  expect(kept.some(({ severity_number: severity }) => Number(severity) === 0)).toBe(true);
  const after = await reader.rows(join(dataDir, output));
  expect(after.map(textOf)).toEqual(kept.map(textOf)); // in the order in which they were
  const written = `read_parquet('${join(dataDir, output)}')`;
  const [measured] = await reader.query(
    `SELECT count(*)::INTEGER AS rows, epoch_ns(min(timestamp)) AS a, epoch_ns(max(timestamp)) AS b,
     epoch_ns(min(ingest_timestamp)) AS c, epoch_ns(max(ingest_timestamp)) AS d FROM ${written}`,
  ) as Record<string, unknown>[];
  expect(await merger.measure(request)).toEqual({
    rows: measured.rows as number,
    minTimeNs: measured.a as bigint,
    maxTimeNs: measured.b as bigint,
    minIngestNs: measured.c as bigint,
    maxIngestNs: measured.d as bigint,
  });
  const none = await merger.measure({ ...request, inputs: [output], severityAbove: 24 });
  expect(none.rows).toBe(after.filter(({ severity_number: severity }) => Number(severity) === 0).length);
});

test("an abort ends a merge with its reason and leaves no spill", async () => {
  const inputs = await writeInputs("spans", [20_000, 20_000]);
  const abort = new AbortController();
  const merging = merger.merge({
    signal: "spans",
    inputs,
    output: "parquet/aborted.parquet",
    keyValues: { a: "b" },
    abort: abort.signal,
  });
  setTimeout(() => abort.abort(new OpenWitError("cancelled", "stopping")), 30);
  expect(await merging.catch((error) => error.message)).toBe("stopping");
  expect(await readdir(join(dataDir, "tmp"))).toEqual([]);
});

test("a file that is no Parquet file is said to be damaged", async () => {
  await writeFile(
    join(dataDir, "parquet/bad.parquet"),
    "not parquet at all, but long enough to have a footer",
  );
  const request = {
    signal: "logs",
    output: "parquet/none.parquet",
    keyValues: { a: "b" },
    abort: never,
  } as const;
  const merging = merger.merge({ ...request, inputs: ["parquet/bad.parquet"] });
  expect(await merging.catch((error) => error.code)).toBe("corrupt");
  const missing = merger.merge({ ...request, inputs: ["parquet/missing.parquet"] });
  expect(await missing.catch((error) => error.code)).toBe("not_found");
});

test("nothing outside the parquet folder is read or written", async () => {
  await writeFile(join(dataDir, "secret.parquet"), "x");
  const request = { signal: "logs", keyValues: { a: "b" }, abort: never } as const;
  const reading = merger.merge({ ...request, inputs: ["secret.parquet"], output: "parquet/none.parquet" });
  expect(await reading.catch((error) => error.code)).toBe("forbidden");
  const [input] = await writeInputs("logs", [10]);
  const writing = merger.merge({ ...request, inputs: [input], output: "none.parquet" });
  expect(await writing.catch((error) => error.code)).toBe("forbidden");
  expect(await stat(join(dataDir, "none.parquet")).catch((error) => error.code)).toBe("ENOENT");
});

function compare(a: readonly (string | bigint)[], b: readonly (string | bigint)[]): number {
  for (const [at, value] of a.entries()) {
    const [left, right] = typeof value === "string"
      ? [Buffer.from(value), Buffer.from(b[at] as string)]
      : [value, b[at]];
    const order = left instanceof Buffer
      ? Buffer.compare(left, right as Buffer)
      : left < right
      ? -1
      : left > right
      ? 1
      : 0;
    if (order !== 0) return order;
  }
  return 0;
}
