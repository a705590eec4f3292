/**
 * The time range outside of which a statement cannot read rows of a mention, and the files that it leaves.
 *
 * A bound is a comparison of the table's time column with a constant, among the conditions that count for the
 * mention (mentions.ts). A range too wide costs time, one too narrow would lose rows.
 */
import { timeColumnOf } from "../model/columns.ts";
import { equalColumnOf, type Mention } from "./mentions.ts";
import type { SourceFile } from "./sources.ts";
import {
  call,
  castTo,
  constantText,
  integerConstant,
  isNode,
  nodesIn,
  type SqlNode,
  type SqlValue,
  textOf,
} from "./tree.ts";

/** Nanoseconds since 1970, both ends included; absent is unbounded. */
export interface TimeRange {
  readonly minNs?: bigint;
  readonly maxNs?: bigint;
}

/** One end of a range, as an expression that is still to be evaluated. */
export interface TimeBound {
  readonly side: "min" | "max";
  readonly value: SqlNode;
  /** Added to the value, which bounds something that lies near the time: a date begins up to a day before it. */
  readonly plusNs?: bigint;
}

export function timeBounds(mention: Mention): TimeBound[] {
  return mention.conditions.flatMap((condition) => boundsIn(condition, mention));
}

/** Whether a condition compares the time itself with constants, and does nothing else. */
export function comparesTimeAlone(condition: SqlNode, mention: Mention): boolean {
  const bounds = boundsIn(condition, mention);
  const isWhole = condition.class === "BETWEEN" ? bounds.length === 2 : bounds.length > 0;
  return isWhole && bounds.every(({ plusNs }) => plusNs === undefined);
}

/** The range of bounds. @param times their values; `undefined` for one that is no time */
export function rangeOf(bounds: readonly TimeBound[], times: readonly (bigint | undefined)[]): TimeRange {
  let range: TimeRange = {};
  for (const [at, { side, plusNs = 0n }] of bounds.entries()) {
    const time = times[at];
    if (time === undefined) continue;
    range = intersection(range, side === "min" ? { minNs: time + plusNs } : { maxNs: time + plusNs });
  }
  return range;
}

/** Times in both ranges. */
export function intersection(one: TimeRange, other: TimeRange = {}): TimeRange {
  const minNs = one.minNs === undefined || other.minNs !== undefined && other.minNs > one.minNs
    ? other.minNs
    : one.minNs;
  const maxNs = one.maxNs === undefined || other.maxNs !== undefined && other.maxNs < one.maxNs
    ? other.maxNs
    : one.maxNs;
  return { ...(minNs === undefined ? {} : { minNs }), ...(maxNs === undefined ? {} : { maxNs }) };
}

/** The nearest time that a column can hold. */
export function clampedTime(timeNs: bigint): bigint {
  const least = -(2n ** 63n), greatest = 2n ** 63n - 1n;
  return timeNs < least ? least : timeNs > greatest ? greatest : timeNs;
}

/** The files that may hold rows in the range. */
export function pruneFiles(files: readonly SourceFile[], range: TimeRange = {}): SourceFile[] {
  return files.filter(({ minTimeNs, maxTimeNs }) =>
    (range.minNs === undefined || maxTimeNs === undefined || maxTimeNs >= range.minNs) &&
    (range.maxNs === undefined || minTimeNs === undefined || minTimeNs <= range.maxNs)
  );
}

function boundsIn(condition: SqlNode, mention: Mention): TimeBound[] {
  if (condition.class === "BETWEEN" && condition.type === "COMPARE_BETWEEN") {
    const { input, lower, upper } = condition;
    return [...comparison(input, "min", lower, mention), ...comparison(input, "max", upper, mention)];
  }
  if (condition.class !== "COMPARISON") return [];
  const { left, right } = condition;
  const sides = Object.hasOwn(comparisonSides, textOf(condition.type))
    ? comparisonSides[textOf(condition.type)]
    : [];
  return sides.flatMap((side) => [
    ...comparison(left, side, right, mention),
    ...comparison(right, side === "min" ? "max" : "min", left, mention),
  ]);
}

/** Which sides `time OP constant` bounds; ends are included, which is never too narrow. */
const comparisonSides: Readonly<Record<string, readonly ("min" | "max")[]>> = {
  COMPARE_EQUAL: ["min", "max"],
  COMPARE_NOT_DISTINCT_FROM: ["min", "max"],
  COMPARE_GREATERTHAN: ["min"],
  COMPARE_GREATERTHANOREQUALTO: ["min"],
  COMPARE_LESSTHAN: ["max"],
  COMPARE_LESSTHANOREQUALTO: ["max"],
};

/** The bound that `input` on this side of a constant sets, where input is the time column or made from it. */
function comparison(
  input: SqlValue | undefined,
  side: "min" | "max",
  value: SqlValue | undefined,
  mention: Mention,
): TimeBound[] {
  if (!isNode(input) || !isConstant(value)) return [];
  if (isTimeColumn(input, mention)) return [{ side, value }];
  const near = nearTime(input, mention);
  if (near === undefined) return [];
  const { stepNs, unitNs } = near;
  const plusNs = side === "min" ? -stepNs : stepNs;
  return [{ side, value: unitNs === undefined ? value : timeOfUnits(value, unitNs), plusNs }];
}

function isTimeColumn(node: SqlNode, mention: Mention): boolean {
  return equalColumnOf(mention, node) === timeColumnOf[mention.signal];
}

/**
 * How far at most an expression, and the constant as it is compared with it, lie from the time column: a cast,
 * `date_trunc`, or its number of units since 1970. `undefined` for anything else.
 */
function nearTime(
  node: SqlNode,
  mention: Mention,
): { readonly stepNs: bigint; readonly unitNs?: bigint } | undefined {
  if (node.class === "CAST") {
    const type = isNode(node.cast_type) ? textOf(node.cast_type.id) : "";
    if (!isNode(node.child) || !isTimeColumn(node.child, mention) || !Object.hasOwn(castSteps, type)) {
      return undefined;
    }
    return { stepNs: castSteps[type] };
  }
  if (node.class !== "FUNCTION") return undefined;
  const name = textOf(node.function_name).toLowerCase();
  const children = nodesIn(node.children);
  const column = children.at(-1);
  if (column === undefined || !isTimeColumn(column, mention)) return undefined;
  if (children.length === 1 && Object.hasOwn(epochUnits, name)) {
    return { stepNs: epochUnits[name], unitNs: epochUnits[name] };
  }
  if (children.length !== 2 || name !== "date_trunc" && name !== "datetrunc") return undefined;
  const unit = constantText(children[0])?.toLowerCase() ?? "";
  return Object.hasOwn(truncSteps, unit) ? { stepNs: truncSteps[unit] } : undefined;
}

const secondNs = 1_000_000_000n, dayNs = 86_400n * secondNs;

const castSteps: Readonly<Record<string, bigint>> = { TIMESTAMP_NS: 0n, TIMESTAMP: 1_000n, DATE: dayNs };

const epochUnits: Readonly<Record<string, bigint>> = {
  epoch_ns: 1n,
  epoch_us: 1_000n,
  epoch_ms: 1_000_000n,
  epoch: secondNs,
};

const truncSteps: Readonly<Record<string, bigint>> = {
  second: secondNs,
  minute: 60n * secondNs,
  hour: 3_600n * secondNs,
  day: dayNs,
  week: 7n * dayNs,
  month: 31n * dayNs,
  quarter: 92n * dayNs,
  year: 366n * dayNs,
};

/** A number of units since 1970 as a time; the fraction that the first cast rounds off is less than a step. */
function timeOfUnits(value: SqlNode, unitNs: bigint): SqlNode {
  const ns = call("*", [castTo(value, "HUGEINT"), integerConstant(unitNs)], true);
  return call("make_timestamp_ns", [castTo(ns, "BIGINT")]);
}

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
