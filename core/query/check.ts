/**
 * Whether a statement may run: exactly one SELECT over our tables, calling only functions that compute from their
 * arguments. The second fence, DuckDB without external access, is in edge/duckdb.
 *
 * The world is closed: each kind of node of DuckDB 1.5's tree is listed in grammar.ts with the fields that it may
 * have; another kind, or another field that is filled, is refused. So what a later DuckDB adds is refused until
 * looked at.
 */
import { OpenWitError } from "../error.ts";
import { type Signal, signals } from "../model/columns.ts";
import {
  allowedFunctions,
  allowedTableFunctions,
  editDistance,
  nearestFunction,
  refusalHint,
} from "./functions.ts";
import {
  common,
  expressions,
  type FieldKind,
  type Fields,
  modifiers,
  otherFields,
  queries,
  tables,
} from "./grammar.ts";
import { parseMentionName } from "./mentions.ts";
import { type SystemTableName, systemTableNames } from "../system/tables.ts";
import { parseSystemViewName, systemSchema, systemTableOf } from "./system.ts";
import {
  columnNames,
  isNode,
  nodesIn,
  positionOf,
  type SqlNode,
  type SqlTree,
  type SqlValue,
  textOf,
} from "./tree.ts";

export interface CheckedStatement {
  /** Tables that the statement reads. */
  readonly signals: ReadonlySet<Signal>;
  /** Tables of schema `system` that it reads. */
  readonly systemTables: ReadonlySet<SystemTableName>;
  /** Identifiers of its parameters: "1", "2", … or names. */
  readonly parameters: ReadonlySet<string>;
}

/** Names that stand for a signal's table. */
export const tableNames: Readonly<Record<string, Signal>> = {
  logs: "logs",
  spans: "spans",
  traces: "spans",
  metrics: "metrics",
};

/**
 * @param isRewritten whether rewrite.ts made the tree: it gives tables the names that the engine knows
 * @throws OpenWitError `forbidden` or `invalid_argument`, with the position of what is refused.
 */
export function checkStatement(tree: SqlTree, isRewritten = false): CheckedStatement {
  if (tree.statements.length === 0) {
    throw new OpenWitError("invalid_argument", "there is no statement", {
      hint: "for example: SELECT * FROM logs LIMIT 10",
    });
  }
  if (tree.statements.length > 1) {
    throw new OpenWitError(
      "forbidden",
      `there are ${tree.statements.length} statements, and one is allowed`,
      {
        hint: "send them one at a time",
      },
    );
  }
  const checker = new Checker(isRewritten);
  checker.fields(tree, "statement list", { error: "scalar", statements: "ignored" }, noScope);
  checker.statement(tree.statements[0], noScope);
  const { signals, systemTables, parameters } = checker;
  return { signals, systemTables, parameters };
}

/** Lower-case names of the common table expressions that a node sees. */
type Scope = ReadonlySet<string>;
const noScope: Scope = new Set();

/** Nested queries and expressions deeper than this are refused before they can exhaust the stack. */
const depthMax = 400;

class Checker {
  readonly signals = new Set<Signal>();
  readonly systemTables = new Set<SystemTableName>();
  readonly parameters = new Set<string>();
  #depth = 0;

  constructor(readonly isRewritten: boolean) {}

  statement(node: SqlNode, scope: Scope): void {
    this.fields(node, "statement", otherFields.statement, scope);
  }

  /** Looks at every field of a node; a filled one that is not listed is refused. */
  fields(node: SqlNode, what: string, known: Fields, scope: Scope): void {
    if (++this.#depth > depthMax) {
      throw new OpenWitError("invalid_argument", `the statement is nested deeper than ${depthMax} levels`);
    }
    for (const [name, value] of Object.entries(node)) {
      const kind = known[name];
      if (kind === undefined) {
        if (isFilled(value)) throw notAllowed(`${what} with ${name}`, node);
      } else this.#field(value, kind, scope, node, what);
    }
    this.#depth--;
  }

  #field(value: SqlValue, kind: FieldKind, scope: Scope, parent: SqlNode, what: string): void {
    const each = (look: (node: SqlNode) => void) => {
      if (value === null) return;
      for (const node of Array.isArray(value) ? value : [value]) {
        if (isNode(node)) look(node);
        else if (isFilled(node)) throw notAllowed(what, parent);
      }
    };
    switch (kind) {
      case "ignored":
        return;
      case "scalar":
        if (typeof value === "object" && isFilled(value)) throw notAllowed(what, parent);
        return;
      case "nothing":
        if (isFilled(value)) throw notAllowed(what, parent);
        return;
      case "names":
      case "numbers":
        return requireScalars(value, what, parent);
      case "expression":
      case "expressions":
        return each((node) => this.#expression(node, scope));
      case "expressionRows":
        for (const row of Array.isArray(value) ? value : []) {
          for (const node of nodesIn(row)) this.#expression(node, scope);
        }
        return;
      case "modifier":
      case "modifiers":
        return each((node) => this.#listed(node, modifiers, "clause", textOf(node.type), scope));
      case "statement":
        return each((node) => this.statement(node, scope));
      case "query":
        return each((node) => this.#query(node, scope));
      case "table":
        return each((node) => this.#table(node, scope));
      case "ctes":
        return; // looked at in #query, for they widen the scope
      case "constant":
        return each((node) => this.#constant(node));
      case "caseChecks":
        return each((node) => this.fields(node, "CASE", otherFields.case, scope));
      case "type":
        return each(checkType);
      case "replacements":
        return each((node) => this.fields(node, "REPLACE", { key: "ignored", value: "expression" }, scope));
      case "sample":
        return each((node) =>
          this.fields(node, "sample", {
            sample_size: "constant",
            is_percentage: "scalar",
            method: "scalar",
            seed: "scalar",
            repeatable: "scalar",
          }, scope)
        );
      case "pivots":
        return each((node) => this.#pivot(node, scope));
    }
  }

  #listed(
    node: SqlNode,
    kinds: Readonly<Record<string, Fields>>,
    what: string,
    kind: string,
    scope: Scope,
  ): void {
    const known = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
    if (known === undefined) throw notAllowed(`${kind || "this"} ${what}`, node);
    this.fields(node, kind, { ...common, ...known }, scope);
  }

  #expression(node: SqlNode, scope: Scope): void {
    const kind = textOf(node.class);
    if (kind === "FUNCTION" || kind === "WINDOW") checkFunction(node, allowedFunctions);
    if (kind === "COLUMN_REF") checkColumn(node);
    if (kind === "PARAMETER") this.parameters.add(textOf(node.identifier));
    this.#listed(node, expressions, "expression", kind, scope);
  }

  #constant(node: SqlNode): void {
    for (const [name, value] of Object.entries(node)) {
      // "value" may itself be a node: a 128-bit integer in two parts, or the values of a list
      if (name === "type" && isNode(value)) checkType(value);
      else if (name !== "value" && name !== "is_null" && isFilled(value)) {
        throw notAllowed(`constant with ${name}`, node);
      }
    }
  }

  #query(node: SqlNode, scope: Scope): void {
    const inner = new Set(scope);
    const ctes = isNode(node.cte_map) ? nodesIn(node.cte_map.map) : [];
    for (const { key, value } of ctes) {
      const name = textOf(key).toLowerCase();
      if (
        !isNode(value) || !/^[\p{L}_][\p{L}\p{N}_$ -]*$/u.test(name) ||
        /^(openwit_|duckdb_|pg_|sqlite_)/.test(name)
      ) {
        throw notAllowed(`a WITH query named "${textOf(key)}"`, node, "use letters, digits and underscores");
      }
      const query = isNode(value.query) && isNode(value.query.node) ? value.query.node : undefined;
      const isRecursive = query?.type === "RECURSIVE_CTE_NODE";
      this.fields(value, "WITH", otherFields.cte, isRecursive ? new Set([...inner, name]) : inner);
      inner.add(name);
    }
    if (node.type === "RECURSIVE_CTE_NODE") inner.add(textOf(node.cte_name).toLowerCase());
    this.#listed(node, queries, "query", textOf(node.type), inner);
  }

  #table(node: SqlNode, scope: Scope): void {
    const kind = textOf(node.type);
    if (kind === "BASE_TABLE") this.#baseTable(node, scope);
    if (kind === "TABLE_FUNCTION") {
      if (!isNode(node.function)) throw notAllowed("this table function", node);
      checkFunction(node.function, allowedTableFunctions, node);
      this.fields(node.function, "table function", { ...common, ...expressions.FUNCTION }, scope);
    }
    if (kind === "SHOW_REF") checkShow(node);
    this.#listed(node, tables, "table", kind, scope);
  }

  #baseTable(node: SqlNode, scope: Scope): void {
    const name = textOf(node.table_name);
    const catalog = textOf(node.catalog_name), inSchema = textOf(node.schema_name);
    const schema = [catalog, inSchema].filter((part) => part !== "");
    const systemTable = this.isRewritten && schema.length === 0
      ? parseSystemViewName(name)
      : systemTableOf(catalog, inSchema, name);
    if (systemTable !== undefined) {
      this.systemTables.add(systemTable);
      return;
    }
    if (schema.length > 0) {
      throw refused(
        `${[...schema, name].join(".")} cannot be read here: only tables of schema ${systemSchema} have one`,
        node,
        `${tablesHint}; ${systemTableNames.map((each) => `${systemSchema}.${each}`).join(", ")}`,
      );
    }
    if (scope.has(name.toLowerCase())) return;
    const signal = this.isRewritten
      ? parseMentionName(name)
      : Object.hasOwn(tableNames, name.toLowerCase())
      ? tableNames[name.toLowerCase()]
      : undefined;
    if (signal !== undefined) {
      this.signals.add(signal);
      return;
    }
    if (/[./\\*:]/.test(name)) {
      throw refused(`'${name}' cannot be read here: statements do not read files`, node, tablesHint);
    }
    const near = Object.keys(tableNames).find((each) => editDistance(name.toLowerCase(), each, 3) < 3);
    const position = positionOf(node);
    throw new OpenWitError("invalid_argument", `there is no table ${name}`, {
      hint: near === undefined ? tablesHint : `did you mean ${near}? ${tablesHint}`,
      ...(position === undefined ? {} : { position }),
    });
  }

  #pivot(node: SqlNode, scope: Scope): void {
    if (textOf(node.pivot_enum) !== "") throw notAllowed("PIVOT over a type", node);
    this.fields(node, "PIVOT", { ...otherFields.pivot }, scope);
    for (const entry of nodesIn(node.entries)) {
      this.fields(entry, "PIVOT", otherFields.entry, scope);
      for (const value of nodesIn(entry.values)) this.#constant(value);
    }
  }
}

const tablesHint = `the tables are ${[...signals, "traces"].sort().join(", ")}`;

function isFilled(value: SqlValue | undefined): boolean {
  if (value === undefined || value === null || value === "" || value === false) return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

function requireScalars(value: SqlValue, what: string, parent: SqlNode): void {
  for (const each of Array.isArray(value) ? value : [value]) {
    if (Array.isArray(each)) requireScalars(each, what, parent);
    else if (
      isNode(each) && Object.values(each).some((inner) => typeof inner === "object" && isFilled(inner))
    ) {
      throw notAllowed(what, parent);
    }
  }
}

function checkFunction(node: SqlNode, allowed: ReadonlySet<string>, at: SqlNode = node): void {
  const name = textOf(node.function_name).toLowerCase();
  const schema = textOf(node.schema), catalog = textOf(node.catalog);
  // The parser itself writes main.struct_pack, main.list_value and the like.
  const isPlain = catalog === "" && (schema === "" || schema === "main");
  if (isPlain && allowed.has(name)) return;
  const shown = [catalog, schema === "main" ? "" : schema, name].filter((part) => part !== "").join(".");
  if (allowed !== allowedTableFunctions && isPlain && !knownToEngine.test(name)) {
    const near = nearestFunction(name);
    throw refused(
      `${shown} is not allowed here, or no function`,
      positionOf(node) === undefined ? at : node,
      near === undefined ? refusalHint(name) : `did you mean ${near}? ${refusalHint(name)}`,
    );
  }
  throw refused(
    `${shown} is not allowed here`,
    positionOf(node) === undefined ? at : node,
    refusalHint(name),
  );
}

/** The engine reads some names as calls when no column has them; rewrite.ts gives those of the present a value. */
function checkColumn(node: SqlNode): void {
  const [name, ...more] = columnNames(node);
  if (more.length > 0 || !stateNames.test(name ?? "")) return;
  throw refused(`${name.toLowerCase()} is not allowed here`, node, refusalHint(name.toLowerCase()));
}

const stateNames =
  /^(current_catalog|current_database|current_schema|current_role|current_user|session_user)$/i;

/** Names that are certainly meant, so that no other is proposed. */
const knownToEngine =
  /^(read_|parquet_|glob$|sniff_|query|json_|duckdb_|pragma_|pg_|has_|current_|getenv|getvariable|version|nextval|currval|sleep_ms|setseed|write_log|which_secret)/;

function checkType(node: SqlNode): void {
  for (const [name, value] of Object.entries(node)) {
    if ((name === "catalog" || name === "schema" || name === "extension_info") && isFilled(value)) {
      throw notAllowed("a type with a schema", node);
    }
    // Types of the user's own making carry expressions in some versions of the tree.
    if (name === "class" || name === "expr") throw notAllowed("this type", node);
    for (const inner of Array.isArray(value) ? nodesIn(value) : isNode(value) ? [value] : []) {
      checkType(inner);
    }
  }
}

function checkShow(node: SqlNode): void {
  const isDescribe = isNode(node.query) && (node.show_type === "DESCRIBE" || node.show_type === "SUMMARY");
  if (!isDescribe) {
    throw refused("this SHOW is not allowed here", node, "SHOW TABLES, DESCRIBE logs and SUMMARIZE logs are");
  }
}

function notAllowed(
  what: string,
  node: SqlNode,
  hint = "docs/query.md says what a statement may use",
): OpenWitError {
  return refused(`${what} is not allowed here`, node, hint);
}

function refused(message: string, node: SqlNode, hint: string): OpenWitError {
  const position = positionOf(node);
  return new OpenWitError("forbidden", message, { hint, ...(position === undefined ? {} : { position }) });
}
