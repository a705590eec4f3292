/** Both encoders keep the same promises: in the calling thread, and in a worker. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { type Column, columnsOf, type ColumnType, signals } from "../../core/model/columns.ts";
import { rowGroupRows, type SegmentEncoder, type SegmentPart } from "../../core/segment/encoder.ts";
import { footerLength, parseParquetFooter } from "../../core/segment/reader.ts";
import { buildChunk, rowOf } from "../../tests/golden/segment-chunk.ts";
import { openDuckDb, type ParquetReader } from "../../tests/golden/segment-duckdb.ts";
import { batchesOf } from "./batches.ts";
import { inProcessEncoder } from "./in-process.ts";
import { workerEncoder } from "./worker-encoder.ts";

const seed = 20_260_102;
const worker = workerEncoder();
let folder: string;
let duckdb: ParquetReader;
let files = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "openwit-encoder-"));
  duckdb = await openDuckDb();
});

afterAll(async () => {
  await worker.close();
  duckdb.close();
  rmSync(folder, { recursive: true });
});

describe.each<[string, SegmentEncoder]>([["in process", inProcessEncoder()], ["in a worker", worker]])(
  "%s",
  (_, encoder) => {
    test.each(signals)(`every value of %s is found again by DuckDB (seed ${seed})`, async (signal) => {
      const chunk = buildChunk(signal, seed, 500);
      const path = await encodeToFile(encoder, [{ chunk, rowCount: 500 }]);
      expect(await duckdb.rows(path)).toEqual(Array.from({ length: 500 }, (_, row) => rowOf(chunk, row)));
    });

    test.each(signals)("the columns of %s have their SQL types and permanent field ids", async (signal) => {
      const path = await encodeToFile(encoder, [{ chunk: buildChunk(signal, seed, 10), rowCount: 10 }]);
      const types = await duckdb.types(path);
      expect(types).toEqual(
        Object.fromEntries(columnsOf[signal].map(({ name, type }) => [name, sqlType(type)])),
      );
      const ids = await duckdb.fieldIds(path);
      for (const [name, id] of expectedIds(columnsOf[signal])) expect([name, ids[name]]).toEqual([name, id]);
    });

    test("row lists of several chunks are one file in the order given, in row groups of 16,384", async () => {
      const chunks = [buildChunk("logs", 1, 12_000), buildChunk("logs", 2, 12_000)];
      const backwards = Int32Array.from({ length: 6_000 }, (_, at) => 11_998 - at * 2);
      const path = await encodeToFile(encoder, [
        { chunk: chunks[0], rowCount: 11_000 },
        { chunk: chunks[1], rows: backwards, rowCount: 6_000 },
      ]);
      const rows = await duckdb.rows(path);
      expect(rows.length).toBe(17_000);
      expect(rows[10_999]).toEqual(rowOf(chunks[0], 10_999));
      expect(rows[11_000]).toEqual(rowOf(chunks[1], 11_998));
      expect(rows[16_999]).toEqual(rowOf(chunks[1], 0));
      const groups = await duckdb.query(
        `SELECT DISTINCT row_group_id AS id, row_group_num_rows AS n FROM parquet_metadata('${path}') ORDER BY id`,
      );
      expect(groups.map(({ n }) => Number(n))).toEqual([rowGroupRows, 17_000 - rowGroupRows]);
    });

    test("a segment without rows has its schema", async () => {
      for (const signal of signals) {
        const path = await encodeToFile(encoder, [{ chunk: new Chunk(signal), rowCount: 0 }]);
        expect(await duckdb.rows(path)).toEqual([]);
        expect(Object.keys(await duckdb.types(path))).toEqual(columnsOf[signal].map(({ name }) => name));
      }
    });

    test("columns of NULLs alone, empty maps and empty lists are read as such", async () => {
      for (const signal of signals) {
        const chunk = emptyRows(signal, 300);
        const path = await encodeToFile(encoder, [{ chunk, rowCount: 300 }]);
        expect(await duckdb.rows(path)).toEqual(Array.from({ length: 300 }, () => rowOf(chunk, 0)));
      }
    });

    test("a dictionary may have more values than 16 bits count", async () => {
      const chunk = emptyRows("spans", 0);
      const names = columnsOf.spans.findIndex(({ name }) => name === "name");
      for (let row = 0; row < 70_000; row++) {
        chunk.appendRow(emptyRow, 0);
        const vector = chunk.vectors[names];
        vector.truncate(row);
        if (vector.kind === "dictionary") vector.pushText(`GET /order/${row}`);
      }
      const path = await encodeToFile(encoder, [{ chunk, rowCount: 70_000 }]);
      const [{ n, last }] = await duckdb.query(
        `SELECT count(DISTINCT name)::INT AS n, last(name) AS last FROM '${path}'`,
      );
      expect([n, last]).toEqual([70_000, "GET /order/69999"]);
    });

    test("the footer has the key-values, and no Arrow schema", async () => {
      const chunk = buildChunk("metrics", 4, 3);
      const bytes = await encode(encoder, [{ chunk, rowCount: 3 }], { "openwit.x": "1", "openwit.ü": "☂" });
      const length = footerLength(bytes, bytes.length);
      const footer = parseParquetFooter(bytes.subarray(bytes.length - 8 - length, bytes.length - 8));
      expect(footer.keyValues).toEqual({ "openwit.x": "1", "openwit.ü": "☂" });
      expect(footer.rows).toBe(3);
    });

    test("row groups leave while later rows are still to be built", async () => {
      const chunk = buildChunk("logs", 5, 20_000);
      const parts = Array.from({ length: 6 }, () => ({ chunk, rowCount: 20_000 }));
      const sizes: number[] = [];
      for await (const bytes of encoder.encode("logs", parts, {})) sizes.push(bytes.length);
      expect(sizes.length).toBeGreaterThanOrEqual(7);
      expect(Math.max(...sizes)).toBeLessThan(sizes.reduce((sum, size) => sum + size) / 4);
    });

    test("rows of 64 KB make smaller row groups, so that the encoder's memory stays bounded", async () => {
      const chunk = emptyRows("spans", 600);
      const traceIds = chunk.vectors[0];
      traceIds.truncate(0);
      for (let row = 0; row < 600; row++) {
        const bytes = crypto.getRandomValues(new Uint8Array(64_000));
        for (let at = 0; at < bytes.length; at++) bytes[at] = 32 | bytes[at] & 95;
        if (traceIds.kind === "utf8") traceIds.push(bytes, 0, bytes.length);
      }
      const sizes: number[] = [];
      for await (const piece of encoder.encode("spans", [{ chunk, rowCount: 600 }], {})) {
        sizes.push(piece.length);
      }
      expect(sizes.reduce((sum, size) => sum + size)).toBeGreaterThan(25e6);
      expect(Math.max(...sizes)).toBeLessThan(18e6);
    });

    test("text that is not UTF-8 is an OpenWitError, and the next segment is encoded all the same", async () => {
      const chunk = buildChunk("logs", 6, 10);
      const body = chunk.vectors[columnsOf.logs.findIndex(({ name }) => name === "body")];
      if (body.kind === "utf8") body.bytes.fill(0xff);
      const failed = await encode(encoder, [{ chunk, rowCount: 10 }]).catch((error) => error);
      expect(failed).toBeInstanceOf(OpenWitError);
      expect(failed.code).toBe("internal");
      const path = await encodeToFile(encoder, [{ chunk: buildChunk("logs", 7, 10), rowCount: 10 }]);
      expect((await duckdb.rows(path)).length).toBe(10);
    });

    test("a consumer may stop early, and two segments may be asked for at once", async () => {
      const parts = [{ chunk: buildChunk("spans", 8, 20_000), rowCount: 20_000 }];
      for await (const _ of encoder.encode("spans", parts, {})) break;
      const [one, two] = await Promise.all([encode(encoder, parts), encode(encoder, parts)]);
      expect(one.length).toBe(two.length);
    });
  },
);

describe("the worker", () => {
  test("is started by the first segment, and ends when it was idle", async () => {
    const encoder = workerEncoder({ idleMs: 20 });
    expect(encoder.stats()).toEqual({ started: 0, isRunning: false, buffers: 0 });
    await encode(encoder, smallPart());
    expect(encoder.stats()).toEqual({ started: 1, isRunning: true, buffers: 1 });
    while (encoder.stats().isRunning) await Bun.sleep(5);
    await encode(encoder, smallPart());
    expect(encoder.stats().started).toBe(2);
    await encoder.close();
  });

  test("is sent its batches in the same few buffers, and finds nothing of the earlier ones in them", async () => {
    const encoder = workerEncoder();
    const chunk = buildChunk("spans", 11, 80_000);
    const large = [{ chunk, rowCount: 80_000 }], small = [{ chunk, rowCount: 20_000 }];
    await encode(encoder, large);
    expect(await encode(encoder, small)).toEqual(await encode(inProcessEncoder(), small));
    const batches = [...batchesOf(large), ...batchesOf(small)].length;
    expect(encoder.stats().buffers).toBeLessThanOrEqual(batches / 2); // a few are made before the largest is known
    await encoder.close();
  });

  test("fails what is under way when it is closed, and refuses what comes later", async () => {
    const encoder = workerEncoder();
    const chunk = buildChunk("logs", 10, 30_000);
    const under = encode(encoder, [{ chunk, rowCount: 30_000 }]).catch((error) => error.code);
    await Bun.sleep(1);
    await encoder.close();
    expect(await under).toBe("unavailable");
    expect(await encode(encoder, smallPart()).catch((error) => error.code)).toBe("unavailable");
  });
});

function smallPart(): SegmentPart[] {
  return [{ chunk: buildChunk("logs", 9, 10), rowCount: 10 }];
}

/** Rows whose columns are NULL or empty, whichever the table allows. */
function emptyRows(signal: Chunk["signal"], rows: number): Chunk {
  const chunk = new Chunk(signal);
  for (let row = 0; row < rows; row++) {
    columnsOf[signal].forEach(({ nullable }, index) => {
      const vector = chunk.vectors[index];
      if (nullable && (vector.kind === "fixed" || vector.kind === "utf8")) vector.pushNull();
      else if (vector.kind === "fixed") vector.width === 8 ? vector.pushWords(0, 0) : vector.pushInt(0);
      else if (vector.kind === "utf8" || vector.kind === "dictionary") vector.pushText("");
      else vector.endRow();
    });
    chunk.rows++;
  }
  return chunk;
}

const emptyRow = emptyRows("spans", 1);

async function encode(
  encoder: SegmentEncoder,
  parts: readonly SegmentPart[],
  keyValues: Record<string, string> = {},
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const bytes of encoder.encode(parts[0].chunk.signal, parts, keyValues)) pieces.push(bytes);
  return Buffer.concat(pieces);
}

async function encodeToFile(encoder: SegmentEncoder, parts: readonly SegmentPart[]): Promise<string> {
  const path = join(folder, `${files++}.parquet`);
  writeFileSync(path, await encode(encoder, parts));
  return path;
}

function sqlType(type: ColumnType): string {
  switch (type.kind) {
    case "list":
      return `${sqlType(type.element)}[]`;
    case "struct":
      return `STRUCT(${type.fields.map(({ name, type }) => `${sqlName(name)} ${sqlType(type)}`).join(", ")})`;
    default:
      return sqlTypes[type.kind];
  }
}

/** DuckDB quotes the names that are words of SQL. */
function sqlName(name: string): string {
  return ["timestamp", "name", "value"].includes(name) ? `"${name}"` : name;
}

const sqlTypes = {
  timestamp: "TIMESTAMP_NS",
  int64: "BIGINT",
  uint64: "UBIGINT",
  int32: "INTEGER",
  uint32: "UINTEGER",
  float64: "DOUBLE",
  bool: "BOOLEAN",
  utf8: "VARCHAR",
  dictionary: "VARCHAR",
  map: "MAP(VARCHAR, VARCHAR)",
} as const;

function expectedIds(columns: readonly Column[], prefix = ""): [string, number][] {
  return columns.flatMap(({ name, id, type }) =>
    [[prefix + name, id], ...nestedIds(prefix + name, type)] as [string, number][]
  );
}

function nestedIds(path: string, type: ColumnType): [string, number][] {
  switch (type.kind) {
    case "map":
      return [[`${path}.key_value.key`, type.keyId], [`${path}.key_value.value`, type.valueId]];
    case "list":
      return [[`${path}.list.element`, type.elementId], ...nestedIds(`${path}.list.element`, type.element)];
    case "struct":
      return expectedIds(type.fields, `${path}.`);
    default:
      return [];
  }
}
