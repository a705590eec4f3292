/** What `name:value` in a query means for the rows of a signal: a column, its text, or an attribute. */
import { OpenWitError } from "../error.ts";
import { type Column, columnsOf, type Signal } from "../model/columns.ts";
import type { FieldQuery } from "./query.ts";

export type Field =
  /** Words of the column whose texts are free: the body of a record. */
  | { readonly kind: "text" }
  | {
    readonly kind: "column";
    readonly name: string;
    /** Else a number or a truth value, that is compared with its text. */
    readonly isText: boolean;
    /** How values are to be compared: `any` of a severity, `lower` of ids, which are stored so. */
    readonly case: "exact" | "any" | "lower";
  }
  /** A key of the row's attributes, or of its resource's or its scope's. */
  | { readonly kind: "attribute"; readonly key: string };

/** @throws OpenWitError `invalid_argument` for a column that has no single value */
export function fieldOf({ field, position }: Pick<FieldQuery, "field" | "position">, signal: Signal): Field {
  const lower = field.toLowerCase();
  const name = Object.hasOwn(aliases, lower) ? aliases[lower] : lower;
  const column = columnsOf[signal].find((each) => each.name === name);
  if (column === undefined) return { kind: "attribute", key: field };
  if (signal === "logs" && name === "body") return { kind: "text" };
  if (!isComparable(column)) {
    throw new OpenWitError(
      "invalid_argument",
      `${field} cannot be compared in a query`,
      { hint: hintOf(column), position },
    );
  }
  return {
    kind: "column",
    name,
    isText: column.type.kind === "utf8" || column.type.kind === "dictionary",
    case: name === "severity_text" ? "any" : idColumns.has(name) ? "lower" : "exact",
  };
}

const aliases: Readonly<Record<string, string>> = {
  service: "service_name",
  level: "severity_text",
  severity: "severity_text",
  trace: "trace_id",
  span: "span_id",
  event: "event_name",
  metric: "metric_name",
};

const idColumns: ReadonlySet<string> = new Set(["trace_id", "span_id", "parent_span_id"]);

function isComparable({ type }: Column): boolean {
  return /^(utf8|dictionary|bool|u?int(32|64))$/.test(type.kind);
}

function hintOf({ name, type }: Column): string {
  switch (type.kind) {
    case "map":
      return `name an attribute by its key, such as http.route:/orders`;
    case "timestamp":
      return `compare it in SQL: WHERE ${name} > now() - INTERVAL '15 minutes'`;
    default:
      return "compare it in SQL";
  }
}
