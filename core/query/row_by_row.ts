/** Which expressions are made of one row alone, and are the same for the same row. */
import { aggregateFunctions } from "./functions.ts";
import { isNode, type SqlValue, textOf } from "./tree.ts";

/** Whether an item of a select list is a value of each row, and of no other row. */
export function isRowByRow(value: SqlValue): boolean {
  if (Array.isArray(value)) return value.every(isRowByRow);
  if (!isNode(value)) return true;
  if (value.class === "WINDOW" || value.class === "SUBQUERY") return false;
  const name = value.class === "FUNCTION" ? textOf(value.function_name).toLowerCase() : "";
  return !aggregateFunctions.has(name) && !unnesting.has(name) && Object.values(value).every(isRowByRow);
}

/** Functions that make several rows of one. */
const unnesting: ReadonlySet<string> = new Set(["unnest", "generate_subscripts", "regexp_split_to_table"]);

/** Of expressions that are made of others, and read no other row. */
export const plainClasses: ReadonlySet<string> = new Set(
  ["BETWEEN", "CASE", "CAST", "COLLATE", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "OPERATOR"],
);

/** Functions that are not the same for the same row each time. */
export const volatileFunctions: ReadonlySet<string> = new Set(["random", "error"]);
