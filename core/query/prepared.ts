/**
 * Statements that were prepared lately, by all that they were prepared from: dashboards ask the same again and again.
 * Each tenant finds its own alone, so that none learns from the time of an answer what another has asked.
 *
 * A tree takes some hundred bytes of memory for each letter of its text, so what is kept is bounded by letters.
 */
import type { Prepared, StatementToPrepare } from "./prepare.ts";

/** Letters of all that is kept: some 10 MB of trees. */
const lettersMax = 96 * 1024;
/** Longer statements are rare, and would push out many. */
const ownLettersMax = 8 * 1024;

/** What a statement is prepared from, the present aside. */
export function statementKey({ sql, tenant, params, limit }: StatementToPrepare): string {
  const values = Object.entries(params ?? {}).map(([name, value]) => [name, typeof value, String(value)]);
  return JSON.stringify([tenant, limit, sql, Array.isArray(params), values]);
}

interface Kept {
  readonly prepared: Prepared;
  readonly letters: number;
}

/** The least lately used goes first. */
export class PreparedStatements {
  readonly #kept = new Map<string, Kept>();
  #letters = 0;

  get(key: string): Prepared | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.prepared;
  }

  /** @param printedLetters of what runs */
  keep(key: string, prepared: Prepared, printedLetters: number): void {
    const letters = key.length + printedLetters;
    if (letters > ownLettersMax) return;
    this.#remove(key);
    this.#kept.set(key, { prepared, letters });
    this.#letters += letters;
    for (const oldest of this.#kept.keys()) {
      if (this.#letters <= lettersMax) break;
      this.#remove(oldest);
    }
  }

  get size(): number {
    return this.#kept.size;
  }

  #remove(key: string): void {
    this.#letters -= this.#kept.get(key)?.letters ?? 0;
    this.#kept.delete(key);
  }
}
