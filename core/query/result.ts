/**
 * What a query answers: typed columns and batches of exact values.
 *
 * A value is `null` or, by the shape of its column's type:
 * boolean; integer → bigint; float → number; decimal → bigint (unscaled); text → string; blob → Uint8Array;
 * timestamp → bigint in its unit since 1970; date → number of days since 1970; time → bigint in its unit since
 * midnight; interval → `IntervalValue`; list → array; struct → array in the order of its fields;
 * map → array of [key, value].
 */
export type TimeUnit = "s" | "ms" | "us" | "ns";

export type ResultType =
  | { readonly kind: "boolean" | "text" | "blob" | "date" | "interval" | "null" }
  | { readonly kind: "integer"; readonly bits: 8 | 16 | 32 | 64 | 128; readonly signed: boolean }
  | { readonly kind: "float"; readonly bits: 32 | 64 }
  | { readonly kind: "decimal"; readonly width: number; readonly scale: number }
  | { readonly kind: "timestamp"; readonly unit: TimeUnit; readonly zoned: boolean }
  | { readonly kind: "time"; readonly unit: "us" | "ns" }
  | { readonly kind: "list"; readonly element: ResultType }
  | { readonly kind: "map"; readonly key: ResultType; readonly value: ResultType }
  | {
    readonly kind: "struct";
    readonly fields: readonly { readonly name: string; readonly type: ResultType }[];
  };

export interface IntervalValue {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
}

export type ResultValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | IntervalValue
  | readonly ResultValue[];

export interface ResultColumn {
  readonly name: string;
  /** DuckDB's name of the type: `BIGINT`, `TIMESTAMP_NS`, `MAP(VARCHAR, VARCHAR)`. */
  readonly type: string;
  readonly shape: ResultType;
}

/** Rows in columns: `columns[c][r]`. */
export interface ResultBatch {
  readonly rows: number;
  readonly columns: readonly (readonly ResultValue[])[];
}

/** About how many bytes a value takes in memory. */
export function valueBytes(value: ResultValue): number {
  if (typeof value === "string") return value.length;
  if (value instanceof Uint8Array) return value.length;
  return Array.isArray(value) ? value.reduce((sum: number, each) => sum + valueBytes(each), 16) : 8;
}
