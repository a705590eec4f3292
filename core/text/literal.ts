/**
 * What an index can be asked for a literal text that must occur in a column: its words, whole where signs or an end
 * of the text delimit them, else parts of words.
 */
import { all, and, type IndexPredicate, type TextColumn } from "../index/predicate.ts";
import { foldText, isWordCodePoint } from "./word.ts";

/** Whether no word character of the text stands directly before and after the literal. */
export interface Edges {
  readonly isDelimitedBefore: boolean;
  readonly isDelimitedAfter: boolean;
}

export const delimited: Edges = { isDelimitedBefore: true, isDelimitedAfter: true };
export const open: Edges = { isDelimitedBefore: false, isDelimitedAfter: false };

/** @param literal in any case: an index knows one case alone. */
export function literalPredicate(column: TextColumn, literal: string, edges: Edges): IndexPredicate {
  const folded = foldText(literal);
  const predicates: IndexPredicate[] = [];
  let start = -1;
  const starts: number[] = [];
  const endWord = (end: number) => {
    if (start < 0) return;
    const atStart = start > 0 || edges.isDelimitedBefore;
    const atEnd = end < folded.length || edges.isDelimitedAfter;
    predicates.push(wordPredicate(column, folded.slice(start, end), atStart, atEnd));
    starts.push(start);
    const first = starts.at(-4);
    const quad = first === undefined || !atEnd || first === 0 && !edges.isDelimitedBefore
      ? ""
      : folded.slice(first, end);
    if (quadPattern.test(quad)) predicates.push({ kind: "word", column, word: quad });
    start = -1;
  };
  for (let at = 0; at < folded.length;) {
    const codePoint = folded.codePointAt(at)!;
    if (!isWordCodePoint(codePoint)) endWord(at);
    else if (start < 0) start = at;
    at += codePoint > 0xffff ? 2 : 1;
  }
  endWord(folded.length);
  return and(predicates);
}

/** Four numbers joined by dots, such as an IPv4 address, are indexed as one word besides. */
const quadPattern = /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/;

function wordPredicate(column: TextColumn, text: string, atStart: boolean, atEnd: boolean): IndexPredicate {
  if (atStart && atEnd) return { kind: "word", column, word: text };
  // Every block has a word with this letter or digit in it: to look for it would cost and not help.
  if (text.length === 1 && text < "\x80") return all;
  return { kind: "part", column, text, atStart, atEnd };
}
