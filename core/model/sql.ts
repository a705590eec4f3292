/**
 * SQL types and text derived from the table of columns (columns.ts), in DuckDB's dialect.
 */
import { type Column, columnsOf, type ColumnType, type Signal } from "./columns.ts";

/** `TIMESTAMP_NS`, `MAP(VARCHAR, VARCHAR)`, `STRUCT("name" VARCHAR, …)[]`, … */
export function sqlType(type: ColumnType): string {
  switch (type.kind) {
    case "timestamp":
      return "TIMESTAMP_NS";
    case "int64":
      return "BIGINT";
    case "uint64":
      return "UBIGINT";
    case "int32":
      return "INTEGER";
    case "uint32":
      return "UINTEGER";
    case "float64":
      return "DOUBLE";
    case "bool":
      return "BOOLEAN";
    case "utf8":
    case "dictionary":
      return "VARCHAR";
    case "map":
      return "MAP(VARCHAR, VARCHAR)";
    case "list":
      return `${sqlType(type.element)}[]`;
    case "struct":
      return `STRUCT(${
        type.fields.map((field) => `${quoteIdentifier(field.name)} ${sqlType(field.type)}`).join(", ")
      })`;
  }
}

/**
 * Columns of a signal, all or only some, as a select list in which each has exactly its declared type.
 * @param given what stands for columns that are not read, by their names
 */
export function typedSelectList(
  signal: Signal,
  only?: ReadonlySet<string>,
  given: Readonly<Record<string, string>> = {},
): string {
  return columnsOf[signal].filter(({ name }) => only === undefined || only.has(name)).map(
    ({ name, type }: Column) => {
      const quoted = quoteIdentifier(name);
      const value = Object.hasOwn(given, name) ? given[name] : quoted;
      return `CAST(${value} AS ${sqlType(type)}) AS ${quoted}`;
    },
  ).join(", ");
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
