/**
 * Conditions that are worth trying while a file is scanned, before its other columns are decoded: those on a key of the
 * JSON columns.
 *
 * DuckDB 1.5 passes a condition through the select of a table only when it cannot fail, and reading a key of JSON text
 * could, of text that is none. Within the scan it is tried once for each text of a dictionary: 1.6 million rows take
 * 30 ms, and 540 outside of it.
 *
 * Invariant: what is tried in the scan fails on no row, whatever stands beside it: each part has a type that nothing
 * has to be cast for, and the JSON columns hold JSON text or nothing.
 */
import { columnsOf, type ColumnType } from "../model/columns.ts";
import { jsonColumns } from "./json_key.ts";
import { columnOf, type Mention } from "./mentions.ts";
import {
  columnNames,
  constantInteger,
  constantText,
  isNode,
  nodesIn,
  type SqlNode,
  type SqlValue,
  textOf,
} from "./tree.ts";

type Kind = "text" | "number" | "boolean";

/** Of the mention's conditions those that are tried in the scan as well. */
export function scanConditions(mention: Mention): SqlNode[] {
  return mention.conditions.filter((each) => readsJsonKey(each) && kindOf(each, mention) === "boolean");
}

function readsJsonKey(value: SqlValue | undefined): boolean {
  if (Array.isArray(value)) return value.some(readsJsonKey);
  return isNode(value) && (isJsonKey(value) || Object.values(value).some(readsJsonKey));
}

/** `json_extract_string(nullif(resource_attributes, ''), '/key')`, as rewriting spells it. */
function isJsonKey(node: SqlNode): boolean {
  if (!isCall(node, "json_extract_string")) return false;
  const [json, pointer] = nodesIn(node.children);
  if (!isNode(json) || !isCall(json, "nullif") || constantText(pointer)?.startsWith("/") !== true) {
    return false;
  }
  const [column, nothing] = nodesIn(json.children);
  return column?.class === "COLUMN_REF" && constantText(nothing) === "" &&
    jsonColumns.has(columnNames(column).at(-1)?.toLowerCase() ?? "");
}

function isCall(node: SqlNode, name: string): boolean {
  return node.class === "FUNCTION" && textOf(node.function_name).toLowerCase() === name;
}

/** What an expression gives that fails on no row; `undefined` for anything else. */
function kindOf(node: SqlNode, mention: Mention): Kind | undefined {
  const kindsOf = (nodes: readonly SqlNode[]) => nodes.map((each) => kindOf(each, mention));
  const areAll = (kind: Kind, nodes: readonly SqlNode[]) => kindsOf(nodes).every((each) => each === kind);
  const areSame = (nodes: readonly SqlNode[]) => {
    const [first, ...others] = kindsOf(nodes);
    return first !== undefined && others.every((each) => each === first) ? "boolean" : undefined;
  };
  const children = nodesIn(node.children);
  switch (node.class) {
    case "COLUMN_REF": {
      const name = columnOf(mention, node);
      const column = columnsOf[mention.signal].find((each) => each.name === name);
      return column === undefined ? undefined : kindOfColumn(column.type);
    }
    case "CONSTANT":
      return constantText(node) !== undefined
        ? "text"
        : constantInteger(node) !== undefined
        ? "number"
        : undefined;
    case "COMPARISON":
      return isNode(node.left) && isNode(node.right) ? areSame([node.left, node.right]) : undefined;
    case "CONJUNCTION":
      return areAll("boolean", children) ? "boolean" : undefined;
    case "OPERATOR":
      switch (node.type) {
        case "OPERATOR_IS_NULL":
        case "OPERATOR_IS_NOT_NULL":
          return kindsOf(children)[0] === undefined ? undefined : "boolean";
        case "OPERATOR_NOT":
          return areAll("boolean", children) ? "boolean" : undefined;
        case "COMPARE_IN":
        case "COMPARE_NOT_IN":
          return areSame(children);
      }
      return undefined;
    case "FUNCTION": {
      if (node.filter !== null || node.distinct !== false) return undefined;
      if (isJsonKey(node)) return columnOf(mention, keyed(node)) === undefined ? undefined : "text";
      const isTest = textTests.has(textOf(node.function_name).toLowerCase());
      return isTest && children.length === 2 && areAll("text", children) ? "boolean" : undefined;
    }
  }
  return undefined;
}

/** The column that a key is read of. */
function keyed(jsonKey: SqlNode): SqlNode {
  return nodesIn(nodesIn(jsonKey.children)[0].children)[0];
}

function kindOfColumn(type: ColumnType): Kind | undefined {
  switch (type.kind) {
    case "utf8":
    case "dictionary":
      return "text";
    case "int32":
    case "int64":
    case "uint32":
    case "uint64":
    case "float64":
      return "number";
    case "bool":
      return "boolean";
  }
}

/** Functions of two texts that say whether one is so to the other. */
const textTests: ReadonlySet<string> = new Set(
  "~~ !~~ ~~* !~~* contains starts_with prefix suffix ends_with ^@".split(" "),
);
