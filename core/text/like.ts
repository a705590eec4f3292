/**
 * What an index can be asked for patterns of SQL's LIKE, ILIKE and GLOB. A pattern covers the whole text, so that
 * its ends delimit words; a wildcard may stand for a word character and delimits none.
 */
import { all, and, type IndexPredicate, type TextColumn } from "../index/predicate.ts";
import { literalPredicate } from "./literal.ts";

/** @param escape takes the meaning from the character after it; none unless the statement names one. */
export function likePredicate(column: TextColumn, pattern: string, escape = ""): IndexPredicate {
  return wildcardPredicate(column, pattern, "%_", escape);
}

/** Brackets of characters are not looked into. */
export function globPredicate(column: TextColumn, pattern: string): IndexPredicate {
  return pattern.includes("[") ? all : wildcardPredicate(column, pattern, "*?", "\\");
}

function wildcardPredicate(
  column: TextColumn,
  pattern: string,
  wildcards: string,
  escape: string,
): IndexPredicate {
  const predicates: IndexPredicate[] = [];
  let literal = "", isDelimitedBefore = true;
  const endLiteral = (isDelimitedAfter: boolean) => {
    predicates.push(literalPredicate(column, literal, { isDelimitedBefore, isDelimitedAfter }));
    [literal, isDelimitedBefore] = ["", false];
  };
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    if (characters[at] === escape) literal += characters[++at] ?? "";
    else if (wildcards.includes(characters[at])) endLiteral(false);
    else literal += characters[at];
  }
  endLiteral(true);
  return and(predicates);
}
