/**
 * The catalog in a PostgreSQL of the user's, 15 or later, over Bun's own client. One connection: writes come in
 * batches, one at a time.
 */
import { SQL } from "bun";
import type { CatalogDatabase, CatalogStatement } from "../../core/catalog/database.ts";
import { OpenWitError } from "../../core/error.ts";
import { errorOfState } from "./sql-state.ts";

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`; never shown. */
  readonly url: string;
  /** Milliseconds without a call after which the connection is closed. */
  readonly idleMs: number;
}

const connectSecondsMax = 10;

export class PostgresDatabase implements CatalogDatabase {
  /** A server's database is not ours to begin anew. */
  readonly timesRenewed = 0;
  #client: SQL | undefined;

  constructor(readonly options: PostgresOptions) {}

  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  async run(statements: readonly CatalogStatement[]): Promise<readonly (string | undefined)[]> {
    const client = this.#client ??= this.#connect();
    try {
      return await client.begin(async (transaction) => {
        const values: (string | undefined)[] = [];
        for (const { sql, params } of statements) {
          const rows = await transaction.unsafe(sql, [...params ?? []]).values();
          const value: unknown = rows[0]?.[0];
          values.push(value === undefined || value === null ? undefined : String(value));
        }
        return values;
      });
    } catch (thrown) {
      const error = this.#errorOf(thrown);
      // After anything that is not a statement's own fault the connection may be of no use: the next call takes a new one.
      if (error.code !== "internal") await this.close();
      throw error;
    }
  }

  /** Its autovacuum does it. */
  async maintain(): Promise<void> {}

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close({ timeout: 0 }).catch(() => {}); // it may be broken already: nothing of it is used again
  }

  #connect(): SQL {
    const { url, idleMs } = this.options;
    return new SQL({
      url,
      adapter: "postgres",
      max: 1,
      idleTimeout: Math.ceil(idleMs / 1_000),
      connectionTimeout: connectSecondsMax,
      connection: { application_name: "openwit", statement_timeout: "60000" },
    });
  }

  /** Without the URL, which may hold a password. */
  #errorOf(thrown: unknown): OpenWitError {
    if (thrown instanceof OpenWitError) return thrown;
    const { message, errno, code } = thrown as { message: string; errno?: unknown; code?: string };
    const state = [errno, code].find((each) => typeof each === "string" && /^[0-9A-Z]{5}$/.test(each));
    if (typeof state === "string") return errorOfState(state, message, thrown);
    return new OpenWitError("unavailable", `cannot reach the catalog's PostgreSQL: ${message}`, {
      hint: "metastore.url names it",
      cause: thrown,
    });
  }
}
