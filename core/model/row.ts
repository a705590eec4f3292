/**
 * One row of a chunk as a plain object, for people and streams of JSON: `tail`, `inspect`, tests. Never for hot paths.
 *
 * 64-bit integers are decimal text and times are ISO 8601 with nine decimals, as everywhere in our JSON.
 */
import type { Chunk } from "./chunk.ts";
import { columnsOf } from "./columns.ts";
import type { FixedVector, Vector } from "./vector.ts";

export type RowValue = string | number | boolean | null | readonly RowValue[] | {
  readonly [name: string]: RowValue;
};
export type Row = Record<string, RowValue>;

/** @param row below the chunk's row count */
export function rowOf(chunk: Chunk, row: number): Row {
  const result: Row = {};
  for (const [index, column] of columnsOf[chunk.signal].entries()) {
    result[column.name] = valueOf(chunk.vectors[index], row);
  }
  return result;
}

/** `2026-11-23T20:31:12.123456789Z`. */
export function isoTimestamp(ns: bigint): string {
  const ms = ns / 1_000_000n - (ns % 1_000_000n < 0n ? 1n : 0n);
  const rest = ns - ms * 1_000_000n;
  return new Date(Number(ms)).toISOString().slice(0, -1) + String(rest).padStart(6, "0") + "Z";
}

/** Nanoseconds of what `isoTimestamp` wrote. */
export function timestampNs(iso: string): bigint {
  const point = iso.indexOf(".");
  return BigInt(Date.parse(`${iso.slice(0, point)}Z`)) * 1_000_000n + BigInt(iso.slice(point + 1, -1));
}

/** One value of a vector, as it stands in a row. */
export function valueOf(vector: Vector, row: number): RowValue {
  switch (vector.kind) {
    case "fixed":
      return fixedValueOf(vector, row);
    case "utf8":
    case "dictionary":
      return vector.text(row);
    case "map": {
      const entries: Record<string, RowValue> = {};
      for (let at = vector.offsets[row]; at < vector.offsets[row + 1]; at++) {
        entries[vector.keys.text(at)] = vector.values.text(at);
      }
      return entries;
    }
    case "list":
      return Array.from(
        { length: vector.offsets[row + 1] - vector.offsets[row] },
        (_, index) => valueOf(vector.child, vector.offsets[row] + index),
      );
    case "struct":
      return Object.fromEntries(
        vector.columns.map((column, field) => [column.name, valueOf(vector.children[field], row)]),
      );
  }
}

function fixedValueOf(vector: FixedVector, row: number): RowValue {
  if (vector.validity.isNull(row)) return null;
  switch (vector.type) {
    case "timestamp":
      return isoTimestamp(vector.bigints()[row]);
    case "int64":
      return String(vector.bigints()[row]);
    case "uint64":
      return String(BigInt.asUintN(64, vector.bigints()[row]));
    case "int32":
      return vector.words[row];
    case "uint32":
      return vector.words[row] >>> 0;
    case "bool":
      return vector.bytes[row] !== 0;
    case "float64": {
      const value = vector.doubles()[row];
      return Number.isFinite(value) ? value : String(value);
    }
  }
}
