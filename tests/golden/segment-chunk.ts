/**
 * Seeded chunks for tests of the way to Parquet: every column of a signal filled by its type, with NULLs where
 * the table allows them, empty lists and maps, text outside ASCII, and numbers at the ends of their ranges.
 */
import { randomBelow, type Random, seededRandom } from "../../core/env/random.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { type Column, columnsOf, type ColumnType, type Signal, timeColumnOf } from "../../core/model/columns.ts";
import type { Vector } from "../../core/model/vector.ts";

/** 2026-01-02T03:00:00Z. */
export const baseTimeNs = 1_767_322_800_000_000_000n;

/** A chunk of `rows` rows; its event times run from `baseTimeNs` on, 50 ms a row, its ingest times 1 s behind. */
export function buildChunk(signal: Signal, seed: number, rows: number): Chunk {
  const random = seededRandom(seed);
  const chunk = new Chunk(signal);
  for (let row = 0; row < rows; row++) {
    columnsOf[signal].forEach((column, index) => {
      const vector = chunk.vectors[index];
      const time = baseTimeNs + BigInt(row) * 50_000_000n;
      if (column.name === timeColumnOf[signal]) push(vector, time);
      else if (column.name === "ingest_timestamp") push(vector, time + 1_000_000_000n);
      else pushAny(vector, column, random);
    });
    chunk.rows++;
  }
  return chunk;
}

/** A row as plain values, in the shape in which the tests' readers give it; 64-bit integers and times as bigint. */
export function rowOf(chunk: Chunk, row: number): Record<string, unknown> {
  return Object.fromEntries(
    columnsOf[chunk.signal].map((column, index) => [column.name, valueAt(chunk.vectors[index], row)]),
  );
}

export function valueAt(vector: Vector, row: number): unknown {
  switch (vector.kind) {
    case "fixed":
      if (vector.validity.isNull(row)) return null;
      if (vector.type === "bool") return vector.bytes[row] === 1;
      if (vector.type === "int32") return vector.words[row];
      if (vector.type === "uint32") return vector.words[row] >>> 0;
      if (vector.type === "float64") return vector.doubles()[row];
      return vector.type === "uint64" ? BigInt.asUintN(64, vector.bigints()[row]) : vector.bigints()[row];
    case "utf8":
    case "dictionary":
      return vector.text(row);
    case "map":
      return entriesOf(vector.offsets, row).map((at) => [vector.keys.text(at), vector.values.text(at)]);
    case "list":
      return entriesOf(vector.offsets, row).map((at) => valueAt(vector.child, at));
    case "struct":
      return Object.fromEntries(
        vector.columns.map(({ name }, index) => [name, valueAt(vector.children[index], row)]),
      );
  }
}

function entriesOf(offsets: Int32Array, row: number): number[] {
  return Array.from({ length: offsets[row + 1] - offsets[row] }, (_, at) => offsets[row] + at);
}

const words = ["", "checkout", "näive ☂ 漢字", "a\u0000b", "x".repeat(300), "{\"k\":1}", "GET /cart", "𝕌", "error", "b c"];
const times = [0n, -1n, 1n, baseTimeNs + 123_456_789n, 4_102_444_800_999_999_999n];
const int64s = [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 1_767_322_800_123_456_789n];

/** Pushes a seeded value of the column's type. */
export function pushAny(vector: Vector, column: Pick<Column, "type" | "nullable">, random: Random): void {
  if (column.nullable && randomBelow(random, 3) === 0 && (vector.kind === "fixed" || vector.kind === "utf8")) {
    return vector.pushNull();
  }
  const { type } = column;
  switch (type.kind) {
    case "map":
    case "list":
      return pushMany(vector, type, random);
    case "struct":
      if (vector.kind !== "struct") throw new Error("not a struct vector");
      type.fields.forEach((field, index) => pushAny(vector.children[index], field, random));
      return vector.endRow();
    case "utf8":
    case "dictionary":
      return push(vector, words[randomBelow(random, words.length)]);
    case "bool":
      return push(vector, randomBelow(random, 2));
    case "float64":
      return push(vector, [0, -1.5, 1e308, 5e-324, Infinity, 0.1][randomBelow(random, 6)]);
    case "int32":
      return push(vector, [0, 9, -2_147_483_648, 2_147_483_647][randomBelow(random, 4)]);
    case "uint32":
      return push(vector, [0, 1, 4_294_967_295][randomBelow(random, 3)]);
    case "timestamp":
      return push(vector, times[randomBelow(random, times.length)]);
    default:
      return push(vector, int64s[randomBelow(random, int64s.length)]);
  }
}

function pushMany(vector: Vector, type: ColumnType, random: Random): void {
  const count = randomBelow(random, 4);
  if (vector.kind === "map") {
    for (let at = 0; at < count; at++) {
      vector.keys.pushText(`key${at}.${randomBelow(random, 3)}`);
      pushAny(vector.values, { type: { kind: "utf8" }, nullable: true }, random);
    }
    vector.endRow();
  } else if (vector.kind === "list" && type.kind === "list") {
    for (let at = 0; at < count; at++) pushAny(vector.child, { type: type.element }, random);
    vector.endRow();
  } else throw new Error("not a vector of many");
}

function push(vector: Vector, value: bigint | number | string): void {
  if (vector.kind === "utf8" || vector.kind === "dictionary") vector.pushText(String(value));
  else if (vector.kind !== "fixed") throw new Error("not a plain vector");
  else if (typeof value === "bigint") vector.pushBigint(value);
  else if (vector.type === "float64") vector.pushDouble(Number(value));
  else vector.pushInt(Number(value));
}
