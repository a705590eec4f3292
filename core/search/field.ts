/**
 * Fields as people name them in filters: a column, or the key of an attribute, as core/text/field.ts has them in the
 * language of `match`, and with a prefix (`attributes.`, `resource_attributes.`, `scope_attributes.`) the key in that
 * place alone.
 */
import { OpenWitError } from "../error.ts";
import { type Column, columnsOf, type Signal } from "../model/columns.ts";
import { quoteIdentifier, quoteText } from "../model/sql.ts";
import { fieldOf } from "../text/field.ts";
import type { Bindings } from "./bindings.ts";

/** Where an attribute is looked for, in this order. */
export const attributeColumns = ["attributes", "resource_attributes", "scope_attributes"] as const;
export type AttributeColumn = (typeof attributeColumns)[number];

export type Field =
  | {
    readonly kind: "column";
    readonly column: Column;
    /** How values are to be compared: `any` of a severity, `lower` of ids, which are stored so. */
    readonly case: "exact" | "any" | "lower";
  }
  /** Looked for in these columns, in this order. */
  | { readonly kind: "attribute"; readonly in: readonly AttributeColumn[]; readonly key: string };

/** @throws OpenWitError `invalid_argument` for a name that is empty, or a column that has no single value */
export function resolveField(signal: Signal, name: string): Field {
  const place = attributeColumns.find((each) => name.startsWith(`${each}.`));
  if (place !== undefined) return { kind: "attribute", in: [place], key: name.slice(place.length + 1) };
  if (name === "") throw new OpenWitError("invalid_argument", "a field has no name");
  const field = fieldOf({ field: name, position: 0 }, signal);
  if (field.kind === "attribute") return { ...field, in: attributeColumns };
  const column = columnsOf[signal].find((each) =>
    each.name === (field.kind === "text" ? "body" : field.name)
  )!;
  return { kind: "column", column, case: field.kind === "text" ? "exact" : field.case };
}

/** The field's value as text; NULL where a record has none. */
export function fieldText(field: Field): string {
  if (field.kind === "column") {
    const quoted = quoteIdentifier(field.column.name);
    return isText(field.column) ? `nullif(${quoted}, '')` : `CAST(${quoted} AS VARCHAR)`;
  }
  const values = field.in.map((column) => `${column}[${quoteText(field.key)}]`);
  return values.length === 1 ? values[0] : `coalesce(${values.join(", ")})`;
}

/** The condition that a field has a value. @throws OpenWitError `invalid_argument` for a value that it cannot have */
export function fieldEquals(field: Field, value: string, bindings: Bindings): string {
  if (field.kind === "attribute") {
    const bound = bindings.add(value);
    return `(${field.in.map((column) => `${column}[${quoteText(field.key)}] = ${bound}`).join(" OR ")})`;
  }
  const { column } = field;
  const quoted = quoteIdentifier(column.name);
  if (isText(column)) {
    if (field.case === "any") return `lower(${quoted}) = lower(${bindings.add(value)})`;
    return `${quoted} = ${bindings.add(field.case === "lower" ? value.toLowerCase() : value)}`;
  }
  const isValid = column.type.kind === "bool" ? /^(true|false)$/.test(value) : /^-?\d{1,19}$/.test(value);
  if (isValid) return `${quoted} = ${value}`;
  throw new OpenWitError(
    "invalid_argument",
    `${column.name} cannot be ${JSON.stringify(value.slice(0, 60))}`,
    { hint: column.type.kind === "bool" ? "it is true or false" : "it is a whole number" },
  );
}

function isText({ type }: Column): boolean {
  return type.kind === "utf8" || type.kind === "dictionary";
}
