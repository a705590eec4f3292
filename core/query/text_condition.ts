/**
 * What an index can be asked for a condition on a text: LIKE and its kin, `contains`, regular expressions, equality
 * with a literal; and with them what `match` was rewritten to. Pure; of other conditions it says nothing.
 */
import { all, type IndexPredicate, type TextColumn } from "../index/predicate.ts";
import { globPredicate, likePredicate } from "../text/like.ts";
import { delimited, literalPredicate, open } from "../text/literal.ts";
import { regexPredicate } from "../text/regex.ts";
import { constantText, isNode, nodesIn, type SqlNode, textOf } from "./tree.ts";

/**
 * The column of the mention at hand whose words are indexed, when a node refers to it; called with a column
 * reference alone.
 */
export type ResolveColumn = (reference: SqlNode) => TextColumn | undefined;

/**
 * The predicate that each row which meets the condition meets too; `undefined` when the condition is no test of a
 * text column. Of a rewritten statement; AND, OR and NOT are for the caller to take apart.
 */
export function textPredicate(condition: SqlNode, resolve: ResolveColumn): IndexPredicate | undefined {
  if (condition.class === "COMPARISON" && condition.type === "COMPARE_EQUAL") {
    return equality(condition.left, condition.right, resolve) ??
      equality(condition.right, condition.left, resolve);
  }
  if (condition.class !== "FUNCTION") return undefined;
  const name = textFunctionOf(condition);
  const read = Object.hasOwn(tests, name) ? tests[name] : undefined;
  const children = nodesIn(condition.children);
  const column = textColumn(children[0], resolve);
  if (read === undefined || column === undefined) return undefined;
  const [argument, option] = children.slice(1);
  const isRegex = name.startsWith("regexp_");
  const texts = [
    isRegex ? patternText(argument) : literalText(argument),
    ...option === undefined ? [] : [constantText(option)],
  ];
  return texts.every((text) => text !== undefined) ? read(column, texts[0] ?? "", texts[1]) : all;
}

type Read = (column: TextColumn, text: string, option: string | undefined) => IndexPredicate;

const contains: Read = (column, text) => literalPredicate(column, text, open);
const startsWith: Read = (column, text) =>
  literalPredicate(column, text, { isDelimitedBefore: true, isDelimitedAfter: false });
const endsWith: Read = (column, text) =>
  literalPredicate(column, text, { isDelimitedBefore: false, isDelimitedAfter: true });
const like: Read = (column, text) => likePredicate(column, text);
/** A letter as the escape would not survive a change of case in the pattern. */
const likeEscape: Read = (column, text, escape = "") =>
  /\p{L}/u.test(escape) ? all : likePredicate(column, text, escape);
const regex: Read = (column, text, options = "") =>
  options.includes("l") ? contains(column, text, undefined) : regexPredicate(column, text, open);
const wholeRegex: Read = (column, text, options = "") =>
  options.includes("l") ? contains(column, text, undefined) : regexPredicate(column, text, delimited);

/** The function that a node calls, by one of its names in DuckDB's tree. */
export function textFunctionOf(call: SqlNode): string {
  const name = textOf(call.function_name).toLowerCase();
  return Object.hasOwn(otherNames, name) ? otherNames[name] : name;
}

const otherNames: Readonly<Record<string, string>> = {
  prefix: "starts_with",
  "^@": "starts_with",
  suffix: "ends_with",
};

/** Tests of a text by their names. */
const tests: Readonly<Record<string, Read>> = {
  contains,
  starts_with: startsWith,
  ends_with: endsWith,
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
  const column = textColumn(left, resolve), text = literalText(right);
  return column === undefined || text === undefined ? undefined : literalPredicate(column, text, delimited);
}

/** The column in `body`, and in `lower(body)` and the like: an index knows one case alone. */
function textColumn(node: SqlNode[string] | undefined, resolve: ResolveColumn): TextColumn | undefined {
  if (!isNode(node)) return undefined;
  return node.class === "COLUMN_REF" ? resolve(node) : textColumn(changedCaseOf(node), resolve);
}

/** A constant text, in some case. */
export function literalText(node: SqlNode[string] | undefined): string | undefined {
  if (!isNode(node)) return undefined;
  return constantText(node) ?? literalText(changedCaseOf(node));
}

/** What `lower`, `upper` and the like are called with. */
export function changedCaseOf(node: SqlNode): SqlNode | undefined {
  const children = nodesIn(node.children);
  const isCase = node.class === "FUNCTION" && children.length === 1 &&
    /^(lower|upper|lcase|ucase)$/.test(textOf(node.function_name).toLowerCase());
  return isCase ? children[0] : undefined;
}

/** A constant expression, put together of parts or not. */
function patternText(node: SqlNode[string] | undefined): string | undefined {
  if (!isNode(node) || node.class !== "FUNCTION") return constantText(node);
  const children = nodesIn(node.children);
  switch (textOf(node.function_name).toLowerCase()) {
    case "regexp_escape":
      return literalText(children[0])?.replaceAll(/[!-\/:-@[-`{-~]/g, "\\$&");
    case "concat":
    case "||": {
      const texts = children.map(patternText);
      return texts.every((text) => text !== undefined) ? texts.join("") : undefined;
    }
  }
}
