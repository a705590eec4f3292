/** Which columns of a signal an index knows by value, and by word. */
import { columnsOf, type Signal } from "../model/columns.ts";
import type { TextColumn } from "./predicate.ts";

/** Columns whose values are looked up as they are; ids, and what has few values. */
export const valueColumns: Readonly<Record<Signal, readonly string[]>> = {
  logs: [...dictionaryColumns("logs"), "trace_id", "span_id", "severity_number"],
  spans: [...dictionaryColumns("spans"), "trace_id", "span_id", "parent_span_id", "kind", "status_code"],
  metrics: [...dictionaryColumns("metrics"), "series_id"],
};

/** Whose keys are fields: `attributes.http.route`. */
export const mapColumn = "attributes";
/** The same for columns of JSON text. */
export const jsonColumns = ["resource_attributes", "scope_attributes"] as const;

/** The column whose words are indexed. */
export const textColumnOf: Readonly<Record<Signal, TextColumn | undefined>> = {
  logs: "body",
  spans: "name",
  metrics: undefined,
};

/** Left out: JSON, which is looked up by key, and what nobody looks for. */
function dictionaryColumns(signal: Signal): string[] {
  const leftOut = new Set([
    ...["resource_attributes", "scope_attributes", "resource_entity_refs", "metric_metadata"],
    ...["attribute_types", "description", "resource_schema_url", "scope_schema_url", "status_message"],
    ...["trace_state", "body_type"],
  ]);
  return columnsOf[signal].filter(({ name, type }) => type.kind === "dictionary" && !leftOut.has(name))
    .map(({ name }) => name);
}

/** Fields that share their values: a parent's id and its children's stand mostly in one block, and take one token. */
const sharedFields: Readonly<Record<string, string>> = { parent_span_id: "span_id" };

/** The name under which a field's values are hashed; `undefined` when the index does not know the field. */
export function hashedField(signal: Signal, field: string): string | undefined {
  const isKey = [mapColumn, ...jsonColumns].some((column) => field.startsWith(`${column}.`));
  if (isKey) return field;
  return valueColumns[signal].includes(field) ? sharedFields[field] ?? field : undefined;
}

/** Whether a field is a key of a JSON column, whose value may be one that only JSON can tell. */
export function jsonColumnOf(field: string): string | undefined {
  return jsonColumns.find((column) => field.startsWith(`${column}.`));
}
