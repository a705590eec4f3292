/** What the query routes need of whoever hosts them: a running node, or a data folder that was opened to read. */
import type { HistoryRow, HistoryTable } from "../../core/catalog/rows.ts";
import type { TaskRun } from "../../core/janitor/janitor.ts";
import type { Metrics } from "../../core/metrics/metrics.ts";
import type { Store } from "../../core/store/store.ts";
import type { SqlEngine } from "../../core/query/engine.ts";
import type { RowReader } from "../../core/query/row_reader.ts";
import type { PreparedStatements } from "../../core/query/prepared.ts";

export interface QueryHost {
  readonly dataDir: string;
  readonly metrics: Metrics;
  readonly searchTimeoutMs: number;
  readonly searchRowsMax: number;
  readonly searchBytesMax: number;
  /** Most bytes of a statement's text. */
  readonly sqlBytesMax: number;
  /** @throws OpenWitError `unavailable` while it is not ready */
  store(): Store;
  engine(): SqlEngine;
  /** Reads rows that are known by number; absent where the engine alone does. */
  readonly rowReader?: RowReader;
  /** Those that were asked lately. */
  readonly statements: PreparedStatements;
  /** How far it has brought back the rows of its last run; absent when all are there. */
  readonly recovery?: string;
  /** Runs of maintenance, oldest first; absent where nothing is maintained. */
  taskRuns?(): readonly TaskRun[];
  /** What the catalog has; absent where there can be none. @throws OpenWitError also when it is off */
  history?(table: HistoryTable, tenant: string, signal: AbortSignal): Promise<readonly HistoryRow[]>;
}

/** What a live tail needs beside: a folder at rest has none. */
export interface TailHost {
  /** @throws OpenWitError `unavailable` while it is not ready */
  store(): Pick<Store, "subscribe">;
  /** Aborted when the node begins to stop. */
  readonly stopping: AbortSignal;
}
