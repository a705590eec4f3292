/**
 * Where the terms of a query stand in a text: what `match` finds, for records that are not asked through SQL (a live
 * tail) and for showing a person what was found. Agrees with the condition that core/query/match.ts makes.
 */
import type { MatchQuery, TextPattern } from "./query.ts";
import { isWordCodePoint, nonWordClass, wordsOf } from "./word.ts";

/** A part of a text, in characters of JavaScript. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** Finds a pattern in texts. */
export interface Finder {
  isIn(text: string): boolean;
  /** Every place, from left to right. */
  all(text: string): TextRange[];
}

export function finderOf({ text, isQuoted, isPrefix }: TextPattern): Finder {
  const words = isQuoted ? wordsOf(text) : [];
  const literals = (words.length === 0 ? [text] : words).map(lowerText);
  const isWordAtStart = isWordCodePoint(literals[0].codePointAt(0)!);
  const isWordAtEnd = isWordCodePoint([...literals.at(-1)!].at(-1)!.codePointAt(0)!) && !isPrefix;
  const source = (isWordAtStart ? `(?<=^|${nonWord})` : "") +
    literals.map(escapePattern).join(`${nonWord}+`) +
    (isWordAtEnd ? `(?=${nonWord}|$)` : "");
  const once = new RegExp(source, "u"), every = new RegExp(source, "gu");
  return {
    isIn(text) {
      const lower = lowerText(text);
      return literals.every((literal) => lower.includes(literal)) && once.test(lower);
    },
    all: (text) =>
      [...lowerText(text).matchAll(every)].map(({ index, 0: found }) => ({
        start: index,
        end: index + found.length,
      })),
  };
}

/** The patterns that a record was found by: those of its text that are not below a NOT. */
export function patternsOf(query: MatchQuery): TextPattern[] {
  switch (query.kind) {
    case "and":
    case "or":
      return query.of.flatMap(patternsOf);
    case "text":
      return [query.pattern];
    case "not":
    case "field":
      return [];
  }
}

/** Lower case, a code point for each code point as SQL's lower() has it, so that places stay the same. */
export function lowerText(text: string): string {
  // deno-lint-ignore no-control-regex -- ASCII is meant whole
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase();
  let lower = "";
  for (const character of text) {
    const [first] = character.toLowerCase();
    lower += first.length === character.length ? first : character;
  }
  return lower;
}

/** The class as JavaScript writes it. */
const nonWord = nonWordClass.replaceAll("\\x{", "\\u{");

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|\/]/g, "\\$&");
}
