/** What an index can be asked for the value of a key in an attribute column. */
import { all, type IndexPredicate } from "./predicate.ts";

export type AttributeColumn = "attributes" | "resource_attributes" | "scope_attributes";

/**
 * `attributes['key'] = 'value'`, and the same of a column of JSON text. Of JSON, an index holds texts, truth values
 * and integers as SQL gives them; what SQL prints in another way than it is stored (1e5, 1.50), and lists and
 * objects, it cannot be asked for.
 */
export function keyPredicate(column: AttributeColumn, key: string, value: string): IndexPredicate {
  if (column !== "attributes") {
    const isNested = /^\s*[[{]/.test(value);
    const isOtherNumber = value.trim() !== "" && !Number.isNaN(Number(value)) && !/^-?\d{1,15}$/.test(value);
    if (isNested || isOtherNumber) return all;
  }
  return value === "" ? all : { kind: "equal", field: `${column}.${key}`, value };
}
