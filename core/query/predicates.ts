/**
 * What an index can be asked for a mention of a table: the conditions that count for it (mentions.ts), as far as an
 * index knows them. It is a necessary condition, so what cannot be told is "all".
 *
 * An index holds values as they are stored, and is asked for them exactly: `attributes['n'] = '5'` but not
 * `CAST(attributes['n'] AS INTEGER) = 5`, which 5.0 and 05 meet too.
 */
import { foldedColumnOf, foldedValue, levelOf, thresholdBelow } from "../index/fields.ts";
import { type AttributeColumn, keyPredicate } from "../index/key.ts";
import { withPairs } from "../index/pairs.ts";
import { all, and, type IndexPredicate, or } from "../index/predicate.ts";
import { columnsOf } from "../model/columns.ts";
import { equalColumnOf, type Mention } from "./mentions.ts";
import { changedCaseOf, literalText, textPredicate } from "./text_condition.ts";
import {
  constantInteger,
  constantText,
  isNode,
  nodesIn,
  type SqlNode,
  type SqlValue,
  textOf,
} from "./tree.ts";

export function predicateOf(mention: Mention): IndexPredicate {
  const conditions = mention.conditions.map((condition) => conditionPredicate(condition, mention));
  return withPairs(and(conditions), mention.signal);
}

function conditionPredicate(condition: SqlNode, mention: Mention): IndexPredicate {
  const children = nodesIn(condition.children);
  switch (condition.class) {
    case "CONJUNCTION": {
      const of = children.map((each) => conditionPredicate(each, mention));
      return condition.type === "CONJUNCTION_AND" ? and(of) : or(of);
    }
    case "COMPARISON": {
      const { left, right } = condition;
      const type = textOf(condition.type);
      if (type !== "COMPARE_EQUAL" && type !== "COMPARE_NOT_DISTINCT_FROM") {
        return and([
          atLeast(left, leastOf[type], right, mention),
          atLeast(right, leastOf[swapped[type]], left, mention),
        ]);
      }
      const words = textPredicate(condition, (node) => textColumnOf(node, mention)) ?? all;
      return and([words, equality(left, right, mention), equality(right, left, mention)]);
    }
    case "BETWEEN":
      return condition.type === "COMPARE_BETWEEN"
        ? atLeast(condition.input, 0n, condition.lower, mention)
        : all;
    case "OPERATOR": {
      const [value, ...listed] = children;
      // Each alternative costs a look into the index of each segment.
      if (condition.type !== "COMPARE_IN" || listed.length > alternativesMax) return all;
      return or(listed.map((each) => equality(value, each, mention)));
    }
    case "FUNCTION":
      return textPredicate(condition, (node) => textColumnOf(node, mention)) ?? all;
  }
  return all;
}

const alternativesMax = 200;

/** What is added to n in `column OP n` for the least that the column may be; absent where it may be anything. */
const leastOf: Readonly<Record<string, bigint | undefined>> = {
  COMPARE_GREATERTHANOREQUALTO: 0n,
  COMPARE_GREATERTHAN: 1n,
};
/** `n OP column` as `column OP n`. */
const swapped: Readonly<Record<string, string>> = {
  COMPARE_LESSTHANOREQUALTO: "COMPARE_GREATERTHANOREQUALTO",
  COMPARE_LESSTHAN: "COMPARE_GREATERTHAN",
};

/** `value` is at least a constant and `more`, where value is the number whose thresholds an index knows. */
function atLeast(
  value: SqlValue | undefined,
  more: bigint | undefined,
  constant: SqlValue | undefined,
  mention: Mention,
): IndexPredicate {
  const level = levelOf[mention.signal];
  if (more === undefined || level === undefined || equalColumnOf(mention, value) !== level.column) return all;
  const number = integerOf(constant);
  const least = number === undefined ? undefined : thresholdBelow(level.thresholds, Number(number + more));
  return least === undefined ? all : { kind: "level", field: level.column, least };
}

function textColumnOf(node: SqlNode, mention: Mention): "body" | "name" | undefined {
  const column = equalColumnOf(mention, node);
  if (mention.signal === "logs") return column === "body" ? column : undefined;
  return mention.signal === "spans" && column === "name" ? column : undefined;
}

/** `value = wanted`, where value is a column or a key of one, and wanted a constant. */
function equality(
  value: SqlValue | undefined,
  wanted: SqlValue | undefined,
  mention: Mention,
): IndexPredicate {
  if (!isNode(value) || !isNode(wanted)) return all;
  const text = constantText(wanted);
  const column = equalColumnOf(mention, value);
  if (column !== undefined) {
    const kind = columnsOf[mention.signal].find(({ name }) => name === column)?.type.kind;
    if (kind === "utf8" || kind === "dictionary") return fieldEquality(column, text);
    const isInteger = kind === "int32" || kind === "uint32" || kind === "int64" || kind === "uint64";
    // Text is compared with a number as the number that it is.
    return isInteger ? fieldEquality(column, integerOf(wanted)?.toString()) : all;
  }
  const inAnyCase = foldedEquality(value, wanted, mention);
  if (inAnyCase !== undefined) return inAnyCase;
  if (text === undefined) return all;
  const cast = value.class === "CAST" && isNode(value.cast_type) && value.cast_type.id === "VARCHAR"
    ? equalColumnOf(mention, value.child)
    : undefined;
  const castKind = columnsOf[mention.signal].find(({ name }) => name === cast)?.type.kind ?? "";
  if (cast !== undefined) {
    return /^(utf8|dictionary|u?int(32|64))$/.test(castKind) ? fieldEquality(cast, text) : all;
  }
  const key = keyIn(value, mention);
  return key === undefined ? all : keyPredicate(key.column, key.key, text);
}

/** An empty text stands for what was not sent, which an index need not know. */
function fieldEquality(field: string, value: string | undefined): IndexPredicate {
  return value === undefined || value === "" ? all : { kind: "equal", field, value };
}

/** A whole number, or a text that the engine takes for one. */
function integerOf(node: SqlValue | undefined): bigint | undefined {
  const text = constantText(node);
  return text !== undefined && /^-?\d{1,18}$/.test(text) ? BigInt(text) : constantInteger(node);
}

/** `lower(severity_text) = 'error'`, as `match(body, 'level:error')` is rewritten; `undefined` for anything else. */
function foldedEquality(value: SqlNode, wanted: SqlNode, mention: Mention): IndexPredicate | undefined {
  const field = foldedColumnOf[mention.signal];
  if (field === undefined || equalColumnOf(mention, changedCaseOf(value)) !== field) return undefined;
  const text = foldedValue(literalText(wanted) ?? "");
  return text === undefined || text === "" ? all : { kind: "folded", field, value: text };
}

/** The key of an attribute column whose value an expression is. */
function keyIn(
  node: SqlNode,
  mention: Mention,
): { readonly column: AttributeColumn; readonly key: string } | undefined {
  const [from, key] = nodesIn(node.children);
  const text = constantText(key);
  if (from === undefined) return undefined;
  if (node.class === "OPERATOR" && node.type === "ARRAY_EXTRACT") {
    if (text !== undefined) return mapKey(from, text, mention);
    // element_at(attributes, 'k') is a list of the one value
    const isFirst = constantInteger(key) === 1n && from.class === "FUNCTION" &&
      /^(element_at|map_extract)$/.test(textOf(from.function_name).toLowerCase());
    const [map, listKey] = nodesIn(from.children);
    const listText = constantText(listKey);
    return isFirst && listText !== undefined ? mapKey(map, listText, mention) : undefined;
  }
  if (node.class !== "FUNCTION" || text === undefined) return undefined;
  const name = textOf(node.function_name).toLowerCase();
  if (name === "map_extract_value") return mapKey(from, text, mention);
  if (name !== "json_extract_string" && name !== "->>") return undefined;
  const column = equalColumnOf(mention, jsonTextIn(from));
  const member = jsonMember(text);
  const isJson = column === "resource_attributes" || column === "scope_attributes";
  return isJson && member !== undefined ? { column, key: member } : undefined;
}

function mapKey(
  map: SqlNode | undefined,
  key: string,
  mention: Mention,
): { readonly column: AttributeColumn; readonly key: string } | undefined {
  return equalColumnOf(mention, map) === "attributes" ? { column: "attributes", key } : undefined;
}

/** The column in `nullif(column, '')`, as brackets are rewritten. */
function jsonTextIn(node: SqlNode): SqlNode | undefined {
  const isNullIf = node.class === "FUNCTION" && textOf(node.function_name).toLowerCase() === "nullif";
  return isNullIf ? nodesIn(node.children)[0] : node;
}

/** The member of the outermost object that a JSON path or pointer names; `undefined` for one deeper or of another kind. */
function jsonMember(path: string): string | undefined {
  if (path.startsWith("/")) {
    const pointer = path.slice(1);
    return pointer.includes("/") ? undefined : pointer.replaceAll("~1", "/").replaceAll("~0", "~");
  }
  if (/^[A-Za-z_]/.test(path)) return path;
  const [, quoted, plain] = /^\$\.(?:"([^"\\*]+)"|([A-Za-z_][A-Za-z0-9_]*))$/.exec(path) ?? [];
  return quoted ?? plain;
}
