/**
 * A predicate as it is asked of the index files of a signal: which tokens are looked up. It is worked out once and
 * asked of hundreds of files.
 */
import { foldedColumnOf, isIndexedField, jsonColumnOf, levelOf, serviceColumn } from "./fields.ts";
import { type IndexHeader, levelsSince } from "./format.ts";
import type {
  EqualPredicate,
  FoldedPredicate,
  IndexPredicate,
  LevelPredicate,
  PairPredicate,
  PartPredicate,
  WordPredicate,
} from "./predicate.ts";
import { isIndexedWord, strongTokens } from "./strong.ts";
import {
  foldedText,
  levelText,
  pairText,
  type Token,
  type TokenKind,
  tokenKind,
  tokenOf,
  valueText,
} from "./token.ts";

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

/** What a file says of itself that decides what it can be asked. */
export type Asked = Pick<IndexHeader, "signal" | "formatVersion">;

export function questionOf(predicate: IndexPredicate, asked: Asked): Question {
  switch (predicate.kind) {
    case "all":
    case "none":
      return { kind: predicate.kind };
    case "and":
    case "or": {
      const of = predicate.of.map((each) => questionOf(each, asked));
      // Parts last: they may have to look through the dictionary, and nothing may be left by then.
      return { kind: predicate.kind, of: of.toSorted((left, right) => cost(left) - cost(right)) };
    }
    case "equal":
      return valueQuestion(predicate, asked);
    case "level":
      return knowsLevel(predicate, asked)
        ? tokenQuestion(tokenKind.level, levelTextOf(predicate))
        : everything;
    case "folded":
      return foldedQuestion(predicate, tokenOf(tokenKind.folded, foldedTextOf(predicate)), asked);
    case "pair":
      return pairQuestion(predicate, asked);
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

const everything: Question = { kind: "all" };

function tokenQuestion(kind: TokenKind, text: string): TokensQuestion {
  return { kind: "tokens", every: [tokenOf(kind, text)], orAny: [] };
}

function valueQuestion({ field, value }: EqualPredicate, { signal }: Asked): Question {
  if (!isIndexedField(signal, field)) return everything;
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
  if (!isIndexedWord(word)) return everything;
  return tokenQuestion(word.includes(".") ? tokenKind.quad : tokenKind.word, word);
}

/** A text beyond ASCII may be this one in the engine's eyes. */
function foldedQuestion(
  { field }: FoldedPredicate,
  token: Token,
  { signal, formatVersion }: Asked,
): Question {
  if (formatVersion < levelsSince || field !== foldedColumnOf[signal]) return everything;
  return { kind: "tokens", every: [token], orAny: [tokenOf(tokenKind.opaqueValue, field)] };
}

function pairQuestion({ service, with: other }: PairPredicate, asked: Asked): Question {
  const ofService = valueQuestion({ kind: "equal", field: serviceColumn, value: service }, asked);
  if (asked.formatVersion < levelsSince) return ofService;
  const text = pairText(service, other.kind === "level" ? levelTextOf(other) : foldedTextOf(other));
  if (other.kind === "folded") return foldedQuestion(other, tokenOf(tokenKind.pair, text), asked);
  const isPaired = knowsLevel(other, asked) && other.least >= levelOf[asked.signal]!.pairedFrom;
  return isPaired ? tokenQuestion(tokenKind.pair, text) : ofService;
}

function knowsLevel({ field, least }: LevelPredicate, { signal, formatVersion }: Asked): boolean {
  const level = levelOf[signal];
  return formatVersion >= levelsSince && level?.column === field && level.thresholds.includes(least);
}

function levelTextOf({ field, least }: LevelPredicate): string {
  return levelText(field, least);
}

function foldedTextOf({ field, value }: FoldedPredicate): string {
  return foldedText(field, value);
}
