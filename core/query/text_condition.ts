/**
 * What an index can be asked for a condition on a text: `match`, LIKE and its kin, `contains`, regular expressions,
 * equality with a literal. Pure; of a condition that it does not know it says nothing.
 */
import { all, type IndexPredicate, type TextColumn } from "../index/predicate.ts";
import type { Signal } from "../model/columns.ts";
import { globPredicate, likePredicate } from "../text/like.ts";
import { delimited, literalPredicate, open } from "../text/literal.ts";
import { matchPredicate } from "../text/predicate.ts";
import { parseMatchQuery } from "../text/query.ts";
import { regexPredicate } from "../text/regex.ts";
import { matchArguments } from "./match.ts";
import { constantText, isNode, nodesIn, type SqlNode, textOf } from "./tree.ts";

/**
 * The column of the mention at hand whose words are indexed, when a node refers to it; called with a column
 * reference alone.
 */
export type ResolveColumn = (reference: SqlNode) => TextColumn | undefined;

/**
 * The predicate that each row which meets the condition meets too; `undefined` when the condition is no test of a
 * text column. Of a statement as it was before rewrite.ts, parameters replaced.
 */
export function textPredicate(condition: SqlNode, resolve: ResolveColumn): IndexPredicate | undefined {
  if (condition.class === "COMPARISON" && condition.type === "COMPARE_EQUAL") {
    return equality(condition.left, condition.right, resolve) ??
      equality(condition.right, condition.left, resolve);
  }
  if (condition.class !== "FUNCTION") return undefined;
  const name = textOf(condition.function_name).toLowerCase();
  const read = Object.hasOwn(tests, name) ? tests[name] : undefined;
  const children = nodesIn(condition.children);
  const column = textColumn(children[0], resolve);
  if (read === undefined || column === undefined) return undefined;
  const texts = children.slice(1).map(constantText);
  return texts.every((text) => text !== undefined) ? read(column, texts[0] ?? "", texts[1]) : all;
}

/**
 * The same for a call of `match`, whose fields may name other columns of the signal too: for it alone the mention's
 * signal is needed, and that the call's column is the mention's.
 * @throws OpenWitError `invalid_argument` for a query that does not parse
 */
export function matchCallPredicate(
  condition: SqlNode,
  signal: Signal,
  resolve: ResolveColumn,
): IndexPredicate | undefined {
  const given = matchArguments(condition);
  if (given === undefined) return undefined;
  const column = textColumn(given.column, resolve);
  return matchPredicate(parseMatchQuery(given.query), column === undefined ? { signal } : { signal, column });
}

type Read = (column: TextColumn, text: string, option: string | undefined) => IndexPredicate;

const contains: Read = (column, text) => literalPredicate(column, text, open);
const startsWith: Read = (column, text) =>
  literalPredicate(column, text, { isDelimitedBefore: true, isDelimitedAfter: false });
const endsWith: Read = (column, text) =>
  literalPredicate(column, text, { isDelimitedBefore: false, isDelimitedAfter: true });
const like: Read = (column, text) => likePredicate(column, text);
const likeEscape: Read = (column, text, escape) => likePredicate(column, text, escape);
const regex: Read = (column, text, options = "") =>
  options.includes("l") ? contains(column, text, undefined) : regexPredicate(column, text, open);
const wholeRegex: Read = (column, text, options = "") =>
  options.includes("l") ? contains(column, text, undefined) : regexPredicate(column, text, delimited);

/** Tests of a text by their names in DuckDB's tree. */
const tests: Readonly<Record<string, Read>> = {
  contains,
  starts_with: startsWith,
  prefix: startsWith,
  "^@": startsWith,
  ends_with: endsWith,
  suffix: endsWith,
  "~~": like,
  "~~*": like,
  like_escape: likeEscape,
  ilike_escape: likeEscape,
  "~~~": (column, text) => globPredicate(column, text),
  regexp_matches: regex,
  regexp_full_match: wholeRegex,
};

function equality(
  left: SqlNode[string] | undefined,
  right: SqlNode[string] | undefined,
  resolve: ResolveColumn,
): IndexPredicate | undefined {
  const column = textColumn(left, resolve), text = constantText(right);
  return column === undefined || text === undefined ? undefined : literalPredicate(column, text, delimited);
}

/** The column in `body`, and in `lower(body)` and the like: an index knows one case alone. */
function textColumn(node: SqlNode[string] | undefined, resolve: ResolveColumn): TextColumn | undefined {
  if (!isNode(node)) return undefined;
  if (node.class === "COLUMN_REF") return resolve(node);
  const children = nodesIn(node.children);
  const isCase = node.class === "FUNCTION" && children.length === 1 &&
    /^(lower|upper|lcase|ucase)$/.test(textOf(node.function_name).toLowerCase());
  return isCase ? textColumn(children[0], resolve) : undefined;
}
