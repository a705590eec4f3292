/**
 * The relational database beneath the catalog, as little of it as is used: edge/catalog has PGlite and PostgreSQL.
 *
 * Every parameter goes in as text and every result comes out as one text, so that no client's own idea of types
 * stands between the schema and its rows; lists travel as JSON.
 */
export interface CatalogDatabase {
  /**
   * Runs the statements in one transaction; resolves when it is durable, with the first column of each one's first
   * row, or undefined where there was none. Opens the database if it is not open. Never waits for ever.
   * @throws OpenWitError `unavailable`, `io`, `disk_full` to be tried again; `corrupt`, `internal` as well, after
   *   `close`: the next call opens it anew and mends what it can
   */
  run(statements: readonly CatalogStatement[]): Promise<readonly (string | undefined)[]>;
  /** Housekeeping after much was deleted. @throws OpenWitError as `run` */
  maintain(): Promise<void>;
  /** Whether a connection, or the engine in its worker, is there now. */
  readonly isOpen: boolean;
  /**
   * How often this database was found to be of no use and begun anew, with nothing in it, since the process started.
   */
  readonly timesRenewed: number;
  /** Lets go of everything; a later call opens it again. Never throws. */
  close(): Promise<void>;
}

export interface CatalogStatement {
  readonly sql: string;
  /** `$1` is the first; each is text, and the SQL casts it. */
  readonly params?: readonly string[];
}
