/**
 * Conditions that look into a text as a test of its bytes (../parquet/read/sought_texts.ts): LIKE without `_`, `contains`
 * and its kin, and what `match` is rewritten to (match.ts). Of any other one it says nothing, and of texts beyond ASCII
 * that are sought in any case: then the engine finds the rows.
 */
import type { RowTest } from "../parquet/read/filter.ts";
import type { TextTest } from "../parquet/read/sought_texts.ts";
import { literalIn } from "../text/regex.ts";
import { wordAtEnd, wordAtStart, wordsApart } from "./match.ts";
import { textFunctionOf } from "./text_condition.ts";
import { constantText, isNode, nodesIn, type SqlNode, type SqlValue, textOf } from "./tree.ts";

export interface TextTestOfColumn {
  /** A reference to a column. */
  readonly column: SqlNode;
  readonly test: TextTest;
}

/** `undefined` where a condition is anything else. @param condition a function with two arguments */
export function textTestOf(condition: SqlNode): TextTestOfColumn | undefined {
  const [input, pattern, ...more] = nodesIn(condition.children);
  const name = textFunctionOf(condition);
  const read = Object.hasOwn(tests, name) ? tests[name] : undefined;
  if (read === undefined || !isNode(pattern) || more.length > 0) return undefined;
  const test = read(pattern);
  return test === undefined ? undefined : testOf(input, test);
}

/** The test of an input that is a column, or the lower case of one. */
function testOf(input: SqlNode, test: TextTest): TextTestOfColumn | undefined {
  const lowered = loweredIn(input);
  const column = lowered ?? input;
  if (column.class !== "COLUMN_REF") return undefined;
  const isFolded = lowered !== undefined || test.isFolded;
  const { literals } = test;
  // Where upper case is sought in lower case nothing is found: not worth a test of its own.
  const canBe = literals.length > 0 &&
    literals.every((literal) =>
      literal !== "" && (!isFolded || isAscii.test(literal) && literal === literal.toLowerCase())
    );
  return canBe ? { column, test: { ...test, isFolded } } : undefined;
}

/** A test that every row meets which meets a condition, where that is a regular expression with a text in it. */
export function textTestWithin(condition: SqlNode): TextTestOfColumn | undefined {
  const [input, pattern, ...more] = nodesIn(condition.children);
  const isRegex = /^regexp_(full_match|matches)$/.test(textOf(condition.function_name).toLowerCase());
  const literal = isRegex && more.length === 0 ? literalIn(constantText(pattern) ?? "") : undefined;
  return literal === undefined ? undefined : testOf(input, { ...anywhere, literals: [literal] });
}

/** Without those tests that are met wherever another one is. */
export function withoutImplied(tests: readonly RowTest[]): RowTest[] {
  const words = tests.filter((test) => test.kind === "text" && test.areWords) as TextTest[];
  return tests.filter((test) =>
    test.kind !== "text" || test.areWords || test.literals.length > 1 || test.isBoundBefore ||
    test.isBoundAfter ||
    !words.some(({ isFolded, literals }) => isFolded === test.isFolded && literals.includes(test.literals[0]))
  );
}

type Read = (pattern: SqlNode) => TextTest | undefined;

const anywhere = {
  kind: "text",
  isFolded: false,
  areWords: false,
  isBoundBefore: false,
  isBoundAfter: false,
} as const;

const contains = textRead((text) => ({ ...anywhere, literals: [text] }));
const startsWith = textRead((text) => ({ ...anywhere, literals: [text], isBoundBefore: true }));
const endsWith = textRead((text) => ({ ...anywhere, literals: [text], isBoundAfter: true }));
const like = textRead((text) => {
  if (text.includes("_")) return undefined;
  return {
    ...anywhere,
    literals: text.split("%").filter((part) => part !== ""),
    isBoundBefore: !text.startsWith("%"),
    isBoundAfter: !text.endsWith("%"),
  };
});

/** By their names in the engine's tree. */
const tests: Readonly<Record<string, Read>> = {
  contains,
  starts_with: startsWith,
  ends_with: endsWith,
  "~~": like,
  "~~*": (pattern) => {
    const test = like(pattern);
    return test && { ...test, isFolded: true, literals: test.literals.map(inLowerCase) };
  },
  regexp_matches: wordsOf,
};

function textRead(read: (text: string) => TextTest | undefined): Read {
  return (pattern) => {
    const text = literalOf(pattern);
    return text === undefined ? undefined : read(text);
  };
}

/** The expression for whole words that `match` makes. */
function wordsOf(pattern: SqlNode): TextTest | undefined {
  if (pattern.class !== "FUNCTION" || pattern.function_name !== "concat") return undefined;
  const parts = nodesIn(pattern.children);
  const isBoundBefore = constantText(parts[0]) === wordAtStart;
  const isBoundAfter = constantText(parts.at(-1)) === wordAtEnd;
  const within = parts.slice(isBoundBefore ? 1 : 0, isBoundAfter ? -1 : undefined);
  const literals: string[] = [];
  for (const [at, part] of within.entries()) {
    if (at % 2 === 1) {
      if (constantText(part) !== wordsApart) return undefined;
      continue;
    }
    const [escaped, ...more] = nodesIn(part.children);
    const literal = part.function_name === "regexp_escape" && more.length === 0
      ? literalOf(escaped)
      : undefined;
    if (literal === undefined || !isPrintable.test(literal)) return undefined;
    literals.push(literal);
  }
  if (within.length % 2 === 0) return undefined;
  // What stands between two is all that is of no word, which the texts must not begin or end with then.
  const areWhole = literals.length === 1 || literals.every((literal) => /^[0-9A-Za-z]+$/.test(literal));
  return areWhole
    ? { kind: "text", literals, isFolded: false, areWords: true, isBoundBefore, isBoundAfter }
    : undefined;
}

/** A constant text, or one in lower case. */
function literalOf(node: SqlValue | undefined): string | undefined {
  const text = constantText(node);
  if (text !== undefined) return text;
  const lowered = constantText(loweredIn(node));
  return lowered !== undefined && isAscii.test(lowered) ? inLowerCase(lowered) : undefined;
}

/** What `lower` is called with. */
function loweredIn(node: SqlValue | undefined): SqlNode | undefined {
  if (!isNode(node) || node.class !== "FUNCTION") return undefined;
  const children = nodesIn(node.children);
  return children.length === 1 && /^(lower|lcase)$/.test(textOf(node.function_name).toLowerCase())
    ? children[0]
    : undefined;
}

/** The engine's lower case, of ASCII. */
function inLowerCase(text: string): string {
  return text.toLowerCase();
}

// deno-lint-ignore no-control-regex -- ASCII is meant whole
const isAscii = /^[\x00-\x7f]*$/;
const isPrintable = /^[\x20-\x7e]+$/;
