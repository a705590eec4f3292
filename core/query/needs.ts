/**
 * What a query needs of a mention of a table: which columns, and which of its conditions can be tried on the table
 * alone, to find its rows before the statement runs.
 */
import { columnsOf, timeColumnOf } from "../model/columns.ts";
import { columnOf, type Mention } from "./mentions.ts";
import { plainClasses, volatileFunctions } from "./row_by_row.ts";
import { columnNames, isNode, nodesIn, type SqlNode, type SqlValue, textOf } from "./tree.ts";

/** Columns that the query of a mention names; `undefined` when it may need every one. */
export function neededColumns(mention: Mention): ReadonlySet<string> | undefined {
  if (mention.query === undefined) return undefined;
  const names = new Set<string>();
  // The name of the table alone is a row of it whole.
  if (!collectNames(mention.query, names) || names.has(`${mention.alias}.`)) return undefined;
  return columnsNamed(mention, names);
}

/** Whether the query of a mention may read its time elsewhere than in these of its conditions. */
export function readsTimeBeside(mention: Mention, conditions: ReadonlySet<SqlNode>): boolean {
  if (mention.query === undefined) return true;
  const names = new Set<string>();
  const isKnown = collectNames(mention.query, names, conditions);
  return !isKnown || names.has(`${mention.alias}.`) || names.has(timeColumnOf[mention.signal]);
}

/** Columns of the table among names, and the time, so that there is always one. */
function columnsNamed({ signal }: Mention, names: ReadonlySet<string>): ReadonlySet<string> {
  return new Set(
    columnsOf[signal].map(({ name }) => name).filter((name) =>
      names.has(name) || name === timeColumnOf[signal]
    ),
  );
}

/**
 * Whether the names found are all that can be meant: no star, no position, no join by equal names.
 * @param beside what is not looked into
 */
function collectNames(
  value: SqlValue | undefined,
  names: Set<string>,
  beside: ReadonlySet<SqlNode> = new Set(),
): boolean {
  if (Array.isArray(value)) return value.every((each) => collectNames(each, names, beside));
  if (!isNode(value) || beside.has(value)) return true;
  if (value.class === "STAR" || value.class === "POSITIONAL_REFERENCE") return false;
  if (value.type === "PIVOT" || value.type === "SHOW_REF" || value.ref_type === "NATURAL") return false;
  if (
    Array.isArray(value.column_name_alias) && value.column_name_alias.length > 0 &&
    value.type === "BASE_TABLE"
  ) {
    return false;
  }
  if (value.class === "COLUMN_REF") {
    const parts = columnNames(value).map((part) => part.toLowerCase());
    for (const part of parts) names.add(part);
    if (parts.length === 1) names.add(`${parts[0]}.`);
  }
  if (Array.isArray(value.using_columns)) {
    for (const name of value.using_columns) names.add(String(name).toLowerCase());
  }
  return Object.values(value).every((each) => collectNames(each, names, beside));
}

export interface OwnConditions {
  /** Conditions of the mention that read its columns and nothing else. */
  readonly conditions: readonly SqlNode[];
  /** Whether these are all of its conditions. */
  readonly isWhole: boolean;
  /** The columns that they read. */
  readonly columns: ReadonlySet<string>;
}

export function ownConditions(mention: Mention): OwnConditions {
  const conditions = mention.conditions.filter((condition) => isOwn(condition, mention));
  const names = new Set<string>();
  collectNames([...conditions], names);
  return {
    conditions,
    isWhole: conditions.length === mention.conditions.length,
    columns: columnsNamed(mention, names),
  };
}

function isOwn(value: SqlValue | undefined, mention: Mention): boolean {
  if (Array.isArray(value)) return value.every((each) => isOwn(each, mention));
  if (!isNode(value)) return true;
  if (value.class === "COLUMN_REF") return columnOf(mention, value) !== undefined;
  const kind = textOf(value.class);
  if (kind === "CONSTANT") return true;
  // Parts of an expression that are none themselves, such as the cases of CASE, have no class.
  if (kind !== "" && !plainClasses.has(kind)) return false;
  if (kind === "FUNCTION") {
    if (volatileFunctions.has(textOf(value.function_name).toLowerCase())) return false;
    return value.filter === null && value.distinct === false &&
      nodesIn(value.children).every((each) => isOwn(each, mention));
  }
  return Object.values(value).every((each) => isOwn(each, mention));
}
