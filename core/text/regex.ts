/**
 * What an index can be asked for a regular expression: the literals that a matching text must hold.
 *
 * Syntax: RE2 (https://github.com/google/re2/wiki/Syntax), as DuckDB has it. The reader is careful and not complete:
 * what it does not know makes the answer "all". Case is of no matter, for an index knows one case alone.
 */
import { all, and, type IndexPredicate, or, type TextColumn } from "../index/predicate.ts";
import { type Edges, literalPredicate, open } from "./literal.ts";
import { foldCodePoint, hasWordCharacter, isWordCodePoint } from "./word.ts";

/** @param edges `delimited` when the expression has to match the whole text, `open` when any part of it will do. */
export function regexPredicate(column: TextColumn, pattern: string, edges: Edges = open): IndexPredicate {
  const alternatives = alternativesIn(pattern);
  return alternatives === undefined ? all : alternativesPredicate(column, alternatives, edges);
}

/**
 * The longest text that stands in whatever an expression matches, in this case; `undefined` where none is certain to.
 * @param pattern without options that would change its case
 */
export function literalIn(pattern: string): string | undefined {
  if (pattern.includes("(?")) return undefined; // flags, perhaps
  const alternatives = alternativesIn(pattern);
  if (alternatives?.length !== 1) return undefined;
  let longest = "", literal = "";
  for (const item of alternatives[0]) {
    literal = item.kind === "character" && item.isExact !== false ? literal + item.character : "";
    if (literal.length > longest.length) longest = literal;
  }
  return longest === "" ? undefined : longest;
}

function alternativesIn(pattern: string): Expression | undefined {
  try {
    return new Reader([...pattern]).expression();
  } catch (error) {
    if (error instanceof UnknownSyntax) return undefined;
    throw error;
  }
}

/** Alternatives, each of which is a sequence. */
type Expression = readonly (readonly Item[])[];

type Item =
  /** Not exact is one that may be of either case. */
  | { readonly kind: "character"; readonly character: string; readonly isExact?: false }
  /** Characters that are not known; a delimiter keeps word characters on its two sides apart, surely. */
  | { readonly kind: "gap"; readonly isDelimiter: boolean }
  /** What may be absent. */
  | { readonly kind: "optional" }
  /** An end of the text or of a line. */
  | { readonly kind: "start" | "end" }
  /** Stands at least once; what is beside it is not known when it repeats. */
  | { readonly kind: "group"; readonly expression: Expression };

function alternativesPredicate(column: TextColumn, expression: Expression, edges: Edges): IndexPredicate {
  return or(expression.map((items) => sequencePredicate(column, items, edges)));
}

function sequencePredicate(column: TextColumn, items: readonly Item[], edges: Edges): IndexPredicate {
  const predicates: IndexPredicate[] = [];
  let literal = "", { isDelimitedBefore } = edges;
  const endLiteral = (isDelimitedAfter: boolean, isNextDelimited: boolean) => {
    predicates.push(literalPredicate(column, literal, { isDelimitedBefore, isDelimitedAfter }));
    [literal, isDelimitedBefore] = ["", isNextDelimited];
  };
  for (const item of items) {
    switch (item.kind) {
      case "character":
        literal += item.character;
        break;
      case "gap":
        endLiteral(item.isDelimiter, item.isDelimiter);
        break;
      case "optional":
        endLiteral(false, false);
        break;
      case "start":
      case "end":
        endLiteral(true, true);
        break;
      case "group":
        endLiteral(false, false);
        predicates.push(alternativesPredicate(column, item.expression, open));
    }
  }
  endLiteral(edges.isDelimitedAfter, false);
  return and(predicates);
}

class UnknownSyntax extends Error {}

class Reader {
  #at = 0;
  #depth = 0;

  constructor(readonly characters: readonly string[]) {}

  expression(): Expression {
    const expression = this.#alternatives();
    if (this.#at < this.characters.length) throw new UnknownSyntax("a parenthesis without its other");
    return expression;
  }

  #alternatives(): Expression {
    if (++this.#depth > 100) throw new UnknownSyntax("nested too deeply");
    const alternatives: Item[][] = [[]];
    while (this.#at < this.characters.length && this.#next !== ")") {
      if (this.#take("|")) alternatives.push([]);
      else alternatives.at(-1)!.push(...this.#repeated());
    }
    this.#depth--;
    return alternatives;
  }

  /** One atom and the count after it. */
  #repeated(): readonly Item[] {
    const items = this.#atom();
    const count = this.#count();
    if (count === undefined) return items;
    // RE2 counts what stands before flags and the like.
    if (items.length === 0) throw new UnknownSyntax("a count of nothing");
    if (this.#count() !== undefined) throw new UnknownSyntax("a count of a count");
    if (count.min === 0) return [{ kind: "optional" }];
    if (count.max === 1) return items;
    if (items.length === 1 && items[0].kind === "gap") return items;
    if (items.length === 1 && isSign(items[0])) return [{ kind: "gap", isDelimiter: true }];
    return [{ kind: "group", expression: [items] }, { kind: "optional" }];
  }

  /** `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}`, and the `?` that makes them lazy. */
  #count(): { min: number; max: number } | undefined {
    let count: { min: number; max: number } | undefined;
    if (this.#take("*")) count = { min: 0, max: Infinity };
    else if (this.#take("+")) count = { min: 1, max: Infinity };
    else if (this.#take("?")) count = { min: 0, max: 1 };
    else if (this.#next === "{") {
      const [whole, min, comma, max] = /^\{(\d+)(,?)(\d*)\}/.exec(this.#rest(12)) ?? [];
      if (whole === undefined) return undefined; // RE2 takes it for a literal brace
      this.#at += whole.length;
      count = { min: Number(min), max: comma === "" ? Number(min) : max === "" ? Infinity : Number(max) };
    }
    if (count !== undefined) this.#take("?");
    return count;
  }

  #atom(): readonly Item[] {
    const character = this.#character();
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return [this.#class()];
      case ".":
        return [{ kind: "gap", isDelimiter: false }];
      case "^":
        return [{ kind: "start" }];
      case "$":
        return [{ kind: "end" }];
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        throw new UnknownSyntax("a count of nothing");
    }
    return [{ kind: "character", character }];
  }

  #group(): readonly Item[] {
    if (this.#take("?")) {
      const [whole] = /^(?:P?<\w+>|[imsU]*(?:-[imsU]+)?[:)])/.exec(this.#rest(200)) ?? [];
      if (whole === undefined) throw new UnknownSyntax("a group of another kind");
      this.#at += [...whole].length;
      if (whole.endsWith(")")) return []; // flags for what follows
    }
    const expression = this.#alternatives();
    if (!this.#take(")")) throw new UnknownSyntax("a parenthesis without its other");
    if (expression.length === 1) return expression[0];
    const isDelimiter = expression.every((items) => items.length > 0 && items.every(delimits));
    return [isDelimiter ? { kind: "gap", isDelimiter } : { kind: "group", expression }];
  }

  #escape(): readonly Item[] {
    const character = this.#character();
    switch (character) {
      case "A":
        return [{ kind: "start" }];
      case "z":
        return [{ kind: "end" }];
      case "b":
      case "B":
        return []; // RE2 takes letters beyond ASCII for no word characters here: it delimits nothing for us
      case "Q":
        return this.#quoted();
    }
    const { literal, isDelimiter } = this.#escaped(character);
    return [literal === undefined ? { kind: "gap", isDelimiter } : { kind: "character", character: literal }];
  }

  /** What a backslash and this character stand for, in a class or outside of one. */
  #escaped(character: string): { literal?: string; isDelimiter: boolean } {
    if (character === "s") return { isDelimiter: true };
    if (/^[dwDSW]$/.test(character)) return { isDelimiter: false };
    if (character === "p" || character === "P") {
      const [whole] = /^(?:\{\^?\w+\}|\w)/.exec(this.#rest(60)) ?? [];
      if (whole === undefined) throw new UnknownSyntax("a property without a name");
      this.#at += whole.length;
      return { isDelimiter: false };
    }
    if (character === "x") {
      const [whole, short, long] = /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/.exec(this.#rest(8)) ?? [];
      const codePoint = Number.parseInt(short ?? long, 16);
      if (whole === undefined || codePoint > 0x10ffff) throw new UnknownSyntax("no code point");
      this.#at += whole.length;
      return { literal: String.fromCodePoint(codePoint), isDelimiter: false };
    }
    const sign = signEscapes[character] ?? (/^[!-\/:-@[-`{-~]$/.test(character) ? character : undefined);
    if (sign === undefined) throw new UnknownSyntax("another escape");
    return { literal: sign, isDelimiter: false };
  }

  #quoted(): readonly Item[] {
    const items: Item[] = [];
    while (this.#at < this.characters.length && this.#rest(2) !== "\\E") {
      items.push({ kind: "character", character: this.#character() });
    }
    if (this.#at < this.characters.length) this.#at += 2;
    // A count after it would be of the last character alone.
    if (/^[*+?{]/.test(this.#rest(1))) throw new UnknownSyntax("a count of a quoted text");
    return items;
  }

  /** A class of one letter in both its cases is that letter. */
  #class(): Item {
    const isNegated = this.#take("^");
    const ranges: Range[] = [];
    let hasOthers = false, othersDelimit = true;
    for (let isFirst = true; isFirst || this.#next !== "]"; isFirst = false) {
      const first = this.#rest(2) === "[:" ? this.#named() : this.#member();
      if (first.literal === undefined) {
        hasOthers = true;
        othersDelimit &&= first.isDelimiter;
        continue;
      }
      const isRange = this.#next === "-" && this.characters[this.#at + 1] !== "]";
      if (isRange) this.#at++;
      const last = isRange ? this.#member().literal : first.literal;
      if (last === undefined) throw new UnknownSyntax("a range to a class");
      ranges.push([first.literal.codePointAt(0)!, last.codePointAt(0)!]);
    }
    this.#at++;
    if (isNegated) {
      return {
        kind: "gap",
        isDelimiter: complement(ranges).every((range) => !hasWordCharacter(...range)),
      };
    }
    const letter = hasOthers ? undefined : onlyLetter(ranges);
    if (letter !== undefined) return { kind: "character", character: letter, isExact: false };
    return {
      kind: "gap",
      isDelimiter: othersDelimit && ranges.every((range) => !hasWordCharacter(...range)),
    };
  }

  /** A class by its name in a class. */
  #named(): { literal?: string; isDelimiter: boolean } {
    const [whole, name] = /^\[:(\^?\w+):\]/.exec(this.#rest(20)) ?? [];
    if (whole === undefined) throw new UnknownSyntax("a bracket in brackets");
    this.#at += whole.length;
    return { isDelimiter: /^(space|blank|punct|cntrl)$/.test(name) };
  }

  #member(): { literal?: string; isDelimiter: boolean } {
    const character = this.#character();
    if (character !== "\\") return { literal: character, isDelimiter: false };
    return this.#escaped(this.#character());
  }

  #character(): string {
    if (this.#at >= this.characters.length) throw new UnknownSyntax("the expression ends too early");
    return this.characters[this.#at++];
  }

  get #next(): string | undefined {
    return this.characters[this.#at];
  }

  #take(character: string): boolean {
    if (this.#next !== character) return false;
    this.#at++;
    return true;
  }

  #rest(length: number): string {
    return this.characters.slice(this.#at, this.#at + length).join("");
  }
}

const signEscapes: Readonly<Record<string, string | undefined>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  f: "\f",
  v: "\v",
  a: "\x07",
};

type Range = readonly [first: number, last: number];

/** The code points that are in none of the ranges. */
function complement(ranges: readonly Range[]): Range[] {
  const others: Range[] = [];
  let next = 0;
  for (const [first, last] of [...ranges].sort((left, right) => left[0] - right[0])) {
    if (next < first) others.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  return next > 0x10ffff ? others : [...others, [next, 0x10ffff]];
}

/** The letter that all code points of the ranges are cases of. */
function onlyLetter(ranges: readonly Range[]): string | undefined {
  const letters = new Set<number>();
  for (const [first, last] of ranges) {
    if (last - first > 8) return undefined;
    for (let each = first; each <= last; each++) letters.add(foldCodePoint(each));
  }
  return letters.size === 1 ? String.fromCodePoint([...letters][0]) : undefined;
}

/** Whether an item is an end of the text, or characters that are no word characters. */
function delimits(item: Item): boolean {
  return item.kind === "start" || item.kind === "end" || item.kind === "gap" && item.isDelimiter ||
    isSign(item);
}

function isSign(item: Item): boolean {
  return item.kind === "character" && !isWordCodePoint(item.character.codePointAt(0)!);
}
