/**
 * The time range outside of which a statement cannot read rows of a table, and the files that it leaves.
 *
 * A bound is taken only from a condition that every row of the table must meet to count: a member of the ANDs at
 * the top of the WHERE of a query whose FROM is that table alone, or joins it by INNER or CROSS. Where the table is
 * named twice, the widest of both ranges holds; one mention without a bound leaves that side open. When in doubt
 * there is no bound: a range too wide costs time, one too narrow would lose rows.
 */
import { type Signal, timeColumnOf } from "../model/columns.ts";
import { tableNames } from "./check.ts";
import type { SourceFile } from "./sources.ts";
import { columnNames, isNode, nodesIn, type SqlNode, type SqlTree, type SqlValue, textOf } from "./tree.ts";

/** Nanoseconds since 1970, both ends included; absent is unbounded. */
export interface TimeRange {
  readonly minNs?: bigint;
  readonly maxNs?: bigint;
}

/** One mention of a table in a statement, and the conditions on its time. */
export interface TableMention {
  readonly signal: Signal;
  readonly bounds: readonly { readonly side: "min" | "max"; readonly value: SqlNode }[];
}

/** Mentions of tables with their bounds, as expressions that are still to be evaluated, in order. */
export function timeRanges(tree: SqlTree): TableMention[] {
  const mentions: TableMention[] = [];
  visit(tree.statements, mentions);
  return mentions;
}

/**
 * The range of each table.
 * @param times values of all bounds of all mentions in order; `undefined` where there was none.
 */
export function boundedTimes(
  mentions: readonly TableMention[],
  times: readonly (bigint | undefined)[],
): Map<Signal, TimeRange> {
  const ranges = new Map<Signal, TimeRange>();
  let at = 0;
  for (const { signal, bounds } of mentions) {
    let minNs: bigint | undefined, maxNs: bigint | undefined;
    for (const { side } of bounds) {
      const time = times[at++];
      if (time === undefined) continue;
      if (side === "min" && (minNs === undefined || time > minNs)) minNs = time;
      if (side === "max" && (maxNs === undefined || time < maxNs)) maxNs = time;
    }
    const before = ranges.get(signal);
    if (before !== undefined) {
      minNs = minNs === undefined || before.minNs === undefined ? undefined : least(minNs, before.minNs);
      maxNs = maxNs === undefined || before.maxNs === undefined ? undefined : greatest(maxNs, before.maxNs);
    }
    ranges.set(signal, {
      ...(minNs === undefined ? {} : { minNs }),
      ...(maxNs === undefined ? {} : { maxNs }),
    });
  }
  return ranges;
}

/** The files that may hold rows in the range. */
export function pruneFiles(files: readonly SourceFile[], range: TimeRange = {}): SourceFile[] {
  return files.filter(({ minTimeNs, maxTimeNs }) =>
    (range.minNs === undefined || maxTimeNs === undefined || maxTimeNs >= range.minNs) &&
    (range.maxNs === undefined || minTimeNs === undefined || minTimeNs <= range.maxNs)
  );
}

/** A common table expression of a table's name counts as a mention too, which can only widen the range. */
function visit(value: SqlValue | undefined, mentions: TableMention[]): void {
  if (Array.isArray(value)) {
    for (const each of value) visit(each, mentions);
    return;
  }
  if (!isNode(value)) return;
  if (value.type === "SELECT_NODE" && isNode(value.from_table)) {
    const { from_table: from, ...others } = value;
    visitTables(from as SqlNode, conjuncts(value.where_clause), [], mentions);
    visit(Object.values(others), mentions);
    return;
  }
  if (value.type === "BASE_TABLE") addMention(value, [], [], mentions);
  visit(Object.values(value), mentions);
}

/** @param others names of the other tables of the FROM; an unqualified column could be theirs. */
function visitTables(
  table: SqlNode,
  conditions: readonly SqlNode[],
  others: readonly string[],
  mentions: TableMention[],
): void {
  if (table.type === "BASE_TABLE") return addMention(table, conditions, others, mentions);
  const isInner = table.type === "JOIN" && table.join_type === "INNER" &&
    (table.ref_type === "REGULAR" || table.ref_type === "CROSS");
  if (!isInner || !isNode(table.left) || !isNode(table.right)) {
    visit(table, mentions);
    return;
  }
  const sides = [table.left, table.right];
  for (const [index, side] of sides.entries()) {
    visitTables(side, conditions, [...others, ...namesIn(sides[1 - index])], mentions);
  }
  visit(table.condition, mentions);
}

function namesIn(table: SqlNode): string[] {
  if (table.type === "JOIN" && isNode(table.left) && isNode(table.right)) {
    return [...namesIn(table.left), ...namesIn(table.right)];
  }
  return [textOf(table.alias) || textOf(table.table_name) || "?"];
}

function addMention(
  table: SqlNode,
  conditions: readonly SqlNode[],
  others: readonly string[],
  mentions: TableMention[],
): void {
  const name = textOf(table.table_name).toLowerCase();
  if (!Object.hasOwn(tableNames, name)) return;
  const signal = tableNames[name];
  const alias = (textOf(table.alias) || name).toLowerCase();
  const aliases = Array.isArray(table.column_name_alias) ? table.column_name_alias : [];
  // Renamed columns, sampling, and a name that two tables share are too doubtful to look at.
  const isPlain = aliases.length === 0 && !isNode(table.sample) &&
    !others.some((other) => other.toLowerCase() === alias);
  const isTimeColumn = (node: SqlNode) => {
    if (node.class !== "COLUMN_REF") return false;
    const names = columnNames(node).map((part) => part.toLowerCase());
    if (names.at(-1) !== timeColumnOf[signal]) return false;
    return names.length === 1 ? others.length === 0 : names.length === 2 && names[0] === alias;
  };
  mentions.push({
    signal,
    bounds: isPlain ? conditions.flatMap((each) => boundsIn(each, isTimeColumn)) : [],
  });
}

function conjuncts(where: SqlValue | undefined): SqlNode[] {
  if (!isNode(where)) return [];
  if (where.class === "CONJUNCTION" && where.type === "CONJUNCTION_AND") {
    return nodesIn(where.children).flatMap(conjuncts);
  }
  return [where];
}

function boundsIn(
  condition: SqlNode,
  isTimeColumn: (node: SqlNode) => boolean,
): { side: "min" | "max"; value: SqlNode }[] {
  if (condition.class === "BETWEEN" && condition.type === "COMPARE_BETWEEN") {
    const { input, lower, upper } = condition;
    if (!isNode(input) || !isTimeColumn(input)) return [];
    return [
      ...(isConstant(lower) ? [{ side: "min" as const, value: lower }] : []),
      ...(isConstant(upper) ? [{ side: "max" as const, value: upper }] : []),
    ];
  }
  const { left, right } = condition;
  if (condition.class !== "COMPARISON" || !isNode(left) || !isNode(right)) return [];
  const sides = Object.hasOwn(comparisonSides, textOf(condition.type))
    ? comparisonSides[textOf(condition.type)]
    : [];
  if (isTimeColumn(left) && isConstant(right)) return sides.map((side) => ({ side, value: right }));
  if (isTimeColumn(right) && isConstant(left)) {
    return sides.map((side) => ({ side: side === "min" ? "max" : "min", value: left }));
  }
  return [];
}

/** Which sides `time OP constant` bounds; ends are included, which is never too narrow. */
const comparisonSides: Readonly<Record<string, readonly ("min" | "max")[]>> = {
  COMPARE_EQUAL: ["min", "max"],
  COMPARE_GREATERTHAN: ["min"],
  COMPARE_GREATERTHANOREQUALTO: ["min"],
  COMPARE_LESSTHAN: ["max"],
  COMPARE_LESSTHANOREQUALTO: ["max"],
};

/** Functions of constants that bounds are made with; all of them give the same for the same. */
const constantFunctions: ReadonlySet<string> = new Set(
  ("+ - * / % to_years to_quarters to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds " +
    "to_microseconds trunc epoch_ns epoch_us epoch_ms make_timestamp make_timestamp_ns make_timestamp_ms make_date " +
    "date_trunc datetrunc time_bucket to_timestamp strptime").split(" "),
);

function isConstant(node: SqlValue | undefined): node is SqlNode {
  if (!isNode(node)) return false;
  if (node.class === "CONSTANT") return true;
  if (node.class === "CAST") return isConstant(node.child);
  return node.class === "FUNCTION" && constantFunctions.has(textOf(node.function_name).toLowerCase()) &&
    nodesIn(node.children).every(isConstant);
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function greatest(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
