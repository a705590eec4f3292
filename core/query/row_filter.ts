/**
 * The conditions of a mention as comparisons of its columns with constants (../parquet/read/filter.ts) and texts that
 * are looked for in them (sought_texts.ts), where they are that and nothing else: then its rows are found on pages, without
 * the engine.
 *
 * Invariant: they mean what the engine makes of them, NULLs included. What is not certain to is left to it: numbers
 * that are compared with text, unsigned 64-bit numbers, doubles.
 */
import { columnsOf, timeColumnOf } from "../model/columns.ts";
import {
  type Accepted,
  type ColumnTests,
  equal,
  greater,
  less,
  looksInto,
  type RowFilter,
  type RowTest,
} from "../parquet/read/filter.ts";
import { clampedTime, type TimeRange } from "./bounds.ts";
import { timeOf } from "./constant_time.ts";
import { columnOf, type Mention } from "./mentions.ts";
import type { OwnConditions } from "./needs.ts";
import { textTestOf, type TextTestOfColumn, textTestWithin, withoutImplied } from "./sought_texts.ts";
import {
  constantInteger,
  constantText,
  isNode,
  nodesIn,
  type SqlNode,
  type SqlValue,
  textOf,
} from "./tree.ts";

/** Conditions of a mention as far as they are tests of its columns. */
export interface OwnFilter {
  readonly filter: RowFilter;
  /** Whether these are all of them, and exactly; else rows pass that do not meet them. */
  readonly isWhole: boolean;
}

export function rowFilterOf(mention: Mention, own: OwnConditions): OwnFilter {
  const byColumn = new Map<string, RowTest[]>();
  let isWhole = true;
  for (const condition of own.conditions) {
    let tests = testsIn(condition, mention);
    if (tests === undefined) {
      isWhole = false;
      tests = soughtIn(textTestWithin(condition), mention);
    }
    for (const { column, tests: own } of tests ?? []) {
      byColumn.set(column, [...byColumn.get(column) ?? [], ...own]);
    }
  }
  const time = timeColumnOf[mention.signal];
  const columns = [...byColumn].filter(([column]) => column !== time)
    .map(([column, tests]): ColumnTests => ({ column, tests: withoutImplied(tests) }))
    .sort((left, right) => costOf(left, mention) - costOf(right, mention));
  return { filter: { columns, time: { column: time, tests: byColumn.get(time) ?? [] } }, isWhole };
}

/** The same for rows of a time range alone. */
export function withinRange({ columns, time }: RowFilter, range: TimeRange | undefined): RowFilter {
  const tests: RowTest[] = [...time.tests];
  if (range?.minNs !== undefined) tests.push(compared(greater | equal, clampedTime(range.minNs)));
  if (range?.maxNs !== undefined) tests.push(compared(less | equal, clampedTime(range.maxNs)));
  return { columns, time: { column: time.column, tests } };
}

const comparisons: Readonly<Record<string, Accepted>> = {
  COMPARE_EQUAL: equal,
  COMPARE_NOTEQUAL: less | greater,
  COMPARE_LESSTHAN: less,
  COMPARE_LESSTHANOREQUALTO: less | equal,
  COMPARE_GREATERTHAN: greater,
  COMPARE_GREATERTHANOREQUALTO: greater | equal,
};

function testsIn(condition: SqlNode, mention: Mention): ColumnTests[] | undefined {
  const { type } = condition;
  switch (condition.class) {
    case "CONJUNCTION": {
      if (type !== "CONJUNCTION_AND") return undefined;
      const parts = nodesIn(condition.children).map((each) => testsIn(each, mention));
      return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
    }
    case "COMPARISON": {
      if (!Object.hasOwn(comparisons, textOf(type))) return undefined;
      const accepted = comparisons[textOf(type)];
      const { left, right } = condition;
      return comparison(left, accepted, right, mention) ??
        comparison(right, flipped(accepted), left, mention);
    }
    case "BETWEEN": {
      if (type !== "COMPARE_BETWEEN") return undefined;
      const from = comparison(condition.input, greater | equal, condition.lower, mention);
      const to = comparison(condition.input, less | equal, condition.upper, mention);
      return from === undefined || to === undefined ? undefined : [...from, ...to];
    }
    case "OPERATOR": {
      const [input, ...listed] = nodesIn(condition.children);
      const column = columnOf(mention, input);
      if (column === undefined) return undefined;
      if (type === "OPERATOR_IS_NULL" || type === "OPERATOR_IS_NOT_NULL") {
        if (listed.length > 0 || kindOf(column, mention) === undefined) return undefined;
        return [{ column, tests: [{ kind: "null", isNull: type === "OPERATOR_IS_NULL" }] }];
      }
      if (type !== "COMPARE_IN" && type !== "COMPARE_NOT_IN" || listed.length > listedMax) return undefined;
      const values = listed.map((each) => constantFor(column, each, mention));
      if (!values.every((value) => value !== undefined)) return undefined;
      return [{ column, tests: [{ kind: "in", values, isNot: type === "COMPARE_NOT_IN" }] }];
    }
    case "FUNCTION":
      return soughtIn(textTestOf(condition), mention);
  }
  return undefined;
}

function soughtIn(found: TextTestOfColumn | undefined, mention: Mention): ColumnTests[] | undefined {
  const column = columnOf(mention, found?.column);
  if (found === undefined || column === undefined || kindOf(column, mention) !== "text") return undefined;
  return [{ column, tests: [found.test] }];
}

/** Each of them is compared with each value. */
const listedMax = 64;

function comparison(
  input: SqlValue | undefined,
  accepted: Accepted,
  wanted: SqlValue | undefined,
  mention: Mention,
): ColumnTests[] | undefined {
  const column = columnOf(mention, input);
  if (column === undefined || !isNode(wanted)) return undefined;
  const value = constantFor(column, wanted, mention);
  return value === undefined ? undefined : [{ column, tests: [compared(accepted, value)] }];
}

function compared(accepted: Accepted, value: bigint | string): RowTest {
  return { kind: "compare", accepted, value };
}

/** `5 < column` is `column > 5`. */
function flipped(accepted: Accepted): Accepted {
  return accepted & equal | (accepted & less ? greater : 0) | (accepted & greater ? less : 0);
}

/** A constant as a value of the column is compared with it. */
function constantFor(column: string, node: SqlNode, mention: Mention): bigint | string | undefined {
  switch (kindOf(column, mention)) {
    case "text":
      return constantText(node);
    case "integer":
      return constantInteger(node);
    case "time":
      return timeOf(node);
  }
}

/** What a column is compared as; `undefined` for one that is compared by the engine alone. */
function kindOf(column: string, { signal }: Mention): "text" | "integer" | "time" | undefined {
  switch (columnsOf[signal].find(({ name }) => name === column)!.type.kind) {
    case "utf8":
    case "dictionary":
      return "text";
    case "int32":
    case "uint32":
    case "int64":
      return "integer";
    case "timestamp":
      return "time";
  }
}

/** What a column costs to be read for all rows: one of few values the least, for its verdicts are few as well. */
function costOf(own: ColumnTests, { signal }: Mention): number {
  const { kind } = columnsOf[signal].find(({ name }) => name === own.column)!.type;
  if (kind === "utf8") return looksInto(own) ? 4 : 3;
  return kind === "dictionary" ? 0 : kind === "int32" || kind === "uint32" ? 1 : 2;
}
