/**
 * What an index can be asked for a regular expression: the literals that a matching text must hold.
 *
 * Syntax: RE2 (https://github.com/google/re2/wiki/Syntax), as DuckDB has it. The reader is careful and not complete:
 * what it does not know makes the answer "all". Case is of no matter, for an index knows one case alone.
 */
import { all, and, type IndexPredicate, or, type TextColumn } from "../index/predicate.ts";
import { type Edges, literalPredicate, open } from "./literal.ts";
import { foldCodePoint, isWordCodePoint } from "./word.ts";

/** @param edges `delimited` when the expression has to match the whole text, `open` when any part of it will do. */
export function regexPredicate(column: TextColumn, pattern: string, edges: Edges = open): IndexPredicate {
  try {
    const expression = new Reader([...pattern]).expression();
    return alternativesPredicate(column, expression, edges);
  } catch (error) {
    if (error instanceof UnknownSyntax) return all;
    throw error;
  }
}

/** Alternatives, each of which is a sequence. */
type Expression = readonly (readonly Item[])[];

type Item =
  | { readonly kind: "character"; readonly character: string }
  /** One character or more that are not known; all of them sure to be no word characters, or not. */
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
    return expression.length === 1 ? expression[0] : [{ kind: "group", expression }];
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
    let isDelimiter = !isNegated, isKnown = !isNegated;
    const members = new Set<string>();
    for (let isFirst = true; isFirst || this.#next !== "]"; isFirst = false) {
      if (this.#rest(2) === "[:") {
        const [whole, name] = /^\[:(\^?\w+):\]/.exec(this.#rest(20)) ?? [];
        if (whole === undefined) throw new UnknownSyntax("a bracket in brackets");
        this.#at += whole.length;
        isDelimiter &&= name === "space" || name === "blank" || name === "punct" || name === "cntrl";
        isKnown = false;
        continue;
      }
      const first = this.#member();
      if (first.literal === undefined) {
        isDelimiter &&= first.isDelimiter;
        isKnown = false;
        continue;
      }
      const isRange = this.#next === "-" && this.characters[this.#at + 1] !== "]";
      if (isRange) this.#at++;
      const last = isRange ? this.#member().literal : first.literal;
      if (last === undefined) throw new UnknownSyntax("a range to a class");
      const from = first.literal.codePointAt(0)!, to = last.codePointAt(0)!;
      if (to - from > 64) {
        isDelimiter = isKnown = false;
        continue;
      }
      for (let each = from; each <= to; each++) {
        isDelimiter &&= !isWordCodePoint(each);
        members.add(String.fromCodePoint(foldCodePoint(each)));
      }
    }
    this.#at++;
    if (isKnown && members.size === 1) return { kind: "character", character: [...members][0] };
    return { kind: "gap", isDelimiter };
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

/** A character that is no word character. */
function isSign(item: Item): boolean {
  return item.kind === "character" && !isWordCodePoint(item.character.codePointAt(0)!);
}
