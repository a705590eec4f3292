/**
 * `match(body, 'connection refused')` as the SQL that the engine runs; core/text/query.ts is its language.
 *
 * Meaning, whatever an index does: a term occurs in the text in any case, and no word character stands beside those
 * of its ends that are word characters. The index finds the same rows, or more (core/text/predicate.ts).
 */
import { OpenWitError } from "../error.ts";
import { columnsOf, type Signal, signals } from "../model/columns.ts";
import { sqlType } from "../model/sql.ts";
import { fieldOf } from "../text/field.ts";
import { type FieldQuery, type MatchQuery, parseMatchQuery, type TextPattern } from "../text/query.ts";
import { isWordCodePoint, nonWordClass, wordsOf } from "../text/word.ts";
import { tableNames } from "./check.ts";
import { jsonKey } from "./json_key.ts";
import {
  allOf,
  anyOf,
  call,
  castTo,
  coalesce,
  columnNames,
  columnReference,
  compare,
  constantText,
  isNode,
  keyOf,
  negated,
  nodesIn,
  positionOf,
  type SqlNode,
  type SqlValue,
  textConstant,
  textOf,
} from "./tree.ts";

/** A table that the columns of a SELECT may be of. */
export interface ScopeTable {
  /** In lower case. */
  readonly alias: string;
  /** Absent for a subquery, a common table expression and the like. */
  readonly signal?: Signal;
}

/** The tables of a FROM. @param ctes lower-case names of common table expressions in sight */
export function tablesOf(from: SqlValue | undefined, ctes: ReadonlySet<string>): ScopeTable[] {
  if (!isNode(from)) return [];
  if (from.type === "JOIN") return [...tablesOf(from.left, ctes), ...tablesOf(from.right, ctes)];
  const name = textOf(from.table_name).toLowerCase();
  const alias = textOf(from.alias).toLowerCase() || name;
  const isOurs = from.type === "BASE_TABLE" && textOf(from.schema_name) === "" && !ctes.has(name) &&
    Object.hasOwn(tableNames, name);
  return [isOurs ? { alias, signal: tableNames[name] } : { alias }];
}

/** The arguments of a call of `match` whose query is known; parameters must have become constants. */
function matchArguments(
  node: SqlNode,
): { readonly column: SqlNode; readonly query: string } | undefined {
  if (node.class !== "FUNCTION" || textOf(node.function_name).toLowerCase() !== "match") return undefined;
  const [column, query] = nodesIn(node.children);
  const text = constantText(query);
  return column === undefined || text === undefined ? undefined : { column, query: text };
}

/**
 * The condition that a call of `match` stands for.
 * @param scopes tables of each SELECT round the call, the innermost first
 * @throws OpenWitError `invalid_argument`
 */
export function matchCondition(node: SqlNode, scopes: readonly (readonly ScopeTable[])[]): SqlNode {
  const given = matchArguments(node);
  const isPlain = nodesIn(node.children).length === 2 && node.filter === null && node.distinct !== true;
  if (given === undefined || !isPlain) {
    throw refused(node, "match takes a text column and a query that is a constant or a parameter", {
      hint: "for example: WHERE match(body, 'connection refused')",
    });
  }
  const { column } = given;
  if (nodeCount(column) > expressionNodesMax) {
    throw refused(node, "the first argument of match is too large", {
      hint: "compute it in a subquery, and match its column",
    });
  }
  const signal = signalOf(column, scopes);
  requireText(column, signal);
  return new Condition(column, signal, node).of(parseQuery(node, given.query), false);
}

/** Each term of a query repeats the expression. */
const expressionNodesMax = 40;

function parseQuery(node: SqlNode, text: string): MatchQuery {
  try {
    return parseMatchQuery(text);
  } catch (error) {
    throw error instanceof OpenWitError ? located(node, error) : error;
  }
}

/** The same error at its place in the statement: that of the query's text, when it stands there as it is. */
function located(node: SqlNode, error: OpenWitError): OpenWitError {
  const [, query] = nodesIn(node.children);
  const literal = positionOf(query), text = constantText(query) ?? "";
  const isVerbatim = literal !== undefined && !text.includes("'");
  const position = isVerbatim ? literal + 1 + (error.position ?? 0) : literal;
  return refused(
    node,
    error.message,
    { ...(error.hint === undefined ? {} : { hint: error.hint }) },
    position,
  );
}

class Condition {
  readonly #qualifiers: readonly string[];

  constructor(readonly column: SqlNode, readonly signal: Signal | undefined, readonly call: SqlNode) {
    this.#qualifiers = firstColumn(column)?.slice(0, -1) ?? [];
  }

  /** @param isNegated whether it stands below a NOT, where a NULL would exclude rows that lack the term */
  of(query: MatchQuery, isNegated: boolean): SqlNode {
    const sure = (condition: SqlNode) =>
      isNegated ? coalesce([condition, castTo(textConstant("f"), "BOOLEAN")]) : condition;
    switch (query.kind) {
      case "and":
        return allOf(query.of.map((each) => this.of(each, isNegated)));
      case "or":
        return anyOf(query.of.map((each) => this.of(each, isNegated)));
      case "not":
        return negated(this.of(query.of, true));
      case "text":
        return sure(textCondition(this.column, query.pattern));
      case "field":
        return sure(this.#field(query));
    }
  }

  #field(query: FieldQuery): SqlNode {
    if (this.signal === undefined) {
      throw refused(this.call, `it is not known of which table ${query.field} is`, {
        hint: 'fields need match on a column of logs, spans or metrics; to find a colon, write "\\:"',
      });
    }
    const field = this.#resolved(query, this.signal);
    const { pattern } = query;
    if (field.kind === "text") return textCondition(this.#columnNamed("body"), pattern);
    if (field.kind === "attribute") {
      const key = textConstant(field.key);
      return anyOf([
        keyOf(this.#columnNamed("attributes"), key),
        jsonKey(this.#columnNamed("resource_attributes"), key),
        jsonKey(this.#columnNamed("scope_attributes"), key),
      ].map((value) => valueCondition(value, textConstant(pattern.text), pattern)));
    }
    const column = this.#columnNamed(field.name);
    const value = textConstant(field.case === "lower" ? pattern.text.toLowerCase() : pattern.text);
    if (field.case === "any") return valueCondition(lower(column), lower(value), pattern);
    return valueCondition(field.isText ? column : castTo(column, "VARCHAR"), value, pattern);
  }

  #resolved(query: FieldQuery, signal: Signal): ReturnType<typeof fieldOf> {
    try {
      return fieldOf(query, signal);
    } catch (error) {
      throw error instanceof OpenWitError ? located(this.call, error) : error;
    }
  }

  #columnNamed(name: string): SqlNode {
    return columnReference([...this.#qualifiers, name]);
  }
}

/** `field:*` is a value that is there and not empty. */
function valueCondition(value: SqlNode, wanted: SqlNode, { text, isPrefix }: TextPattern): SqlNode {
  if (!isPrefix) return compare("COMPARE_EQUAL", value, wanted);
  if (text === "") return compare("COMPARE_NOTEQUAL", value, textConstant(""));
  return call("starts_with", [value, wanted]);
}

/** What stands in the expression for words before the first, between two, and behind the last. */
export const wordAtStart = `(^|${nonWordClass})`,
  wordsApart = `${nonWordClass}+`,
  wordAtEnd = `(${nonWordClass}|$)`;

/** The engine's own lower() is on both sides, so that they agree whatever it does. */
function textCondition(column: SqlNode, { text, isQuoted, isPrefix }: TextPattern): SqlNode {
  const words = isQuoted ? wordsOf(text) : [];
  const literals = words.length === 0 ? [text] : words;
  const conditions = literals.map((each) => call("contains", [lower(column), lower(textConstant(each))]));
  const isWordAtStart = isWordCodePoint(literals[0].codePointAt(0)!);
  const isWordAtEnd = isWordCodePoint(lastCodePoint(literals.at(-1)!)) && !isPrefix;
  if (!isWordAtStart && !isWordAtEnd) return allOf(conditions);
  const parts: SqlNode[] = isWordAtStart ? [textConstant(wordAtStart)] : [];
  for (const [at, literal] of literals.entries()) {
    if (at > 0) parts.push(textConstant(wordsApart));
    parts.push(call("regexp_escape", [lower(textConstant(literal))]));
  }
  if (isWordAtEnd) parts.push(textConstant(wordAtEnd));
  // The texts come first: they are found ten times faster, and few rows are left for the expression.
  return allOf([...conditions, call("regexp_matches", [lower(column), call("concat", parts)])]);
}

function lower(text: SqlNode): SqlNode {
  return call("lower", [text]);
}

function lastCodePoint(text: string): number {
  return [...text].at(-1)!.codePointAt(0)!;
}

/** The table that the first column of an expression is of. */
function signalOf(expression: SqlNode, scopes: readonly (readonly ScopeTable[])[]): Signal | undefined {
  const names = firstColumn(expression)?.map((each) => each.toLowerCase());
  if (names === undefined) return undefined;
  const column = names.at(-1)!, qualifier = names.at(-2);
  const having = signals.filter((signal) => columnsOf[signal].some(({ name }) => name === column));
  for (const tables of scopes) {
    const found = tables.filter(({ alias, signal }) =>
      qualifier !== undefined ? alias === qualifier : signal === undefined || having.includes(signal)
    );
    if (found.length === 1 && found[0].signal !== undefined) return found[0].signal;
    if (found.length > 0) break;
  }
  // Of a subquery, say: a name that one table alone has tells it all the same.
  return having.length === 1 ? having[0] : undefined;
}

/** Names of the first column in an expression. */
function firstColumn(value: SqlValue | undefined): string[] | undefined {
  if (Array.isArray(value)) {
    for (const each of value) {
      const found = firstColumn(each);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isNode(value)) return undefined;
  return value.class === "COLUMN_REF" ? columnNames(value) : firstColumn(Object.values(value));
}

function nodeCount(value: SqlValue): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + nodeCount(each), 0);
  if (!isNode(value)) return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + nodeCount(each), "class" in value ? 1 : 0);
}

function requireText(column: SqlNode, signal: Signal | undefined): void {
  if (column.class !== "COLUMN_REF" || signal === undefined) return;
  const name = columnNames(column).at(-1)?.toLowerCase();
  const type = columnsOf[signal].find((each) => each.name === name)?.type;
  if (type === undefined || type.kind === "utf8" || type.kind === "dictionary") return;
  throw refused(column, `match looks into texts, and ${name} is ${sqlType(type)}`, {
    hint: type.kind === "map"
      ? `match(${name}['some.key'], …), or a field in the query: match(body, 'some.key:value')`
      : "docs/query.md says what match finds",
  });
}

function refused(
  node: SqlNode,
  message: string,
  details: { readonly hint?: string },
  position = positionOf(node),
): OpenWitError {
  return new OpenWitError("invalid_argument", message, {
    ...details,
    ...(position === undefined ? {} : { position }),
  });
}
