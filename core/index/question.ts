/**
 * A predicate as it is asked of the index files of a signal: which tokens are looked up. It is worked out once and
 * asked of hundreds of files.
 */
import type { Signal } from "../model/columns.ts";
import { isIndexedField, jsonColumnOf } from "./fields.ts";
import type { EqualPredicate, IndexPredicate, PartPredicate, WordPredicate } from "./predicate.ts";
import { isIndexedWord, strongTokens } from "./strong.ts";
import { type Token, tokenKind, tokenOf, valueText } from "./token.ts";

export type Question =
  | { readonly kind: "all" | "none" }
  | { readonly kind: "and" | "or"; readonly of: readonly Question[] }
  | TokensQuestion
  | PartQuestion;

/** Blocks that have every token of the first, and those that have one of the second. */
export interface TokensQuestion {
  readonly kind: "tokens";
  readonly every: readonly Token[];
  readonly orAny: readonly Token[];
}

/** Blocks that have a word which contains a text. */
export interface PartQuestion {
  readonly kind: "part";
  readonly part: PartPredicate;
  /** Stands where a block has words that are not listed. */
  readonly opaque: Token;
}

export function questionOf(predicate: IndexPredicate, signal: Signal): Question {
  switch (predicate.kind) {
    case "all":
    case "none":
      return { kind: predicate.kind };
    case "and":
    case "or": {
      const of = predicate.of.map((each) => questionOf(each, signal));
      // Parts last: they may have to look through the dictionary, and nothing may be left by then.
      return { kind: predicate.kind, of: of.toSorted((left, right) => cost(left) - cost(right)) };
    }
    case "equal":
      return valueQuestion(predicate, signal);
    case "word":
      return wordQuestion(predicate);
    case "part": {
      const { column, text, atStart, atEnd } = predicate;
      if (atStart && atEnd) return wordQuestion({ kind: "word", column, word: text });
      return { kind: "part", part: predicate, opaque: tokenOf(tokenKind.opaqueWord, "") };
    }
  }
}

function cost(question: Question): number {
  if (question.kind === "part") return 2;
  return question.kind === "and" || question.kind === "or" ? Math.max(1, ...question.of.map(cost)) : 0;
}

function valueQuestion({ field, value }: EqualPredicate, signal: Signal): Question {
  if (!isIndexedField(signal, field)) return { kind: "all" };
  const column = jsonColumnOf(field);
  return {
    kind: "tokens",
    every: strongTokens(value)?.map(({ kind, text }) => tokenOf(kind, text)) ??
      [tokenOf(tokenKind.value, valueText(field, value))],
    // A value that only JSON can tell may be this one.
    orAny: column === undefined ? [] : [field, column].map((each) => tokenOf(tokenKind.opaqueValue, each)),
  };
}

function wordQuestion({ word }: WordPredicate): Question {
  if (!isIndexedWord(word)) return { kind: "all" };
  const kind = word.includes(".") ? tokenKind.quad : tokenKind.word;
  return { kind: "tokens", every: [tokenOf(kind, word)], orAny: [] };
}
