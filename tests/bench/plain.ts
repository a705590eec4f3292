/** The Parquet files of a history, scanned by DuckDB as it comes: what an index and a planner are measured against. */
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { Signal } from "../../core/model/columns.ts";
import { quoteText } from "../../core/model/sql.ts";

export interface PlainDuckDb {
  /** Rows, each a list of texts. */
  rows(sql: string): Promise<string[][]>;
  close(): void;
}

/** @param files paths in the data folder */
export async function openPlain(
  dataDir: string,
  files: Readonly<Record<Signal, readonly string[]>>,
): Promise<PlainDuckDb> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection: DuckDBConnection = await instance.connect();
  for (const [signal, paths] of Object.entries(files)) {
    const list = paths.map((path) => quoteText(join(dataDir, path))).join();
    await connection.run(
      `CREATE VIEW ${signal} AS SELECT * FROM read_parquet([${list}], hive_partitioning = false)`,
    );
  }
  return {
    async rows(sql) {
      const reader = await connection.runAndReadAll(sql);
      return reader.getRows().map((row) => row.map(String));
    },
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}
