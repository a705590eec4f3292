/** Which fields the records of a signal have, how often, of which types, and with which values. */
import { type Column, columnsOf, type Signal } from "../model/columns.ts";
import { quoteIdentifier, sqlType } from "../model/sql.ts";
import { formatTypedValue, parseTypedJson, type TypeLetter } from "../model/value.ts";
import { Bindings, type BuiltStatement } from "./bindings.ts";
import { type AttributeColumn, attributeColumns, fieldText, resolveField } from "./field.ts";
import { filterConditions, type RecordFilter, where } from "./filter.ts";
import type { JsonRow } from "./page.ts";

export interface FieldInfo {
  /** As it is written in a filter. */
  readonly name: string;
  readonly kind: "column" | AttributeColumn;
  /** SQL type of a column; of an attribute those of its values: string, int, double, bool, … */
  readonly types: readonly string[];
  /** Records that have it. */
  readonly rows: number;
}

/** Different sets of keys that are looked at; records beyond are not counted, and the answer says so. */
const shapesMax = 20_000;

/** Columns that say how other columns are to be read, and columns that are lists. */
const hiddenColumns: ReadonlySet<string> = new Set(["attribute_types", "body_type", "pattern_id"]);

/** How many records there are, and how many have each column. */
export function columnsStatement(signal: Signal, filter: RecordFilter): BuiltStatement {
  const bindings = new Bindings();
  const conditions = filterConditions(signal, filter, bindings);
  const counts = shownColumns(signal).map((column, at) => `count(${filled(column)}) AS c${at}`);
  return {
    sql: `SELECT count(*) AS records, ${counts.join(", ")} FROM ${signal}${where(conditions)}`,
    params: bindings.values,
    limit: 1,
  };
}

/** Sets of keys of a kind of attributes with their types, and how many records have exactly these. */
export function attributesStatement(
  signal: Signal,
  column: AttributeColumn,
  filter: RecordFilter,
): BuiltStatement {
  const bindings = new Bindings();
  const conditions = filterConditions(signal, filter, bindings);
  const shape = column === "attributes"
    ? "map_keys(attributes) AS keys, attribute_types AS types"
    : `${column} AS json`;
  return {
    sql: `SELECT ${shape}, count(*) AS records FROM ${signal}${where(conditions)} GROUP BY ALL`,
    params: bindings.values,
    limit: shapesMax,
  };
}

export function columnInfos(signal: Signal, row: JsonRow): FieldInfo[] {
  return shownColumns(signal).map((column, at) => ({
    name: column.name,
    kind: "column",
    types: [sqlType(column.type)],
    rows: Number(row[`c${at}`]),
  }));
}

/** @param rows what the statement of that column gave */
export function attributeInfos(column: AttributeColumn, rows: readonly JsonRow[]): FieldInfo[] {
  const infos = new Map<string, { types: Set<string>; rows: number }>();
  for (const row of rows) {
    for (const [key, type] of column === "attributes" ? mapKeys(row) : jsonKeys(row)) {
      let info = infos.get(key);
      if (info === undefined) infos.set(key, info = { types: new Set(), rows: 0 });
      info.types.add(type);
      info.rows += Number(row.records);
    }
  }
  return [...infos].map(([key, { types, rows }]) => ({
    name: `${column}.${key}`,
    kind: column,
    types: [...types].sort(),
    rows,
  }));
}

/** The most frequent first, then by name. */
export function sortFields(fields: readonly FieldInfo[]): FieldInfo[] {
  return fields.toSorted((left, right) => right.rows - left.rows || (left.name < right.name ? -1 : 1));
}

export interface ValuesRequest {
  readonly signal: Signal;
  readonly name: string;
  readonly filter: RecordFilter;
  /** Only values that begin so, in any case. */
  readonly prefix?: string;
  readonly limit: number;
}

/** Values of a field with how often they are, the most frequent first; one more than the limit, to know of more. */
export function valuesStatement({ signal, name, filter, prefix, limit }: ValuesRequest): BuiltStatement {
  const bindings = new Bindings();
  const value = fieldText(resolveField(signal, name));
  const conditions = [
    ...filterConditions(signal, filter, bindings),
    `${value} IS NOT NULL`,
    ...(prefix === undefined || prefix === ""
      ? []
      : [`starts_with(lower(${value}), lower(${bindings.add(prefix)}))`]),
  ];
  return {
    sql: `SELECT ${value} AS value, count(*) AS records FROM ${signal}${
      where(conditions)
    } GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${limit + 1}`,
    params: bindings.values,
    limit: limit + 1,
  };
}

function shownColumns(signal: Signal): Column[] {
  return columnsOf[signal].filter(({ name }) =>
    !(attributeColumns as readonly string[]).includes(name) && !hiddenColumns.has(name)
  );
}

/** NULL where a record has nothing in the column. */
function filled({ name, type }: Column): string {
  const quoted = quoteIdentifier(name);
  if (type.kind === "utf8" || type.kind === "dictionary") return `nullif(${quoted}, '')`;
  return type.kind === "list" ? `CASE WHEN len(${quoted}) > 0 THEN 1 END` : quoted;
}

/** Keys of a row's map with the names of their values' types. */
function mapKeys({ keys, types }: JsonRow): [key: string, type: string][] {
  return (keys as readonly string[]).map((key, at) => [
    key,
    typeNames[String(types).charAt(at) as TypeLetter] ?? typeNames.s, // no letters at all: all are strings
  ]);
}

/** The same of typed JSON text; empty text has none. */
function jsonKeys({ json }: JsonRow): [key: string, type: string][] {
  if (json === null || json === "") return [];
  const value = parseTypedJson(String(json));
  if (value === null || typeof value !== "object" || !("kvlist" in value)) return [];
  const types = new Map(value.kvlist.map(([key, inner]) => [key, typeNames[formatTypedValue(inner).letter]]));
  return [...types];
}

const typeNames: Readonly<Record<TypeLetter, string>> = {
  s: "string",
  b: "bool",
  i: "int",
  d: "double",
  y: "bytes",
  a: "array",
  m: "kvlist",
  n: "empty",
};
