/** What an index can be asked for a query of the match language (query.ts). */
import { all, and, type IndexPredicate, or, type TextColumn } from "../index/predicate.ts";
import type { Signal } from "../model/columns.ts";
import { attributeColumns, fieldOf } from "./field.ts";
import { literalPredicate } from "./literal.ts";
import type { FieldQuery, MatchQuery, TextPattern } from "./query.ts";
import { wordsOf } from "./word.ts";

/** Where a query's terms are looked for. */
export interface MatchTarget {
  /** The table whose columns its fields name; absent where none is known. */
  readonly signal?: Signal;
  /** Absent when it is an expression, or a column whose words are not indexed. */
  readonly column?: TextColumn;
}

/** @throws OpenWitError `invalid_argument` for a field that cannot be compared */
export function matchPredicate(query: MatchQuery, target: MatchTarget): IndexPredicate {
  switch (query.kind) {
    case "and":
      return and(query.of.map((each) => matchPredicate(each, target)));
    case "or":
      return or(query.of.map((each) => matchPredicate(each, target)));
    case "not":
      return all;
    case "text":
      return textPredicate(query.pattern, target.column);
    case "field":
      return target.signal === undefined ? all : fieldPredicate(query, target.signal);
  }
}

function textPredicate({ text, isQuoted, isPrefix }: TextPattern, column?: TextColumn): IndexPredicate {
  if (column === undefined) return all;
  const words = isQuoted ? wordsOf(text) : [];
  // A phrase without a word is looked for as it stands.
  const literal = words.length === 0 ? text : words.join(" ");
  return literalPredicate(column, literal, { isDelimitedBefore: true, isDelimitedAfter: !isPrefix });
}

function fieldPredicate(query: FieldQuery, signal: Signal): IndexPredicate {
  const field = fieldOf(query, signal);
  const { text, isPrefix } = query.pattern;
  if (field.kind === "text") return textPredicate(query.pattern, "body");
  if (isPrefix) return all;
  if (field.kind === "attribute") {
    return or(attributeColumns.map((column) => keyPredicate(column, field.key, text)));
  }
  if (text === "" || field.case === "any") return all;
  return { kind: "equal", field: field.name, value: field.case === "lower" ? text.toLowerCase() : text };
}

/**
 * What an index can be asked for `attributes['key'] = 'value'`, and for a key of an attribute column of JSON text.
 * Of JSON, an index holds texts, truth values and integers as SQL gives them; what SQL may print in another way than
 * it is stored, or as a text of many values, it cannot be asked for.
 */
export function keyPredicate(
  column: (typeof attributeColumns)[number],
  key: string,
  value: string,
): IndexPredicate {
  if (column !== "attributes") {
    const isNested = /^\s*[[{]/.test(value);
    const isOtherNumber = value.trim() !== "" && !Number.isNaN(Number(value)) && !/^-?\d{1,15}$/.test(value);
    if (isNested || isOtherNumber) return all;
  }
  return value === "" ? all : { kind: "equal", field: `${column}.${key}`, value };
}
