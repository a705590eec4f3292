/**
 * Tables of schema `system` as temporary tables of one statement's connection: few rows, given as one JSON text.
 * 12,000 segments take a quarter of a second, most of it in from_json.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import { quoteIdentifier, quoteText } from "../../core/model/sql.ts";
import { systemColumns, type SystemTable, type SystemType } from "../../core/system/tables.ts";
import { systemViewName } from "../../core/query/system.ts";

/** Makes the table by the name under which rewritten statements read it. */
export async function createSystemTable(connection: DuckDBConnection, table: SystemTable): Promise<void> {
  const columns = systemColumns[table.name];
  const shape = JSON.stringify([Object.fromEntries(columns.map(({ name, type }) => [name, wireType(type)]))]);
  const list = columns.map(({ name, type }) => {
    const value = `r.${quoteIdentifier(name)}`;
    return `${type === "TIMESTAMP_NS" ? `make_timestamp_ns(${value})` : value} AS ${quoteIdentifier(name)}`;
  });
  await connection.run(
    `CREATE TEMP TABLE ${systemViewName(table.name)} AS
     SELECT ${list.join(", ")} FROM (SELECT unnest(from_json($1::JSON, ${quoteText(shape)})) AS r)`,
    [rowsText(table)],
  );
}

/** 64 bits do not fit a JSON number of JavaScript's; the engine reads them from text as well. */
function rowsText({ rows }: SystemTable): string {
  return JSON.stringify(rows, (_key, value) => typeof value === "bigint" ? String(value) : value);
}

function wireType(type: SystemType): string | string[] {
  if (type === "TIMESTAMP_NS") return "BIGINT";
  return type === "VARCHAR[]" ? ["VARCHAR"] : type;
}
