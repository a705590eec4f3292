/**
 * Times that a statement writes out, as the engine reads them: ISO text, the present that rewriting put in, and sums
 * of them with intervals of fixed length. A question to the engine costs a millisecond.
 *
 * Invariant: what is given is exactly what the engine would give; for whatever is not certain it is `undefined`, and
 * the engine is asked (tests/conformance/sql_bounds.test.ts compares both).
 */
import {
  constantInteger,
  constantText,
  isNode,
  nodesIn,
  type SqlNode,
  type SqlValue,
  textOf,
} from "./tree.ts";

/** `ns`: TIMESTAMP_NS; `us`: TIMESTAMP; `span`: INTERVAL of microseconds; `wide`: BIGINT or HUGEINT; `narrow`: INTEGER. */
interface Constant {
  readonly kind: "ns" | "us" | "span" | "wide" | "narrow" | "text";
  readonly value: bigint;
}

/** A constant expression that is compared with a time, in nanoseconds since 1970 UTC. */
export function timeOf(node: SqlNode): bigint | undefined {
  const text = constantText(node);
  if (text !== undefined) return isoNs(text);
  const constant = evaluate(node);
  return constant === undefined ? undefined : nsOf(constant);
}

function nsOf({ kind, value }: Constant): bigint | undefined {
  const ns = kind === "ns" ? value : kind === "us" ? value * 1_000n : undefined;
  return ns !== undefined && ns >= timesFromNs && ns < timesEndNs ? ns : undefined;
}

function evaluate(value: SqlValue | undefined): Constant | undefined {
  if (!isNode(value)) return undefined;
  const integer = value.class === "CONSTANT" ? constantInteger(value) : undefined;
  if (integer !== undefined) return { kind: isSmall(integer) ? "narrow" : "wide", value: integer };
  if (value.class === "CAST") return value.try_cast === false ? cast(value) : undefined;
  if (value.class !== "FUNCTION") return undefined;
  const name = textOf(value.function_name).toLowerCase();
  const children = nodesIn(value.children);
  if (Object.hasOwn(spanMakers, name)) {
    const count = children.length === 1 ? countOf(children[0]) : undefined;
    return count === undefined ? undefined : { kind: "span", value: count * spanMakers[name] };
  }
  const args = children.map(evaluate);
  if (!args.every((each) => each !== undefined)) return undefined;
  const result = call(name, args);
  // Far from where anything overflows: there it is the engine that knows.
  return result !== undefined && result.value > -valueMax && result.value < valueMax ? result : undefined;
}

function cast({ child, cast_type }: SqlNode): Constant | undefined {
  const type = isNode(cast_type) ? textOf(cast_type.id) : "";
  const text = constantText(child);
  if (text !== undefined) {
    const value = type === "TIMESTAMP_NS" ? isoNs(text) : type === "INTERVAL" ? spanUs(text) : undefined;
    if (value === undefined) return undefined;
    return { kind: type === "INTERVAL" ? "span" : "ns", value };
  }
  const inner = evaluate(child);
  if (inner === undefined) return undefined;
  if (type === "BIGINT" || type === "HUGEINT") {
    return inner.kind === "narrow" || inner.kind === "wide"
      ? { kind: "wide", value: inner.value }
      : undefined;
  }
  const ns = type === "TIMESTAMP_NS" ? nsOf(inner) : undefined;
  return ns === undefined ? undefined : { kind: "ns", value: ns };
}

function call(name: string, args: readonly Constant[]): Constant | undefined {
  const [left, right] = args;
  const kinds = args.map(({ kind }) => kind).join(" ");
  switch (`${name} ${kinds}`) {
    case "epoch_ns ns":
      return { kind: "wide", value: left.value };
    case "make_timestamp_ns wide":
      return nsOf({ kind: "ns", value: left.value }) === undefined
        ? undefined
        : { kind: "ns", value: left.value };
    // A time and an interval are added in microseconds.
    case "+ ns span":
      return { kind: "us", value: left.value / 1_000n + right.value };
    case "- ns span":
      return { kind: "us", value: left.value / 1_000n - right.value };
  }
  // Integers: where both are narrow a sum may overflow.
  if (kinds !== "wide wide" && kinds !== "wide narrow" && kinds !== "narrow wide") return undefined;
  switch (name) {
    case "+":
      return { kind: "wide", value: left.value + right.value };
    case "-":
      return { kind: "wide", value: left.value - right.value };
    case "*":
      return { kind: "wide", value: left.value * right.value };
    case "%":
      return right.value === 0n ? undefined : { kind: "wide", value: left.value % right.value };
  }
}

function isSmall(value: bigint): boolean {
  return BigInt.asIntN(32, value) === value;
}

const isoPattern = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z?)?$/;

/** Text as a TIMESTAMP_NS. */
function isoNs(text: string): bigint | undefined {
  const parts = isoPattern.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map((part) => Number(part ?? 0));
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(ms);
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 &&
    second < 60;
  if (!isReal) return undefined;
  return nsOf({ kind: "ns", value: BigInt(ms) * 1_000_000n + BigInt((parts[7] ?? "").padEnd(9, "0")) });
}

const spanPattern = /^(\d{1,6}) (second|minute|hour|day)s?$/;

const unitUs: Readonly<Record<string, bigint>> = {
  second: 1_000_000n,
  minute: 60_000_000n,
  hour: 3_600_000_000n,
  day: 86_400_000_000n,
};

/** Text as an INTERVAL that is the same at any time; its days have 24 hours, as times have no zone. */
function spanUs(text: string): bigint | undefined {
  const [, count, unit] = spanPattern.exec(text.toLowerCase()) ?? [];
  return unit === undefined ? undefined : BigInt(count) * unitUs[unit];
}

const spanMakers: Readonly<Record<string, bigint>> = {
  to_seconds: unitUs.second,
  to_minutes: unitUs.minute,
  to_hours: unitUs.hour,
  to_days: unitUs.day,
};

/** How many units: INTERVAL 15 MINUTE is parsed as to_minutes(CAST(trunc(CAST(15 AS DOUBLE)) AS BIGINT)). */
function countOf(node: SqlNode): bigint | undefined {
  if (node.class === "CONSTANT") {
    const count = constantText(node) ?? constantInteger(node)?.toString() ?? "";
    return /^\d{1,6}$/.test(count) ? BigInt(count) : undefined;
  }
  const isTruncated = node.class === "FUNCTION" && textOf(node.function_name) === "trunc";
  const children = nodesIn(node.children);
  if (isTruncated) return children.length === 1 ? countOf(children[0]) : undefined;
  const type = node.class === "CAST" && isNode(node.cast_type) ? textOf(node.cast_type.id) : "";
  const isNumber = type === "DOUBLE" || type === "BIGINT" || type === "INTEGER";
  return isNumber && isNode(node.child) ? countOf(node.child) : undefined;
}

const valueMax = 2n ** 62n;
/** 1970 to 2200. */
const timesFromNs = 0n, timesEndNs = 7_258_118_400_000_000_000n;
