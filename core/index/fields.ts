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

export const serviceColumn = "service_name";

/** A number that tells how bad what a row tells of is. */
export interface Level {
  readonly column: string;
  /** Whether a block has a row of at least so much is known for each of these, ascending. */
  readonly thresholds: readonly number[];
  /** From this one on it is known as well of which services. */
  readonly pairedFrom: number;
}

export const levelOf: Readonly<Record<Signal, Level | undefined>> = {
  // Where debug, info, warn, error and fatal begin.
  logs: { column: "severity_number", thresholds: [5, 9, 13, 17, 21], pairedFrom: 13 },
  spans: { column: "status_code", thresholds: [2], pairedFrom: 2 },
  metrics: undefined,
};

/** The greatest threshold that a number reaches; `undefined` where it reaches none. */
export function thresholdBelow(thresholds: readonly number[], number: number): number | undefined {
  return thresholds.findLast((each) => each <= number);
}

/** The column that is looked up in any case as well, by itself and with a service. */
export const foldedColumnOf: Readonly<Record<Signal, string | undefined>> = {
  logs: "severity_text",
  spans: undefined,
  metrics: undefined,
};

/** A text in lower case; `undefined` for one beyond ASCII, of which nobody knows what an engine makes. */
export function foldedValue(text: string): string | undefined {
  // deno-lint-ignore no-control-regex -- ASCII is meant whole
  return /^[\x00-\x7f]*$/.test(text) ? text.toLowerCase() : undefined;
}

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
