/** Rows of the tables of schema `system` as JSON, for routes that list them: the same names, times as text. */
import { isoTimestamp } from "../../../core/model/row.ts";
import {
  type SystemColumn,
  systemColumns,
  type SystemRow,
  type SystemTableName,
  type SystemType,
} from "../../../core/system/tables.ts";
import {
  boolean,
  instant,
  integer,
  type JsonSchema,
  listOf,
  nullable,
  number,
  objectOf,
  text,
} from "../schema.ts";

export type JsonRow = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export function rowJson(table: SystemTableName, row: SystemRow): JsonRow {
  return Object.fromEntries(systemColumns[table].map((column) => [column.name, valueJson(column, row)]));
}

/** @param more members of each row beside its columns */
export function rowSchema(
  table: SystemTableName,
  more: Readonly<Record<string, JsonSchema>> = {},
): JsonSchema {
  const columns = systemColumns[table].map(({ name, type, doc }) => [
    name,
    { ...nullable(schemaOf[type]), description: doc },
  ]);
  return objectOf({ ...more, ...Object.fromEntries(columns) });
}

function valueJson({ name, type }: SystemColumn, row: SystemRow): JsonRow[string] {
  const value = row[name];
  if (value === undefined) return null;
  if (type === "TIMESTAMP_NS") return isoTimestamp(value as bigint);
  return typeof value === "bigint" ? Number(value) : value;
}

const schemaOf: Readonly<Record<SystemType, JsonSchema>> = {
  VARCHAR: text,
  BIGINT: integer,
  DOUBLE: number,
  BOOLEAN: boolean,
  TIMESTAMP_NS: instant,
  "VARCHAR[]": listOf(text),
};
