/**
 * A merge changes the order of rows and nothing else: every value, type and field id comes out as it went in, whoever
 * merges: DuckDB, and for logs and spans our own merger, in the calling thread and in a worker.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { orElse } from "../../core/compact/fallback.ts";
import { type SegmentMerger, sortColumnsOf } from "../../core/compact/merger.ts";
import { timeMerger } from "../../core/compact/time_merger.ts";
import { seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { buildIndex } from "../../core/index/build.ts";
import { indexPath } from "../../core/index/format.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { columnsOf, type Signal, signals, timeColumnOf } from "../../core/model/columns.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { type Layout, mergedLayout } from "../../core/parquet/layout.ts";
import { rowGroupRows, type SegmentPart } from "../../core/segment/encoder.ts";
import { failuresOf } from "../../core/segment/failures.ts";
import { readParquetFooter } from "../../core/segment/reader.ts";
import { Shop } from "../../edge/demo/shop.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { duckDBMerger } from "../../edge/duckdb/merge.ts";
import { backgroundMerger } from "../../edge/background/merger.ts";
import { BackgroundThread } from "../../edge/background/thread.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { buildChunk } from "../golden/segment-chunk.ts";
import { openDuckDb, type ParquetReader } from "../golden/segment-duckdb.ts";
import { textOf } from "./row_text.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-merge-"));
const disk = new NodeDisk(dataDir);
const duckdb = duckDBMerger({ dataDir, memoryBytes: 128 * 1024 * 1024, spillBytes: 1024 ** 3 });
const thread = new BackgroundThread(dataDir, () => "behind");
const worker = backgroundMerger(thread);
/** Outputs that our own mergers left to DuckDB. */
const leftToDuckDB: string[] = [];
const engine: SegmentMerger = {
  ...duckdb,
  merge(request) {
    leftToDuckDB.push(request.output);
    return duckdb.merge(request);
  },
};
const mergers: readonly [string, SegmentMerger][] = [
  ["DuckDB", duckdb],
  ["our own", orElse(disk, timeMerger(disk, { random: seededRandom(1) }), engine)],
  ["our own in a worker", orElse(disk, worker, engine)],
];
const never = new AbortController().signal;
let reader: ParquetReader;

beforeAll(async () => {
  await mkdir(join(dataDir, "parquet"));
  reader = await openDuckDb();
});
afterAll(() => {
  reader.close();
  thread.close();
  rmSync(dataDir, { recursive: true });
});

/** Segments of seeded rows, as a flush writes them. */
async function writeInputs(signal: (typeof signals)[number], rows: readonly number[]): Promise<string[]> {
  const paths: string[] = [];
  for (const [seed, rowCount] of rows.entries()) {
    const chunk = buildChunk(signal, seed + 1, rowCount);
    const path = `parquet/${signal}-${seed}.parquet`;
    await writeSegment(path, signal, { chunk, rowCount });
    paths.push(path);
  }
  return paths;
}

async function writeSegment(path: string, signal: Signal, part: SegmentPart, layout?: Layout): Promise<void> {
  const pieces: Uint8Array[] = [];
  for await (const piece of inProcessEncoder(layout).encode(signal, [part], {})) pieces.push(piece);
  await writeFile(join(dataDir, path), Buffer.concat(pieces));
}

/** Segments of five seconds of the demo each, one of them as a merge lays it out. */
async function writeDemoInputs(signal: "logs" | "spans"): Promise<string[]> {
  const shop = new Shop({ seed: 3, signals: [signal], rate: 2_000 });
  const inputs: string[] = [];
  for (let part = 0; part < 4; part++) {
    const chunk = new Chunk(signal);
    const fromMs = 1_800_000_000_000 + part * 5_000;
    for (const { body } of shop.generate(fromMs, fromMs + 5_000, 500)) {
      decodeRequest(signal, body, chunk, BigInt(fromMs) * 1_000_000n);
    }
    inputs.push(`parquet/demo-${signal}-${part}.parquet`);
    const layout = part === 1 ? mergedLayout : undefined;
    await writeSegment(inputs[part], signal, { chunk, rowCount: chunk.rows }, layout);
  }
  return inputs;
}

let outputs = 0;
const outputOf = (name: string) => `parquet/${name}-${++outputs}.parquet.tmp`;

describe.each(mergers)("%s", (_, merger) => {
  for (const signal of signals) {
    test(`${signal}: every value, type and field id comes out as it went in`, async () => {
      const inputs = await writeInputs(signal, [700, 1, 2_500]);
      const output = outputOf(signal);
      const keyValues = { "openwit.format": "1", "openwit.sources": '[{"source":"it\'s"}]' };
      await merger.merge({ signal, inputs, output, keyValues, abort: never });

      const at = (path: string) => join(dataDir, path);
      const before = (await Promise.all(inputs.map((path) => reader.rows(at(path))))).flat().map(textOf);
      const after = await reader.rows(at(output));
      expect(after.map(textOf).toSorted()).toEqual(before.toSorted());
      expect(await reader.types(at(output))).toEqual(await reader.types(at(inputs[0])));
      expect(await reader.fieldIds(at(output))).toEqual(await reader.fieldIds(at(inputs[0])));
      const footer = await readParquetFooter(disk, output);
      expect([footer.rows, footer.keyValues]).toEqual([3_201, keyValues]);

      const failures = failuresOf[signal];
      const isFailure = (row: Record<string, unknown>) =>
        failures !== undefined && Number(row[failures.column]) >= failures.from;
      const keys = after.map((row) => [
        BigInt(isFailure(row)),
        ...sortColumnsOf[signal].map((name) => row[name] as string | bigint),
      ]);
      if (failures !== undefined) expect(new Set(after.map(isFailure)).size).toBe(2);
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
      `COPY (SELECT * REPLACE (${replaced}) FROM read_parquet(${from})) TO '${
        join(dataDir, input)
      }' (FORMAT parquet, COMPRESSION zstd)`,
    );
    const output = outputOf("enums");
    await merger.merge({ signal: "spans", inputs: [input], output, keyValues: { a: "b" }, abort: never });
    const after = await reader.rows(join(dataDir, output));
    expect(after.map(textOf).toSorted()).toEqual(
      (await reader.rows(join(dataDir, input))).map(textOf).toSorted(),
    );
    const times = after.filter((row) => Number(row.status_code) < 2).map((row) =>
      row.start_timestamp as bigint
    );
    expect(times).toEqual(times.toSorted((left, right) => left < right ? -1 : left > right ? 1 : 0));
    expect(new Set(after.map((row) => row.service_name)).size).toBeGreaterThan(5);
  });

  test("row groups are two blocks", async () => {
    const inputs = await writeInputs("logs", [9_000, 9_000, 20_000]);
    const output = outputOf("groups");
    await merger.merge({ signal: "logs", inputs, output, keyValues: { a: "b" }, abort: never });
    const { rowGroups } = await readParquetFooter(disk, output);
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
        }' (FORMAT parquet, COMPRESSION zstd)`,
      );
    }
    const request = { signal: "logs", inputs, severityAbove: 8, abort: never } as const;
    const output = outputOf("shed");
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

  test("an index is written whole or not at all, by those who merge themselves", async () => {
    const inputs = await writeInputs("logs", [3_000, 4_000]);
    const output = outputOf("indexed"), path = output.replace(".tmp", "");
    const index = { id: "019b7c3f5e0011112222330044ff", signal: "logs", path } as const;
    const { indexBytes } = await merger.merge({
      ...{ signal: "logs", inputs, output, index },
      ...{ keyValues: { a: "b" }, abort: never },
    });
    expect((await disk.stat(indexPath(path)))?.bytes).toBe(indexBytes);
    expect(indexBytes !== undefined).toBe(merger !== duckdb);
  });

  test("an abort ends a merge with its reason and leaves no spill", async () => {
    const inputs = await writeInputs("spans", [20_000, 20_000]);
    const aborted = outputOf("aborted");
    const abort = new AbortController();
    const merging = merger.merge({
      signal: "spans",
      inputs,
      output: aborted,
      keyValues: { a: "b" },
      abort: abort.signal,
    });
    setTimeout(() => abort.abort(new OpenWitError("cancelled", "stopping")), 30);
    expect(await merging.catch((error) => error.message)).toBe("stopping");
    expect(await readdir(join(dataDir, "tmp")).catch(() => [])).toEqual([]);
    // It is over: what it wrote can be removed, and nothing writes on.
    await disk.remove(aborted);
    await Bun.sleep(50);
    expect(await disk.stat(aborted)).toBeUndefined();
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
});

test("DuckDB is asked for points alone, and for files that nobody can read", () => {
  expect(leftToDuckDB.length).toBeGreaterThan(0);
  for (const output of leftToDuckDB) expect(output).toMatch(/metrics|none/);
});

test.each(["logs", "spans"] as const)(
  "%s of the demo, flushed and merged before, are merged to the rows that DuckDB gives, in files laid out by us",
  async (signal) => {
    const inputs = await writeDemoInputs(signal);
    const merge = async (merger: SegmentMerger, inputs: readonly string[]) => {
      const output = outputOf(signal);
      await merger.merge({ signal, inputs, output, keyValues: { a: "b" }, abort: never });
      return output;
    };
    const merged = [await merge(duckdb, inputs.slice(2)), await merge(timeMerger(disk), inputs.slice(0, 2))];
    const [theirs, ours] = [await merge(duckdb, merged), await merge(timeMerger(disk), merged)];
    const rowsOf = async (path: string) => (await reader.rows(join(dataDir, path))).map(textOf);
    expect((await rowsOf(ours)).toSorted()).toEqual((await rowsOf(theirs)).toSorted());
    const times = `SELECT list(${timeColumnOf[signal]}) AS v FROM `;
    const timesOf = async (path: string) =>
      textOf((await reader.query(`${times} read_parquet('${join(dataDir, path)}')`))[0]);
    expect(await timesOf(ours)).toBe(await timesOf(theirs));
    const { createdBy, rowGroups } = await readParquetFooter(disk, ours);
    expect(createdBy).toBe("openwit");
    expect(rowGroups.slice(0, -1).every(({ rows }) => rows === rowGroupRows)).toBe(true);
  },
  60_000,
);

test.each(["logs", "spans"] as const)(
  "the index of merged %s is the one that their file gives",
  async (signal) => {
    for (const inputs of [await writeInputs(signal, [9_000, 1, 20_000]), await writeDemoInputs(signal)]) {
      const output = outputOf(signal).replace(".tmp", "");
      const index = { id: "019b7c3f5e0011112222330044ff", signal, path: output };
      const merger = timeMerger(disk, { random: seededRandom(3) });
      await merger.merge({ signal, inputs, output, index, keyValues: { a: "b" }, abort: never });
      const ofFile = Buffer.concat(await buildIndex(disk, seededRandom(3), index));
      expect((await readFile(join(dataDir, indexPath(output)))).equals(ofFile)).toBe(true);
    }
  },
);

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
