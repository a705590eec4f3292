/** Which records a person looks for, the same for a search, a histogram, its fields and a live tail. */
import { OpenWitError } from "../error.ts";
import { type Signal, timeColumnOf } from "../model/columns.ts";
import type { Bindings } from "./bindings.ts";
import { fieldEquals, resolveField } from "./field.ts";
import type { SeverityRange } from "./severity.ts";

export interface RecordFilter {
  /** Text in the language of `match`; empty for all. */
  readonly query?: string;
  /** Text that the body, span name or metric name contains exactly as it is. */
  readonly grep?: string;
  /** Any of these; empty for all. */
  readonly services: readonly string[];
  readonly severity?: SeverityRange;
  /** All of these. */
  readonly fields: readonly FieldValue[];
}

export interface FieldValue {
  readonly name: string;
  readonly value: string;
}

export const everything: RecordFilter = { services: [], fields: [] };

/** The column that a person searches for text. */
export const textColumnOf: Readonly<Record<Signal, string>> = {
  logs: "body",
  spans: "name",
  metrics: "metric_name",
};

/** Conditions in SQL, all of which a record meets. @throws OpenWitError `invalid_argument` */
export function filterConditions(signal: Signal, filter: RecordFilter, bindings: Bindings): string[] {
  const conditions: string[] = [];
  if (filter.services.length > 0) {
    conditions.push(`service_name IN (${filter.services.map((name) => bindings.add(name)).join(", ")})`);
  }
  if (filter.severity !== undefined) {
    if (signal !== "logs") {
      throw new OpenWitError("invalid_argument", `${signal} have no severity`, { hint: "only logs have" });
    }
    const { min, max } = filter.severity;
    if (min === max) conditions.push(`severity_number = ${min}`);
    else {
      conditions.push(`severity_number >= ${min}`);
      if (max < 24) conditions.push(`severity_number <= ${max}`);
    }
  }
  for (const { name, value } of filter.fields) {
    conditions.push(fieldEquals(resolveField(signal, name), value, bindings));
  }
  if (filter.grep !== undefined && filter.grep !== "") {
    conditions.push(`contains(${textColumnOf[signal]}, ${bindings.add(filter.grep)})`);
  }
  if (hasQuery(filter)) conditions.push(`match(${textColumnOf[signal]}, ${bindings.add(filter.query!)})`);
  return conditions;
}

/** Whether a filter has a text to look for; `*` is everything, as in other languages of search. */
export function hasQuery({ query }: RecordFilter): boolean {
  return query !== undefined && query.trim() !== "" && query.trim() !== "*";
}

/** `WHERE a AND b`, or nothing. */
export function where(conditions: readonly string[]): string {
  return conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
}

/** `KEY=VALUE` as one writes it in a flag or a parameter. @throws OpenWitError `invalid_argument` */
export function parseFieldValue(text: string, name: string): FieldValue {
  const at = text.indexOf("=");
  if (at > 0) return { name: text.slice(0, at), value: text.slice(at + 1) };
  throw new OpenWitError("invalid_argument", `${name} is ${JSON.stringify(text.slice(0, 100))}`, {
    hint: "write KEY=VALUE, such as http.route=/cart or trace_id=4bf92f3577b34da6a3ce929d0e0e4736",
  });
}

/** A comparison with the signal's time. */
export function timeCondition(signal: Signal, operator: "<" | "<=" | "=" | ">=" | ">", ns: bigint): string {
  return `${timeColumnOf[signal]} ${operator} make_timestamp_ns(${ns})`;
}
