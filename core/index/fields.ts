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

/** Whether an index knows the values of a field. */
export function isIndexedField(signal: Signal, field: string): boolean {
  const isKey = [mapColumn, ...jsonColumns].some((column) => field.startsWith(`${column}.`));
  return isKey || valueColumns[signal].includes(field);
}

/** Whether a field is a key of a JSON column, whose value may be one that only JSON can tell. */
export function jsonColumnOf(field: string): string | undefined {
  return jsonColumns.find((column) => field.startsWith(`${column}.`));
}
