/**
 * The syntax tree of a SELECT as DuckDB 1.5 serialises it (`json_serialize_sql`).
 *
 * Nodes stay plain JSON, for the tree goes back to DuckDB as it came. Integers beyond 2^53 keep their digits:
 * they are read as `RawNumber` and written as they were.
 */

/** A node: an expression has `class`; tables, queries and modifiers have only `type`. */
export type SqlNode = { [key: string]: SqlValue };
export type SqlValue = string | number | boolean | null | bigint | SqlNode | SqlValue[];

/** A parsed statement list, exactly as DuckDB gave it. */
export interface SqlTree extends SqlNode {
  statements: SqlNode[];
}

/** Reads a tree; integers that a double cannot hold become bigints. */
export function readTree(json: string): SqlNode {
  return parseWithSource(
    json,
    (_key, value, context) =>
      typeof value === "number" && context.source !== undefined && !Number.isSafeInteger(value) &&
        /^-?\d+$/.test(context.source)
        ? BigInt(context.source)
        : value,
  ) as SqlNode;
}

/** The JSON text of a tree, every digit kept, and doubles told from integers as DuckDB wants them. */
export function writeTree(tree: SqlNode): string {
  return JSON.stringify(tree, function (this: SqlNode, name, value) {
    if (typeof value === "bigint") return rawJson(value.toString());
    const isDouble = name === "value" && isNode(this.type) && /^(DOUBLE|FLOAT)$/.test(textOf(this.type.id));
    return isDouble && Number.isInteger(value) ? rawJson(doubleText(value)) : value;
  });
}

/** Byte offset in the statement's text, when DuckDB knows it. */
export function positionOf(node: SqlNode): number | undefined {
  const location = node.query_location;
  // "unknown" is the greatest unsigned 64-bit integer
  return typeof location === "number" && location >= 0 ? location : undefined;
}

export function isNode(value: SqlValue | undefined): value is SqlNode {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The nodes in a list; none when it is absent. */
export function nodesIn(value: SqlValue | undefined): SqlNode[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

export function textOf(value: SqlValue | undefined): string {
  return typeof value === "string" ? value : "";
}

/** Names of a column reference: `["logs", "timestamp"]`. */
export function columnNames(node: SqlNode): string[] {
  return Array.isArray(node.column_names) ? node.column_names.map(String) : [];
}

/** The text of a VARCHAR constant. */
export function constantText(node: SqlValue | undefined): string | undefined {
  if (!isNode(node) || node.class !== "CONSTANT" || !isNode(node.value)) return undefined;
  return typeof node.value.value === "string" && isNode(node.value.type) && node.value.type.id === "VARCHAR"
    ? node.value.value
    : undefined;
}

/** The value of an integer constant, signed by unary minus or not. */
export function constantInteger(node: SqlValue | undefined): bigint | undefined {
  if (!isNode(node)) return undefined;
  if (node.class === "FUNCTION" && node.function_name === "-") {
    const children = nodesIn(node.children);
    const value = children.length === 1 ? constantInteger(children[0]) : undefined;
    return value === undefined ? undefined : -value;
  }
  if (node.class !== "CONSTANT" || !isNode(node.value) || !isNode(node.value.type)) return undefined;
  const { value, type } = node.value;
  if (!/^(TINYINT|SMALLINT|INTEGER|BIGINT)$/.test(textOf(type.id))) return undefined;
  return typeof value === "bigint"
    ? value
    : Number.isSafeInteger(value)
    ? BigInt(value as number)
    : undefined;
}

/** A statement of one SELECT with these of its parts, and none of the others. */
export function selectTree(parts: SqlNode): SqlTree {
  const node = {
    type: "SELECT_NODE",
    modifiers: [],
    cte_map: { map: [] },
    select_list: [],
    from_table: { type: "EMPTY", alias: "", sample: null },
    where_clause: null,
    group_expressions: [],
    group_sets: [],
    aggregate_handling: "STANDARD_HANDLING",
    having: null,
    sample: null,
    qualify: null,
    ...parts,
  };
  return { error: false, statements: [{ node, named_param_map: [] }] };
}

export function textConstant(value: string): SqlNode {
  return {
    class: "CONSTANT",
    type: "VALUE_CONSTANT",
    alias: "",
    value: { type: { id: "VARCHAR", type_info: null }, is_null: false, value },
  };
}

export function integerConstant(value: number | bigint): SqlNode {
  const fits = value >= -0x8000_0000_0000_0000n && value <= 0x7fff_ffff_ffff_ffffn;
  if (!fits) return castTo(textConstant(value.toString()), "HUGEINT");
  const isSmall = value >= -0x8000_0000 && value <= 0x7fff_ffff;
  return {
    class: "CONSTANT",
    type: "VALUE_CONSTANT",
    alias: "",
    value: { type: { id: isSmall ? "INTEGER" : "BIGINT", type_info: null }, is_null: false, value },
  };
}

export function castTo(child: SqlNode, id: string): SqlNode {
  return {
    class: "CAST",
    type: "OPERATOR_CAST",
    alias: "",
    child: { ...child, alias: "" },
    cast_type: { id, type_info: null },
    try_cast: false,
  };
}

export function call(name: string, children: SqlNode[], isOperator = false): SqlNode {
  return {
    class: "FUNCTION",
    type: "FUNCTION",
    alias: "",
    function_name: name,
    schema: "",
    children: children.map((child) => ({ ...child, alias: "" })),
    filter: null,
    order_bys: { type: "ORDER_MODIFIER", orders: [] },
    distinct: false,
    is_operator: isOperator,
    export_state: false,
    catalog: "",
  };
}

export function columnReference(names: readonly string[]): SqlNode {
  return { class: "COLUMN_REF", type: "COLUMN_REF", alias: "", column_names: [...names] };
}

/** All of the conditions, which are at least one. */
export function allOf(conditions: readonly SqlNode[]): SqlNode {
  return conjunction("CONJUNCTION_AND", conditions);
}

/** At least one of the conditions. */
export function anyOf(conditions: readonly SqlNode[]): SqlNode {
  return conjunction("CONJUNCTION_OR", conditions);
}

export function negated(condition: SqlNode): SqlNode {
  return operator("OPERATOR_NOT", [condition]);
}

export function coalesce(values: readonly SqlNode[]): SqlNode {
  return operator("OPERATOR_COALESCE", values);
}

/** The value of a key in a map. */
export function keyOf(map: SqlNode, key: SqlNode): SqlNode {
  return operator("ARRAY_EXTRACT", [map, key]);
}

export function compare(type: "COMPARE_EQUAL" | "COMPARE_NOTEQUAL", left: SqlNode, right: SqlNode): SqlNode {
  return {
    class: "COMPARISON",
    type,
    alias: "",
    left: { ...left, alias: "" },
    right: { ...right, alias: "" },
  };
}

function conjunction(type: string, conditions: readonly SqlNode[]): SqlNode {
  if (conditions.length === 1) return conditions[0];
  return {
    class: "CONJUNCTION",
    type,
    alias: "",
    children: conditions.map((each) => ({ ...each, alias: "" })),
  };
}

function operator(type: string, children: readonly SqlNode[]): SqlNode {
  return { class: "OPERATOR", type, alias: "", children: children.map((each) => ({ ...each, alias: "" })) };
}

function doubleText(value: number): string {
  const text = Object.is(value, -0) ? "-0" : String(value);
  return text.includes("e") ? text : `${text}.0`;
}

interface SourceContext {
  readonly source?: string;
}

// ES2025's source text access, which the runtime has and the standard library's types do not yet.
const parseWithSource = JSON.parse as (
  text: string,
  reviver: (key: string, value: unknown, context: SourceContext) => unknown,
) => unknown;
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
