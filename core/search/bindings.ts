/** The values of a statement that is built: each is sent as a parameter, never as a part of the text. */
import type { Parameter } from "../query/rewrite.ts";

export class Bindings {
  readonly values: Parameter[] = [];

  /** The parameter that stands for a value. */
  add(value: Parameter): string {
    return `$${this.values.push(value)}`;
  }
}

/** A statement that we built, to be run like one that a person wrote. */
export interface BuiltStatement {
  readonly sql: string;
  readonly params: readonly Parameter[];
  /** Most rows that it gives. */
  readonly limit: number;
}
