/**
 * The language of `match(body, '…')` and of searches:
 *
 *     connection refused          both, in any order
 *     "connection refused"        these words one after another
 *     time*                       a word that begins so
 *     a OR b, NOT a, -a, ( … )    AND binds closer than OR; terms that stand next to each other are joined by AND
 *     service:checkout            a column or an attribute that equals the value; `field:"two words"`, `field:pre*`
 *
 * A backslash takes the meaning from the sign after it. Operators are in capitals.
 */
import { OpenWitError } from "../error.ts";

export type MatchQuery =
  | { readonly kind: "and" | "or"; readonly of: readonly MatchQuery[] }
  | { readonly kind: "not"; readonly of: MatchQuery }
  | { readonly kind: "text"; readonly pattern: TextPattern }
  | FieldQuery;

export interface FieldQuery {
  readonly kind: "field";
  /** As it was written. */
  readonly field: string;
  readonly pattern: TextPattern;
  /** Where it stands in the query's text, in bytes. */
  readonly position: number;
}

export interface TextPattern {
  readonly text: string;
  /** In quotes: words with any signs between them. Else the text itself, signs included. */
  readonly isQuoted: boolean;
  /** Followed by `*`: what comes after it does not matter. */
  readonly isPrefix: boolean;
}

/** Longest query, in characters. */
export const queryLengthMax = 4_096;
/** Most terms, and deepest parentheses: what they become must stay small for the SQL engine. */
export const queryTermsMax = 200;
const depthMax = 50;

/** @throws OpenWitError `invalid_argument`; its position is a byte offset into the query. */
export function parseMatchQuery(text: string): MatchQuery {
  if (text.length > queryLengthMax) {
    throw new OpenWitError("invalid_argument", `the query has ${text.length} characters`, {
      hint: `at most ${queryLengthMax} are allowed`,
    });
  }
  return new Parser(text).query();
}

class Parser {
  #at = 0;
  #depth = 0;
  #terms = 0;

  constructor(readonly text: string) {}

  query(): MatchQuery {
    this.#skipSpace();
    if (this.#isAtEnd) throw this.#error(0, "the query is empty", "write a word to look for");
    const query = this.#or();
    if (!this.#isAtEnd) {
      throw this.#error(this.#at, `")" has no "(" before it`, 'to find the sign itself, write "\\)"');
    }
    return query;
  }

  #or(): MatchQuery {
    const of = [this.#and()];
    while (this.#takeOperator("OR")) of.push(this.#and());
    return of.length === 1 ? of[0] : { kind: "or", of };
  }

  #and(): MatchQuery {
    const of = [this.#unary()];
    for (;;) {
      if (!this.#takeOperator("AND") && (this.#isAtEnd || this.#next === ")" || this.#isOperator("OR"))) {
        break;
      }
      of.push(this.#unary());
    }
    return of.length === 1 ? of[0] : { kind: "and", of };
  }

  #unary(): MatchQuery {
    let isNegated = false;
    for (;;) {
      if (this.#takeOperator("NOT")) isNegated = !isNegated;
      // two in a row are the beginning of a flag's name
      else if (this.#next === "-" && /^-[^\s-]/.test(this.text.slice(this.#at, this.#at + 2))) {
        this.#at++;
        isNegated = !isNegated;
        break;
      } else break;
    }
    const of = this.#primary();
    return isNegated ? { kind: "not", of } : of;
  }

  #primary(): MatchQuery {
    const at = this.#at;
    for (const operator of ["AND", "OR"]) {
      if (this.#isOperator(operator)) {
        throw this.#error(at, `${operator} has no term before it`, `to find the word, write "${operator}"`);
      }
    }
    if (this.#isAtEnd || this.#next === ")") {
      throw this.#error(
        at,
        `a term is missing ${this.#isAtEnd ? "at the end" : 'before ")"'}`,
        "write a word",
      );
    }
    if (this.#next !== "(") return this.#term();
    if (++this.#depth > depthMax) {
      throw this.#error(at, `there are more than ${depthMax} parentheses in each other`);
    }
    this.#at++;
    this.#skipSpace();
    const query = this.#or();
    if (this.#isAtEnd) throw this.#error(at, `"(" is not closed`, 'to find the sign itself, write "\\("');
    this.#at++;
    this.#depth--;
    this.#skipSpace();
    return query;
  }

  #term(): MatchQuery {
    const at = this.#at;
    if (++this.#terms > queryTermsMax) throw this.#error(at, `there are more than ${queryTermsMax} terms`);
    const field = this.#takeField();
    const pattern = this.#next === '"' ? this.#quoted() : this.#bare();
    this.#skipSpace();
    if (field !== undefined) return { kind: "field", field, pattern, position: this.#byteOffset(at) };
    if (pattern.text === "" && pattern.isPrefix) {
      throw this.#error(at, `"*" stands alone`, "write the beginning of a word before it, such as time*");
    }
    if (pattern.text === "") {
      throw this.#error(at, "there is nothing between the quotes", "write a word in them");
    }
    return { kind: "text", pattern };
  }

  /** `name:`, where a value follows: not the colon of `12:30`, `https://`, `std::move` or the last of `error:`. */
  #takeField(): string | undefined {
    const [whole, name] = fieldStart.exec(this.text.slice(this.#at)) ?? [];
    if (whole === undefined) return undefined;
    this.#at += whole.length;
    return name.replaceAll(/\\([^])/g, "$1");
  }

  #quoted(): TextPattern {
    const start = this.#at++;
    let text = "";
    while (this.#next !== '"') {
      if (this.#isAtEnd) {
        throw this.#error(start, "the quote is not closed", 'to find the sign itself, write \\"');
      }
      text += this.#character();
    }
    this.#at++;
    return { text, isQuoted: true, isPrefix: this.#take("*") };
  }

  #bare(): TextPattern {
    let text = "";
    while (!this.#isAtEnd && !/[\s"()]/.test(this.#next)) {
      if (this.#next !== "*") {
        text += this.#character();
        continue;
      }
      const at = this.#at++;
      if (this.#isAtEnd || /[\s"()]/.test(this.#next)) return { text, isQuoted: false, isPrefix: true };
      throw this.#error(
        at,
        `"*" stands inside a term`,
        'it can stand at the end alone; to find the sign itself, write "\\*"',
      );
    }
    return { text, isQuoted: false, isPrefix: false };
  }

  #character(): string {
    if (this.#next === "\\" && this.#at + 1 < this.text.length) this.#at++;
    return this.text[this.#at++];
  }

  #take(sign: string): boolean {
    if (this.#next !== sign) return false;
    this.#at++;
    return true;
  }

  get #next(): string {
    return this.text.charAt(this.#at);
  }

  get #isAtEnd(): boolean {
    return this.#at >= this.text.length;
  }

  #isOperator(name: string): boolean {
    const after = this.text.charAt(this.#at + name.length);
    return this.text.startsWith(name, this.#at) && (after === "" || /[\s"()]/.test(after));
  }

  #takeOperator(name: string): boolean {
    if (!this.#isOperator(name)) return false;
    this.#at += name.length;
    this.#skipSpace();
    return true;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#next)) this.#at++;
  }

  #byteOffset(at: number): number {
    return Buffer.byteLength(this.text.slice(0, at));
  }

  #error(at: number, message: string, hint?: string): OpenWitError {
    return new OpenWitError("invalid_argument", `${message} (character ${at + 1} of the query)`, {
      position: this.#byteOffset(at),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** A name that begins with a letter, a colon, and what begins a value: no space, no second colon, no two slashes. */
const fieldStart = /^((?:[\p{L}_@]|\\[^])(?:[\p{L}\p{N}_@.\/-]|\\[^])*):(?!\/\/)(?=[^\s:()])/u;
