/**
 * What an index can be asked: a condition that every row of an answer must meet.
 *
 * A predicate is necessary and not sufficient: it may let through too much, never too little. So what cannot be
 * told by an index, a negation above all, is "all".
 */

export type IndexPredicate =
  | { readonly kind: "all" }
  | { readonly kind: "none" }
  | { readonly kind: "and" | "or"; readonly of: readonly IndexPredicate[] }
  | EqualPredicate
  | LevelPredicate
  | FoldedPredicate
  | PairPredicate
  | WordPredicate
  | PartPredicate;

/**
 * A column, or a key of a map or JSON column, has this text as its value: `trace_id`, `service_name`,
 * `severity_number` (in decimal digits), `attributes.http.route`, `resource_attributes.k8s.pod.name`.
 */
export interface EqualPredicate {
  readonly kind: "equal";
  readonly field: string;
  readonly value: string;
}

/** A number is at least a threshold that is known: `severity_number` 17 (fields.ts). */
export interface LevelPredicate {
  readonly kind: "level";
  readonly field: string;
  readonly least: number;
}

/** A column has this text, given in lower case, in some case: `severity_text`. */
export interface FoldedPredicate {
  readonly kind: "folded";
  readonly field: string;
  readonly value: string;
}

/** A row of a service meets the other: of a block that has both in different rows it says no. */
export interface PairPredicate {
  readonly kind: "pair";
  readonly service: string;
  readonly with: LevelPredicate | FoldedPredicate;
}

/** A text column holds this word, folded (core/text/word.ts). */
export interface WordPredicate {
  readonly kind: "word";
  readonly column: TextColumn;
  readonly word: string;
}

/** A text column holds a word that contains this folded text; at the word's start, at its end, where said. */
export interface PartPredicate {
  readonly kind: "part";
  readonly column: TextColumn;
  readonly text: string;
  readonly atStart: boolean;
  readonly atEnd: boolean;
}

/** Columns whose words are indexed: the body of a log record, the name of a span. */
export type TextColumn = "body" | "name";

export const all: IndexPredicate = { kind: "all" };
export const none: IndexPredicate = { kind: "none" };

/** Rows that meet every one; `all` of nothing. */
export function and(predicates: readonly IndexPredicate[]): IndexPredicate {
  const of = predicates.flatMap((each) => each.kind === "and" ? each.of : [each]).filter(({ kind }) =>
    kind !== "all"
  );
  if (of.some(({ kind }) => kind === "none")) return none;
  const needed = of.filter((each, at) =>
    !of.some((other, otherAt) =>
      otherAt !== at && implies(other, each) && !(implies(each, other) && otherAt > at)
    )
  );
  return needed.length === 0 ? all : needed.length === 1 ? needed[0] : { kind: "and", of: needed };
}

/**
 * Whether a row that meets the one meets the other too: a part costs a walk over all words, which asking for
 * `refused` as well makes needless.
 */
function implies(predicate: IndexPredicate, other: IndexPredicate): boolean {
  if (other.kind === "level") {
    return predicate.kind === "level" && predicate.field === other.field && predicate.least >= other.least;
  }
  if (predicate.kind === "word") {
    if (other.kind === "word") return other.column === predicate.column && other.word === predicate.word;
    return other.kind === "part" && other.column === predicate.column &&
      isPartOf(other, predicate.word, true, true);
  }
  return predicate.kind === "part" && other.kind === "part" && other.column === predicate.column &&
    isPartOf(other, predicate.text, predicate.atStart, predicate.atEnd);
}

function isPartOf(
  { text, atStart, atEnd }: PartPredicate,
  of: string,
  isStart: boolean,
  isEnd: boolean,
): boolean {
  if (atStart && atEnd) return isStart && isEnd && of === text;
  if (atStart) return isStart && of.startsWith(text);
  if (atEnd) return isEnd && of.endsWith(text);
  return of.includes(text);
}

/** Rows that meet at least one; `none` of nothing. */
export function or(predicates: readonly IndexPredicate[]): IndexPredicate {
  const of = predicates.flatMap((each) => each.kind === "or" ? each.of : [each]).filter(({ kind }) =>
    kind !== "none"
  );
  if (of.some(({ kind }) => kind === "all")) return all;
  return of.length === 0 ? none : of.length === 1 ? of[0] : { kind: "or", of };
}
