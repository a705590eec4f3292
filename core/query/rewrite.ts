/**
 * From the SQL that people write to the SQL that the engine must run. The tree is changed after it was checked.
 *
 * - Times are TIMESTAMP_NS without a zone. DuckDB 1.5 refuses to compare them with now(), and computes
 *   `timestamp - interval` in microseconds; so the present and zoned literals become naive UTC nanoseconds, and
 *   sums with an interval keep the digits below a microsecond.
 * - The present is one instant in the whole statement.
 * - Parameters become constants, so that `timestamp > $1` compares times and not text.
 * - Each mention of a table reads a view of its own (mentions.ts); `traces` is `spans`.
 * - `resource_attributes['k']` reads a key of the JSON text; `match(body, '…')` is spelt out (match.ts).
 */
import { OpenWitError } from "../error.ts";
import { columnsOf, signals } from "../model/columns.ts";
import { isoTimestamp } from "../model/row.ts";
import { tableNames } from "./check.ts";
import { jsonColumns, jsonKey } from "./json_key.ts";
import { matchCondition, type ScopeTable, tablesOf } from "./match.ts";
import { mentionName } from "./mentions.ts";
import { systemTableOf, systemViewName } from "./system.ts";
import {
  call,
  castTo,
  columnNames,
  constantText,
  integerConstant,
  isNode,
  nodesIn,
  positionOf,
  type SqlNode,
  type SqlTree,
  type SqlValue,
  textConstant,
  textOf,
} from "./tree.ts";

/** A JSON value that a parameter may have. */
export type Parameter = string | number | bigint | boolean | null;
/** By position (`$1` is the first) or by name (`$name`). */
export type Parameters = readonly Parameter[] | Readonly<Record<string, Parameter>>;

export interface Rewritten {
  readonly tree: SqlTree;
  /** Items of select lists that lost the text by which the engine names their column, and that text's tree. */
  readonly unnamed: readonly { readonly item: SqlNode; readonly original: SqlNode }[];
  /** Whether it would be another tree at another time. */
  readonly isOfNow: boolean;
}

/** @throws OpenWitError `invalid_argument` for a parameter that is missing. */
export function rewriteStatement(tree: SqlTree, nowNs: bigint, parameters: Parameters = []): Rewritten {
  const rewriter = new Rewriter(nowNs, parameters);
  const statements = tree.statements.map((statement) => rewriter.node(statement, noContext));
  const { unnamed, isOfNow } = rewriter;
  return { tree: { ...tree, statements }, unnamed, isOfNow };
}

/** Most bytes of texts that take the place of parameters. */
const parameterBytesMax = 4 * 1024 * 1024;

interface Context {
  /** Lower-case names of common table expressions in sight. */
  readonly ctes: ReadonlySet<string>;
  /** The operand of AT TIME ZONE: an instant keeps its zone there. */
  readonly isZoned: boolean;
  /** Tables of each SELECT round a node, the innermost first. */
  readonly scopes: readonly (readonly ScopeTable[])[];
}
const noContext: Context = { ctes: new Set(), isZoned: false, scopes: [] };

class Rewriter {
  readonly unnamed: { item: SqlNode; original: SqlNode }[] = [];
  isOfNow = false;
  /** Names of columns and aliases that hold nanoseconds. */
  readonly #times = new Set(timeColumnNames);
  #mentions = 0;
  #parameterBytes = 0;

  constructor(readonly nowNs: bigint, readonly parameters: Parameters) {}

  node(node: SqlNode, outer: Context): SqlNode {
    const context = this.#contextOf(node, outer);
    const result: SqlNode = {};
    // WITH and FROM first: their columns' names may hold times, which the select list needs to know.
    const names = Object.keys(node).sort((left, right) => order(left) - order(right));
    for (const name of names) result[name] = this.#value(node[name], name, node, context);
    return this.#replace(Object.fromEntries(Object.keys(node).map((name) => [name, result[name]])), outer);
  }

  #contextOf(node: SqlNode, outer: Context): Context {
    const isZoned = node.class === "FUNCTION" && node.function_name === "timezone";
    const ctes = isNode(node.cte_map)
      ? nodesIn(node.cte_map.map).map(({ key }) => textOf(key).toLowerCase())
      : [];
    const isSelect = node.type === "SELECT_NODE";
    if (ctes.length === 0 && isZoned === outer.isZoned && !isSelect) return outer;
    const inSight = ctes.length === 0 ? outer.ctes : new Set([...outer.ctes, ...ctes]);
    const scopes = isSelect ? [tablesOf(node.from_table, inSight), ...outer.scopes] : outer.scopes;
    return { ctes: inSight, isZoned, scopes };
  }

  #value(value: SqlValue, name: string, parent: SqlNode, context: Context): SqlValue {
    if (name === "value" && parent.class === "CONSTANT") return value;
    if (name === "cte_map" && isNode(value)) return this.#withQueries(value, context);
    if (Array.isArray(value)) {
      return value.map((each) => {
        const changed = this.#value(each, "", parent, context);
        if (name === "select_list" && isNode(each) && isNode(changed)) this.#selectItem(each, changed);
        return changed;
      });
    }
    return isNode(value) ? this.node(value, context) : value;
  }

  /** Each query of a WITH sees those before it, and itself only when it is recursive: see check.ts. */
  #withQueries(map: SqlNode, context: Context): SqlNode {
    const entries = nodesIn(map.map);
    const names = entries.map(({ key }) => textOf(key).toLowerCase());
    const rewritten = entries.map((entry, at) => {
      const query = isNode(entry.value) && isNode(entry.value.query) ? entry.value.query.node : undefined;
      const isRecursive = isNode(query) && query.type === "RECURSIVE_CTE_NODE";
      const hidden = names.slice(isRecursive ? at + 1 : at).filter((name) =>
        !names.slice(0, at).includes(name)
      );
      const ctes = new Set([...context.ctes].filter((name) => !hidden.includes(name)));
      return this.node(entry, { ...context, ctes });
    });
    return { ...map, map: rewritten };
  }

  #selectItem(original: SqlNode, item: SqlNode): void {
    const alias = textOf(item.alias);
    if (alias !== "" && this.#isTime(item)) this.#times.add(alias.toLowerCase());
    if (alias === "" && item.class !== "STAR" && !isSame(original, item)) {
      this.unnamed.push({ item, original });
    }
  }

  #replace(node: SqlNode, context: Context): SqlNode {
    const kind = textOf(node.class);
    const keepAlias = (changed: SqlNode): SqlNode => ({ ...changed, alias: textOf(node.alias) });
    if (node.type === "BASE_TABLE") return this.#renameTable(node, context);
    if (kind === "PARAMETER") return keepAlias(this.#parameter(node));
    if (kind === "COLUMN_REF") {
      const names = columnNames(node);
      const value = names.length === 1 ? this.#present(names[0].toLowerCase(), context) : undefined;
      return value === undefined ? node : keepAlias(value);
    }
    if (kind === "CAST") return this.#cast(node, context);
    if (kind === "OPERATOR" && node.type === "ARRAY_EXTRACT") return keepAlias(arrayExtract(node));
    if (kind === "FUNCTION") return keepAlias(this.#function(node, context));
    return node;
  }

  #renameTable(node: SqlNode, context: Context): SqlNode {
    const alias = textOf(node.alias) || textOf(node.table_name);
    const system = systemTableOf(
      textOf(node.catalog_name),
      textOf(node.schema_name),
      textOf(node.table_name),
    );
    if (system !== undefined) {
      return { ...node, schema_name: "", table_name: systemViewName(system), alias };
    }
    const name = textOf(node.table_name).toLowerCase();
    if (context.ctes.has(name) || !Object.hasOwn(tableNames, name)) return node;
    return { ...node, table_name: mentionName(tableNames[name], ++this.#mentions), alias };
  }

  #parameter(node: SqlNode): SqlNode {
    const name = textOf(node.identifier);
    const { parameters } = this;
    const value = Array.isArray(parameters)
      ? parameters[Number(name) - 1]
      : Object.hasOwn(parameters, name)
      ? (parameters as Record<string, Parameter>)[name]
      : undefined;
    const position = positionOf(node);
    if (value !== undefined) {
      this.#parameterBytes += typeof value === "string" ? value.length : 0;
      if (this.#parameterBytes <= parameterBytesMax) return constantOf(value);
      throw new OpenWitError(
        "too_large",
        `the parameters' texts come to more than ${parameterBytesMax} bytes`,
        {
          hint: "a text counts each time that the statement names its parameter",
          ...(position === undefined ? {} : { position }),
        },
      );
    }
    throw new OpenWitError("invalid_argument", `there is no value for the parameter $${name}`, {
      hint: `send it in "params": a list for $1, $2, … or an object for names`,
      ...(position === undefined ? {} : { position }),
    });
  }

  /** The node for `now`, `current_date` and the like; `undefined` for any other name. */
  #present(name: string, context: Context): SqlNode | undefined {
    switch (name) {
      case "now":
      case "current_timestamp":
      case "get_current_timestamp":
      case "transaction_timestamp":
        return context.isZoned ? castTo(this.#now(), "TIMESTAMP WITH TIME ZONE") : this.#now();
      case "localtimestamp":
      case "current_localtimestamp":
        return this.#now();
      case "current_date":
      case "today":
        return castTo(this.#now(), "DATE");
      case "current_time":
      case "get_current_time":
      case "localtime":
      case "current_localtime":
        return castTo(this.#now(), "TIME");
    }
  }

  #now(): SqlNode {
    this.isOfNow = true;
    return castTo(textConstant(isoTimestamp(this.nowNs)), "TIMESTAMP_NS");
  }

  #cast(node: SqlNode, context: Context): SqlNode {
    const type = isNode(node.cast_type) ? textOf(node.cast_type.id) : "";
    const literal = constantText(node.child);
    const isZoned = type === "TIMESTAMP WITH TIME ZONE" && !context.isZoned;
    // Only years that nanoseconds reach; anything else stays as DuckDB reads it.
    const isPlainLiteral = type === "TIMESTAMP" && literal !== undefined &&
      /^\s*(1[7-9]|2[01])\d\d-/.test(literal);
    if (!isZoned && !isPlainLiteral) return node;
    return { ...node, cast_type: { id: "TIMESTAMP_NS", type_info: null } };
  }

  #function(node: SqlNode, context: Context): SqlNode {
    const name = textOf(node.function_name).toLowerCase();
    const children = nodesIn(node.children);
    if (children.length === 0 && name !== "match") return this.#present(name, context) ?? node;
    switch (name) {
      case "ago":
        return this.#shifted("-", this.#now(), children[0]);
      case "age":
        // the age at midnight of the present day, as DuckDB has it
        return children.length === 1
          ? { ...node, children: [castTo(castTo(this.#now(), "DATE"), "TIMESTAMP"), children[0]] }
          : node;
      case "to_timestamp":
      case "make_timestamptz":
        return context.isZoned ? node : castTo(castTo(node, "TIMESTAMP"), "TIMESTAMP_NS");
      case "+":
      case "-":
        return this.#sum(node, name, children);
      case "match":
        return matchCondition(node, context.scopes);
    }
    return node;
  }

  #sum(node: SqlNode, name: "+" | "-", children: readonly SqlNode[]): SqlNode {
    if (children.length !== 2) return node;
    const [left, right] = children;
    if (this.#isTime(left) && this.#isInterval(right)) return this.#shifted(name, left, right);
    if (name === "+" && this.#isInterval(left) && this.#isTime(right)) return this.#shifted("+", right, left);
    return node;
  }

  /**
   * A time plus or minus an interval, exact: DuckDB's result cut to microseconds, plus what it cut off the time.
   * Both cut towards zero, so this holds before 1970 too.
   */
  #shifted(operator: "+" | "-", time: SqlNode, interval: SqlNode): SqlNode {
    const shifted = call("epoch_ns", [castTo(call(operator, [time, interval], true), "TIMESTAMP_NS")]);
    const cutOff = call("%", [call("epoch_ns", [time]), integerConstant(1_000)], true);
    return call("make_timestamp_ns", [call("+", [shifted, cutOff], true)]);
  }

  #isTime(node: SqlNode | undefined): boolean {
    if (node === undefined) return false;
    const children = nodesIn(node.children);
    switch (node.class) {
      case "COLUMN_REF":
        return this.#times.has(columnNames(node).at(-1)?.toLowerCase() ?? "");
      case "CAST":
        return isNode(node.cast_type) && node.cast_type.id === "TIMESTAMP_NS";
      case "FUNCTION":
      case "WINDOW": {
        const name = textOf(node.function_name).toLowerCase();
        return name === "make_timestamp_ns" || passesOnFirst.has(name) && this.#isTime(children[0]);
      }
      case "OPERATOR":
        return node.type === "OPERATOR_COALESCE" && this.#isTime(children[0]);
      case "SUBQUERY": {
        const query = isNode(node.subquery) && isNode(node.subquery.node) ? node.subquery.node : undefined;
        return node.subquery_type === "SCALAR" && this.#isTime(nodesIn(query?.select_list)[0]);
      }
      case "CASE":
        return isNode(node.else_expr) && this.#isTime(node.else_expr);
    }
    return false;
  }

  #isInterval(node: SqlNode): boolean {
    if (node.class === "CAST") return isNode(node.cast_type) && node.cast_type.id === "INTERVAL";
    if (node.class !== "FUNCTION") return false;
    const name = textOf(node.function_name).toLowerCase();
    const children = nodesIn(node.children);
    if (intervalMakers.has(name)) return true;
    if (name === "*" || name === "/") return children.some((child) => this.#isInterval(child));
    if (name !== "+" && name !== "-") return false;
    return children.every((child) => this.#isInterval(child)) ||
      children.every((child) => this.#isTime(child));
  }
}

const timeColumnNames: readonly string[] = signals.flatMap((signal) =>
  columnsOf[signal].filter((column) => column.type.kind === "timestamp").map((column) => column.name)
);

/** Functions whose result has the type of their first argument. */
const passesOnFirst: ReadonlySet<string> = new Set(
  ("min max any_value first last arbitrary arg_min arg_max min_by max_by greatest least nullif ifnull " +
    "lag lead first_value last_value nth_value mode median quantile_disc").split(" "),
);

const intervalMakers: ReadonlySet<string> = new Set(
  ("to_years to_quarters to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds " +
    "to_decades to_centuries to_millennia normalized_interval age").split(" "),
);

function order(name: string): number {
  return name === "cte_map" ? 0 : name === "from_table" ? 1 : name === "select_list" ? 2 : 3;
}

/** `resource_attributes['k']` reads the JSON text. */
function arrayExtract(node: SqlNode): SqlNode {
  const [column, key] = nodesIn(node.children);
  if (column?.class !== "COLUMN_REF" || key === undefined) return node;
  return jsonColumns.has(columnNames(column).at(-1)?.toLowerCase() ?? "") ? jsonKey(column, key) : node;
}

function constantOf(value: Parameter): SqlNode {
  if (value === null) {
    const { value: constant, ...node } = textConstant("");
    return {
      ...node,
      value: { ...(constant as SqlNode), type: { id: "NULL", type_info: null }, is_null: true },
    };
  }
  if (typeof value === "boolean") return castTo(textConstant(value ? "t" : "f"), "BOOLEAN");
  if (typeof value === "string") return textConstant(value);
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return integerConstant(value);
  return castTo(textConstant(String(value)), "DOUBLE");
}

function isSame(left: SqlValue, right: SqlValue): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length &&
      left.every((each, at) => isSame(each, right[at]));
  }
  if (!isNode(left) || !isNode(right)) return false;
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) => isSame(left[name], right[name]));
}
