/**
 * DuckDB's result chunks as the exact values of core/query/result.ts.
 */
import type { DuckDBDataChunk, DuckDBType, DuckDBValue, DuckDBVector } from "@duckdb/node-api";
import { OpenWitError } from "../../core/error.ts";
import { type ResultBatch, type ResultType, type ResultValue, valueBytes } from "../../core/query/result.ts";
import type { DuckDB } from "./load.ts";

/** How to read the values of one column. */
export interface ColumnReader {
  readonly shape: ResultType;
  read(value: DuckDBValue): ResultValue;
}

/**
 * Reads a chunk in batches of about `batchBytes`: a chunk of 2,048 long texts, which may be one text that stands in
 * each row, would take gigabytes as values.
 */
export class ChunkReader {
  readonly #rows: number;
  readonly #vectors: readonly DuckDBVector[];
  #next = 0;
  #rowBytes = batchBytes; // of the last batch, on average; none is known yet, so begin with one row

  constructor(chunk: DuckDBDataChunk, readonly readers: readonly ColumnReader[]) {
    this.#rows = chunk.rowCount;
    this.#vectors = readers.map((_, column) => chunk.getColumnVector(column));
  }

  /** The next rows; `undefined` when there are no more. */
  next(): ResultBatch | undefined {
    if (this.#next === this.#rows) return undefined;
    const columns = this.readers.map((): ResultValue[] => []);
    let rows = 0, bytes = 0;
    while (this.#next < this.#rows && bytes < batchBytes) {
      const more = Math.min(
        this.#rows - this.#next,
        Math.max(1, Math.min(rows * 8 || this.#rows, Math.floor((batchBytes - bytes) / this.#rowBytes))),
      );
      for (const [column, vector] of this.#vectors.entries()) {
        for (let row = this.#next; row < this.#next + more; row++) {
          const item = vector.getItem(row);
          const value = item === null ? null : this.readers[column].read(item);
          columns[column].push(value);
          bytes += valueBytes(value);
        }
      }
      rows += more;
      this.#next += more;
      this.#rowBytes = Math.max(1, bytes / rows);
    }
    return { rows, columns };
  }
}

const batchBytes = 1024 * 1024;

// deno-lint-ignore no-explicit-any -- values and types of the binding are a union that is told apart by typeId
type Any = any;

/** Types without an exact shape of their own (UUID, ENUM, BIT, TIMETZ, …) read as DuckDB's text. */
export function columnReader({ api }: DuckDB, type: DuckDBType): ColumnReader {
  const id = api.DuckDBTypeId;
  const of = (shape: ResultType, read: (value: Any) => ResultValue): ColumnReader => ({ shape, read });
  const integer = (bits: 8 | 16 | 32 | 64 | 128, signed: boolean) =>
    of({ kind: "integer", bits, signed }, (value) => BigInt(value));
  const nested = (inner: DuckDBType) => {
    const reader = columnReader({ api } as DuckDB, inner);
    return { shape: reader.shape, read: (value: Any) => value === null ? null : reader.read(value) };
  };
  switch (type.typeId) {
    case id.BOOLEAN:
      return of({ kind: "boolean" }, (value) => value);
    case id.TINYINT:
      return integer(8, true);
    case id.SMALLINT:
      return integer(16, true);
    case id.INTEGER:
      return integer(32, true);
    case id.BIGINT:
      return integer(64, true);
    case id.HUGEINT:
      return integer(128, true);
    case id.UTINYINT:
      return integer(8, false);
    case id.USMALLINT:
      return integer(16, false);
    case id.UINTEGER:
      return integer(32, false);
    case id.UBIGINT:
      return integer(64, false);
    case id.UHUGEINT:
      return integer(128, false);
    case id.FLOAT:
      return of({ kind: "float", bits: 32 }, (value) => value);
    case id.DOUBLE:
      return of({ kind: "float", bits: 64 }, (value) => value);
    case id.DECIMAL: {
      const { width, scale } = type as Any;
      return of({ kind: "decimal", width, scale }, (value) => value.value);
    }
    case id.VARCHAR:
      return of({ kind: "text" }, (value) => value);
    case id.BLOB:
      return of({ kind: "blob" }, (value) => value.bytes);
    case id.DATE:
      return of({ kind: "date" }, (value) => value.days);
    case id.TIME:
      return of({ kind: "time", unit: "us" }, (value) => value.micros);
    case id.TIME_NS:
      return of({ kind: "time", unit: "ns" }, (value) => value.nanos);
    case id.TIMESTAMP_S:
      return of({ kind: "timestamp", unit: "s", zoned: false }, (value) => value.seconds);
    case id.TIMESTAMP_MS:
      return of({ kind: "timestamp", unit: "ms", zoned: false }, (value) => value.millis);
    case id.TIMESTAMP:
      return of({ kind: "timestamp", unit: "us", zoned: false }, (value) => value.micros);
    case id.TIMESTAMP_TZ:
      return of({ kind: "timestamp", unit: "us", zoned: true }, (value) => value.micros);
    case id.TIMESTAMP_NS:
      return of({ kind: "timestamp", unit: "ns", zoned: false }, (value) => value.nanos);
    case id.INTERVAL:
      return of(
        { kind: "interval" },
        (value) => ({ months: value.months, days: value.days, micros: value.micros }),
      );
    case id.SQLNULL:
      return of({ kind: "null" }, () => null);
    case id.LIST:
    case id.ARRAY: {
      const element = nested((type as Any).valueType);
      return of({ kind: "list", element: element.shape }, (value) => value.items.map(element.read));
    }
    case id.MAP: {
      const key = nested((type as Any).keyType), value = nested((type as Any).valueType);
      return of(
        { kind: "map", key: key.shape, value: value.shape },
        (map) => map.entries.map((entry: Any) => [key.read(entry.key), value.read(entry.value)]),
      );
    }
    case id.STRUCT: {
      const { entryNames, entryTypes } = type as Any;
      if (new Set(entryNames).size < entryNames.length) throw namelessRow(); // the binding tells parts by name alone
      const fields = entryNames.map((name: string, index: number) => ({
        name,
        ...nested(entryTypes[index]),
      }));
      return of(
        {
          kind: "struct",
          fields: fields.map(({ name, shape }: Any) => ({ name, type: shape })),
        },
        (value) => fields.map((field: Any) => field.read(value.entries[field.name])),
      );
    }
    default:
      return of({ kind: "text" }, (value) => String(value));
  }
}

function namelessRow(): OpenWitError {
  return new OpenWitError("invalid_argument", "a row whose parts have no names cannot be given out", {
    hint: "name them: {'a': 1, 'b': 2}",
  });
}
