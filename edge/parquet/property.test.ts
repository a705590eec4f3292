/**
 * Random chunks of every kind of column come back from DuckDB as they were, in each layout of pages: NULLs from none to all, runs and noise,
 * numbers of every bit width, dictionaries of one value or of thousands, lists without entries, rows of a megabyte,
 * and row groups made of the rows of several chunks.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { type Column, columnsOf, type ColumnType, type Signal, signals } from "../../core/model/columns.ts";
import type { Vector } from "../../core/model/vector.ts";
import { freshLayout, type Layout, mergedLayout } from "../../core/parquet/layout.ts";
import { packBatch, packRows, sliceChunk } from "../../core/parquet/slice.ts";
import { ParquetWriter } from "../../core/parquet/writer.ts";
import type { SegmentPart } from "../../core/segment/encoder.ts";
import { rowOf } from "../../tests/golden/segment-chunk.ts";
import { openDuckDb, type ParquetReader } from "../../tests/golden/segment-duckdb.ts";
import { inTurns } from "../server/turns.ts";
import { inProcessEncoder } from "./in-process.ts";

const seeds = Number(process.env.PROPERTY_SEEDS ?? 6);
let folder: string;
let duckdb: ParquetReader;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "openwit-property-"));
  duckdb = await openDuckDb();
});

afterAll(() => {
  duckdb.close();
  rmSync(folder, { recursive: true });
});

const cases = signals.flatMap((signal) =>
  Array.from({ length: seeds }, (_, seed) => [signal, seed] as const)
);

test.each(cases)("chunks of %s with seed %d are read as they were", async (signal, seed) => {
  const random = seededRandom(seed * 3 + signal.length);
  const parts = Array.from({ length: 1 + randomBelow(random, 4) }, () => anyPart(signal, random));
  await expectSame(parts);
}, 30_000);

test.each(signals)(
  "row groups of %s that take rows of three chunks are read as they were",
  async (signal) => {
    const random = seededRandom(77);
    const parts = [7_000, 8_000, 9_000].map((rows) => ({
      chunk: anyChunk(signal, random, rows, 8),
      rowCount: rows,
    }));
    await expectSame(parts);
  },
  60_000,
);

test("a row of some megabytes stands among small ones", async () => {
  const chunk = anyChunk("logs", seededRandom(5), 40, 30);
  const index = columnsOf.logs.findIndex(({ name }) => name === "body");
  const bodies = chunk.vectors[index];
  bodies.truncate(0);
  for (let row = 0; row < 40; row++) {
    if (bodies.kind === "utf8") bodies.pushText("é".repeat(row % 13 === 0 ? 3_000_000 : row));
  }
  await expectSame([{ chunk, rowCount: 40 }]);
});

test("rows that were packed for a worker, at once or in turns, give the same file", async () => {
  for (const signal of signals) {
    const chunk = anyChunk(signal, seededRandom(9), 700, 30);
    const rows = Int32Array.from({ length: 300 }, (_, at) => (at * 7) % 700);
    const cuts = [{ chunk, rows: undefined, from: 100, to: 600 }, { chunk, rows, from: 10, to: 290 }];
    const batches = cuts.map(sliceChunk);
    const plain = new ParquetWriter(signal, {}), packed = new ParquetWriter(signal, {});
    const bytes = (writer: ParquetWriter, each: typeof batches) =>
      Buffer.concat([...each.flatMap((batch) => [...writer.write(batch)]), ...writer.finish()]);
    const copies = batches.map((batch) => {
      const { batch: copy, buffer } = packBatch(batch);
      return structuredClone(copy, { transfer: [buffer] });
    });
    const whole = bytes(plain, batches);
    expect(bytes(packed, copies).equals(whole)).toBe(true);
    const inParts: typeof batches = [];
    for (const cut of cuts) {
      inParts.push((await inTurns(packRows(cut, (size) => new ArrayBuffer(size)))).batch);
    }
    expect(bytes(new ParquetWriter(signal, {}), inParts).equals(whole)).toBe(true);
  }
});

/** Cuts every column of texts, so that pages begin and end at NULLs, at empty maps and lists, and within none. */
const smallPages = (rows: number): Layout => ({ ...mergedLayout, textPageRows: () => rows });

async function expectSame(parts: readonly SegmentPart[]): Promise<void> {
  for (const layout of [freshLayout, mergedLayout, smallPages(1), smallPages(7), smallPages(1_000)]) {
    await expectSameIn(layout, parts);
  }
}

async function expectSameIn(layout: Layout, parts: readonly SegmentPart[]): Promise<void> {
  const { signal } = parts[0].chunk;
  const pieces: Uint8Array[] = [];
  for await (const piece of inProcessEncoder(layout).encode(signal, parts, {})) pieces.push(piece);
  const path = join(folder, "x.parquet");
  writeFileSync(path, Buffer.concat(pieces));
  const rows = await duckdb.rows(path);
  let at = 0;
  for (const { chunk, rows: list, rowCount } of parts) {
    const numbers = list ?? Int32Array.from({ length: rowCount }, (_, row) => row);
    for (const row of numbers) {
      const expected = rowOf(chunk, row);
      if (!Bun.deepEquals(rows[at], expected)) expect([at, rows[at]]).toEqual([at, expected]);
      at++;
    }
  }
  expect(rows.length).toBe(at);
}

function anyPart(signal: Signal, random: Random): SegmentPart {
  const rowCount = randomBelow(random, [2, 60, 1_500][randomBelow(random, 3)]);
  const chunk = anyChunk(signal, random, rowCount, randomBelow(random, 300));
  if (rowCount === 0) return { chunk, rowCount };
  switch (randomBelow(random, 4)) {
    case 0: // in any order, some more than once
      return {
        chunk,
        rowCount,
        rows: Int32Array.from({ length: rowCount }, () => randomBelow(random, rowCount)),
      };
    case 1: // with gaps
      return {
        chunk,
        rowCount,
        rows: Int32Array.from({ length: rowCount }, (_, row) => row).filter((row) => row % 3 > 0),
      };
    case 2: { // a run from the middle
      const from = randomBelow(random, rowCount);
      return { chunk, rowCount, rows: Int32Array.from({ length: rowCount - from }, (_, row) => from + row) };
    }
    default:
      return { chunk, rowCount: randomBelow(random, rowCount + 1) };
  }
}

/** @param textMax bytes of a text */
function anyChunk(signal: Signal, random: Random, rows: number, textMax: number): Chunk {
  const chunk = new Chunk(signal);
  columnsOf[signal].forEach((column, index) => {
    const style = styleOf(random, textMax);
    for (let row = 0; row < rows; row++) push(chunk.vectors[index], column, style);
  });
  chunk.rows = rows;
  return chunk;
}

/** How the values of a column are distributed. */
interface Style {
  readonly random: Random;
  /** Of 4 values, how many are NULL. */
  readonly nulls: number;
  /** Distinct texts, and bits of numbers. */
  readonly distinct: number;
  readonly bits: number;
  /** Of 16 values, how many repeat the one before. */
  readonly repeats: number;
  readonly textMax: number;
  readonly entriesMax: number;
}

function styleOf(random: Random, textMax: number): Style {
  return {
    random,
    nulls: [0, 0, 1, 3, 4][randomBelow(random, 5)],
    distinct: [1, 2, 9, 300, 40_000][randomBelow(random, 5)],
    bits: randomBelow(random, 65),
    repeats: [0, 8, 15][randomBelow(random, 3)],
    textMax,
    entriesMax: [0, 1, 5][randomBelow(random, 3)],
  };
}

function push(vector: Vector, { type, nullable }: Pick<Column, "type" | "nullable">, style: Style): void {
  const { random } = style;
  switch (vector.kind) {
    case "fixed":
      if (nullable && randomBelow(random, 4) < style.nulls) return vector.pushNull();
      if (
        vector.length > 0 && !vector.validity.isNull(vector.length - 1) &&
        randomBelow(random, 16) < style.repeats
      ) {
        return vector.appendFrom(vector, vector.length - 1);
      }
      if (vector.type === "bool") return vector.pushInt(randomBelow(random, 2));
      if (vector.type === "float64") {
        return vector.pushDouble((random.uint32() - 2 ** 31) / 2 ** randomBelow(random, 99));
      }
      return pushInteger(vector, type, style);
    case "utf8":
      if (nullable && randomBelow(random, 4) < style.nulls) return vector.pushNull();
      return vector.pushText(textOf(style));
    case "dictionary":
      if (vector.length > 0 && randomBelow(random, 16) < style.repeats) {
        return vector.pushCode(vector.codes[vector.length - 1]);
      }
      return vector.pushText(textOf(style));
    case "map":
      for (let entries = randomBelow(random, style.entriesMax + 1), at = 0; at < entries; at++) {
        vector.keys.pushText(`${at} ${textOf(style)}`);
        push(vector.values, { type: { kind: "utf8" }, nullable: true }, style);
      }
      return vector.endRow();
    case "list":
      if (type.kind !== "list") throw new Error("a list vector is of a list column");
      for (let entries = randomBelow(random, style.entriesMax + 1); entries > 0; entries--) {
        push(vector.child, { type: type.element }, style);
      }
      return vector.endRow();
    case "struct":
      vector.columns.forEach((column, index) => push(vector.children[index], column, style));
      return vector.endRow();
  }
}

function pushInteger(vector: Vector & { kind: "fixed" }, type: ColumnType, { random, bits }: Style): void {
  if (vector.width === 4) return vector.pushInt(random.uint32() >>> Math.max(0, 32 - bits) | 0);
  const wide = BigInt.asUintN(bits, BigInt(random.uint32()) << 32n | BigInt(random.uint32()));
  // 2^63-1 and its negative are infinities to DuckDB's times.
  vector.pushBigint(BigInt.asIntN(type.kind === "timestamp" ? 62 : 64, wide));
}

function textOf({ random, distinct, textMax }: Style): string {
  const number = randomBelow(random, distinct);
  return `${"aé☂𝕌"[number % 3]}${number}`.repeat(number % 7).slice(0, textMax).toWellFormed();
}
