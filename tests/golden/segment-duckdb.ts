/** Reads Parquet files with DuckDB into plain values, the shape of `rowOf` in segment-chunk.ts. */
import {
  type DuckDBConnection,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampNanosecondsValue,
} from "@duckdb/node-api";

export interface ParquetReader {
  /** All rows in the file's order. */
  rows(path: string): Promise<Record<string, unknown>[]>;
  /** SQL type of each top-level column. */
  types(path: string): Promise<Record<string, string>>;
  /** Every column below the root, nested ones by dotted path, with its field id. */
  fieldIds(path: string): Promise<Record<string, number | null>>;
  query(sql: string): Promise<Record<string, unknown>[]>;
  close(): void;
}

export async function openDuckDb(): Promise<ParquetReader> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1", memory_limit: "512MB" });
  const connection = await instance.connect();
  const query = (sql: string) => queryRows(connection, sql);
  return {
    query,
    rows: (path) => query(`SELECT * FROM read_parquet(${quoted(path)}, file_row_number = false)`),
    types: async (path) => {
      const columns = await query(`DESCRIBE SELECT * FROM read_parquet(${quoted(path)})`);
      return Object.fromEntries(columns.map((column) => [column.column_name, String(column.column_type)]));
    },
    fieldIds: async (path) => fieldIdsOf(await query(`SELECT * FROM parquet_schema(${quoted(path)})`)),
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

async function queryRows(connection: DuckDBConnection, sql: string): Promise<Record<string, unknown>[]> {
  const reader = await connection.runAndReadAll(sql);
  const names = reader.columnNames();
  return reader.getRows().map((row) => Object.fromEntries(row.map((value, index) => [names[index], plain(value)])));
}

function plain(value: unknown): unknown {
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos;
  if (value instanceof DuckDBMapValue) return value.entries.map(({ key, value }) => [plain(key), plain(value)]);
  if (value instanceof DuckDBListValue) return value.items.map(plain);
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, each]) => [name, plain(each)]));
  }
  return value;
}

/** `parquet_schema` lists the tree in pre-order, with the number of children of each group. */
function fieldIdsOf(elements: readonly Record<string, unknown>[]): Record<string, number | null> {
  const ids: Record<string, number | null> = {};
  let next = 0;
  const visit = (path: readonly string[]) => {
    const { name, num_children: children, field_id: id } = elements[next++];
    const own = next === 1 ? [] : [...path, String(name)];
    if (own.length > 0) ids[own.join(".")] = id === null ? null : Number(id);
    for (let child = 0; child < Number(children ?? 0); child++) visit(own);
  };
  visit([]);
  return ids;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
