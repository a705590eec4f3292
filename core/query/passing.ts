/**
 * Conditions of a query on what another one in its FROM gives: `WITH e AS (SELECT * FROM logs) SELECT … FROM e WHERE
 * timestamp > …`. Where the inner one only projects and filters, and is used once, they hold for its own rows as if they
 * stood in its WHERE.
 *
 * When in doubt nothing passes: a condition too few costs time, one too many would lose rows.
 */
import { isRowByRow, plainClasses, volatileFunctions } from "./row_by_row.ts";
import {
  columnNames,
  columnReference,
  isNode,
  nodesIn,
  type SqlNode,
  type SqlValue,
  textOf,
} from "./tree.ts";

/** The queries of all WITHs by their lower-case names, where each is defined and used once in the whole statement. */
export function queriesUsedOnce(tree: SqlNode): ReadonlyMap<string, SqlNode> {
  const uses = new Map<string, number>(), entries = new Map<string, SqlNode[]>();
  const walk = (value: SqlValue | undefined): void => {
    if (Array.isArray(value)) return value.forEach(walk);
    if (!isNode(value)) return;
    if (value.type === "BASE_TABLE") {
      const name = textOf(value.table_name).toLowerCase();
      uses.set(name, (uses.get(name) ?? 0) + 1);
    }
    if (isNode(value.cte_map)) {
      for (const entry of nodesIn(value.cte_map.map)) {
        const name = textOf(entry.key).toLowerCase();
        entries.set(name, [...entries.get(name) ?? [], entry]);
      }
    }
    for (const each of Object.values(value)) walk(each);
  };
  walk(tree.statements);
  const queries = new Map<string, SqlNode>();
  for (const [name, [entry, ...others]] of entries) {
    const value = isNode(entry.value) ? entry.value : {};
    const query = isNode(value.query) && isNode(value.query.node) ? value.query.node : undefined;
    const isPlain = isEmpty(value.aliases) && isEmpty(value.key_targets);
    if (others.length === 0 && uses.get(name) === 1 && isPlain && query !== undefined) {
      queries.set(name, query);
    }
  }
  return queries;
}

/** The query that a table of a FROM stands for, and those of the conditions that hold within it, in its own names. */
export function passedInto(
  table: SqlNode,
  conditions: readonly SqlNode[],
  queries: ReadonlyMap<string, SqlNode>,
): { readonly query: SqlNode; readonly conditions: readonly SqlNode[] } | undefined {
  if (!isEmpty(table.column_name_alias) || isNode(table.sample) || isNode(table.at_clause)) return undefined;
  const name = textOf(table.table_name).toLowerCase();
  const isQualified = textOf(table.schema_name) !== "" || textOf(table.catalog_name) !== "";
  const query = table.type === "SUBQUERY" && isNode(table.subquery) && isNode(table.subquery.node)
    ? table.subquery.node
    : table.type === "BASE_TABLE" && !isQualified
    ? queries.get(name)
    : undefined;
  if (query === undefined || !onlyProjects(query)) return undefined;
  const columns = outputOf(query);
  if (columns === undefined) return undefined;
  const alias = textOf(table.alias).toLowerCase() || name;
  const passed = conditions.map((each) => translated(each, alias, columns)).filter((each) =>
    each !== undefined
  );
  return passed.length === 0 ? undefined : { query, conditions: passed as SqlNode[] };
}

/** Whether each row that a query gives is made of one row of its FROM, whatever the others are. */
function onlyProjects(query: SqlNode): boolean {
  return query.type === "SELECT_NODE" && isEmpty(query.group_expressions) && isEmpty(query.group_sets) &&
    query.aggregate_handling === "STANDARD_HANDLING" && query.having === null && query.qualify === null &&
    query.sample === null && nodesIn(query.modifiers).every(({ type }) => type === "ORDER_MODIFIER") &&
    nodesIn(query.select_list).every(isRowByRow);
}

type Output = (name: string) => SqlNode | undefined;

/** What the query's columns are within it, by lower-case name; `undefined` when they are not certain. */
function outputOf(query: SqlNode): Output | undefined {
  const items = nodesIn(query.select_list);
  const [first] = items;
  if (items.some(({ class: kind }) => kind === "STAR")) {
    const from = isNode(query.from_table) ? query.from_table.type : undefined;
    const isPlain = items.length === 1 && textOf(first.relation_name) === "" && first.columns === false &&
      !isNode(first.expr) && isEmpty(first.exclude_list) && isEmpty(first.qualified_exclude_list) &&
      isEmpty(first.replace_list) && isEmpty(first.rename_list);
    return isPlain && (from === "BASE_TABLE" || from === "SUBQUERY")
      ? (name) => columnReference([name])
      : undefined;
  }
  const named = Map.groupBy(
    items,
    (item) => (textOf(item.alias) || (columnNames(item).at(-1) ?? "")).toLowerCase(),
  );
  return (name) => {
    const [item, ...others] = named.get(name) ?? [];
    return others.length === 0 && item?.class === "COLUMN_REF"
      ? columnReference(columnNames(item))
      : undefined;
  };
}

/** A condition in the names within; `undefined` when it speaks of anything else. */
function translated(node: SqlNode, alias: string, columns: Output): SqlNode | undefined {
  if (node.class === "COLUMN_REF") {
    const names = columnNames(node).map((each) => each.toLowerCase());
    const isOwn = names.length === 1 || names.length === 2 && names[0] === alias;
    return isOwn ? columns(names.at(-1)!) : undefined;
  }
  const kind = textOf(node.class);
  if (kind === "CONSTANT") return node;
  if (kind !== "" && !plainClasses.has(kind)) return undefined;
  if (kind === "FUNCTION" && volatileFunctions.has(textOf(node.function_name).toLowerCase())) {
    return undefined;
  }
  const result: SqlNode = {};
  for (const [name, value] of Object.entries(node)) {
    const within = translatedValue(value, alias, columns);
    if (within === undefined) return undefined;
    result[name] = within;
  }
  return result;
}

function translatedValue(value: SqlValue, alias: string, columns: Output): SqlValue | undefined {
  if (Array.isArray(value)) {
    const within = value.map((each) => translatedValue(each, alias, columns));
    return within.includes(undefined) ? undefined : within as SqlValue[];
  }
  return isNode(value) ? translated(value, alias, columns) : value;
}

function isEmpty(value: SqlValue | undefined): boolean {
  return value === undefined || value === null || Array.isArray(value) && value.length === 0;
}
