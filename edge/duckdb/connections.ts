/**
 * Connections of a DuckDB instance that statements take in turn: opening one is a way to another thread.
 *
 * Invariants: (1) a connection is given back only when nothing runs on it, and as it was opened: without a table of its
 * own, a failure or an interrupt, so that no statement finds anything of another's. (2) It is interrupted only by whoever
 * has it.
 */
import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";

/** More of them than statements run at once are closed. */
const keptMax = 4;

export class Connections {
  readonly #free: DuckDBConnection[] = [];
  #isClosed = false;

  constructor(readonly instance: DuckDBInstance) {}

  async take(): Promise<DuckDBConnection> {
    return this.#free.pop() ?? await this.instance.connect();
  }

  /** @param isAsOpened whether it may be used again */
  giveBack(connection: DuckDBConnection, isAsOpened: boolean): void {
    if (isAsOpened && !this.#isClosed && this.#free.length < keptMax) this.#free.push(connection);
    else connection.closeSync();
  }

  /** When none is out any more. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#free.splice(0)) connection.closeSync();
  }
}
