/**
 * The SQL engine as the query front sees it; edge/duckdb is the one that runs.
 *
 * The front parses a statement to its tree, checks and rewrites the tree (check.ts, rewrite.ts), prints it, and
 * runs the printed text: the text of a user never reaches `run`.
 */
import type { Signal } from "../model/columns.ts";
import type { TimeRange } from "./bounds.ts";
import type { SystemTable } from "../system/tables.ts";
import type { ResultBatch, ResultColumn } from "./result.ts";
import type { SourceChunk } from "./sources.ts";
import type { SqlNode, SqlTree } from "./tree.ts";

export interface SqlEngine {
  /**
   * Waits for the tenant's turn to have a statement parsed; call what it resolves with when that is done.
   * @throws OpenWitError `overloaded`, or the signal's reason
   */
  enter(tenant: string, signal: AbortSignal): Promise<() => void>;
  /**
   * The tree of the statements in a text.
   * @throws OpenWitError `invalid_argument` with a position when it does not parse, or is not a SELECT.
   */
  parse(sql: string): Promise<SqlTree>;
  /** The SQL text of a tree. @throws OpenWitError */
  print(tree: SqlTree): Promise<string>;
  /** The same, and the tree of that text. @throws OpenWitError */
  printAndParse(tree: SqlTree): Promise<PrintedStatement>;
  /** Constant expressions as nanoseconds since 1970 UTC; `undefined` for one that is not a time. */
  evaluateTimes(expressions: readonly SqlNode[]): Promise<(bigint | undefined)[]>;
  /**
   * Runs one checked SELECT that reads the tables by their names (mentions.ts).
   * Resolves when its rows can be fetched; what can fail has failed by then. @throws OpenWitError
   */
  run(request: EngineRequest): Promise<EngineResult>;
  /** Interrupts what runs, waits for it, and lets go of all memory. The engine opens again when next used. */
  close(): Promise<void>;
  /** Other limits of how many statements run and wait, from now on. */
  resize?(limits: EngineLimits): void;
  /** Statements that run and wait now, and refusals since start. */
  readonly load?: EngineLoad;
}

export interface PrintedStatement {
  readonly sql: string;
  readonly tree: SqlTree;
}

export interface EngineLimits {
  /** Statements that run at once; others wait. */
  readonly concurrency: number;
  /** Statements that may wait before one is refused as `overloaded`, of all tenants and of one. */
  readonly waitingMax: number;
  readonly tenantWaitingMax: number;
}

export interface EngineLoad {
  readonly running: number;
  readonly waiting: number;
  /** Statements refused because too many waited, of their tenant or in all. */
  readonly refused: { readonly tenant: number; readonly all: number };
}

export interface EngineRequest {
  readonly sql: string;
  /** Whose statement it is: tenants take turns. */
  readonly tenant: string;
  /** One for each name of ours that the statement reads. */
  readonly tables: readonly EngineTable[];
  /** The same for tables of schema `system`. */
  readonly systemTables?: readonly SystemTable[];
  /** Most rows that the statement gives; how its result is kept depends on it. */
  readonly rowsMax: number;
  /** About what it holds in memory when that is much (heavy.ts); absent or 0 when it is little. */
  readonly memoryBytes?: number;
  /** Interrupts the statement; its reason becomes the error. */
  readonly signal: AbortSignal;
}

/** What one mention of a table reads. */
export interface EngineTable {
  /** By which the statement reads it. */
  readonly name: string;
  readonly signal: Signal;
  readonly files: readonly FileRead[];
  /** Memtable rows; their buffers are read until the result is closed. */
  readonly chunks: readonly SourceChunk[];
  /** Only rows whose time is within it. */
  readonly window?: TimeRange;
  /** Conditions that the statement makes anyway, and that are to be tried while files are read. */
  readonly conditions?: ScanConditions;
  /** The columns that are there to be asked for; absent is every one. */
  readonly columns?: ReadonlySet<string>;
  /** The columns that the statement can need, as far as that is known; the others need not be readable. */
  readonly needed?: ReadonlySet<string> | undefined;
  /** Adds where each row lies, as `rowPlaceColumns`: the file's position in `files` (-1 is memory), and its row. */
  readonly withPlaces?: boolean;
}

export const rowPlaceColumns = { file: "openwit_file", row: "openwit_row" } as const;

/** Conditions as checked SQL. */
export interface ScanConditions {
  readonly sql: string;
  /** What they call the table. */
  readonly alias: string;
}

/** A Parquet file, or some rows of it. */
export interface FileRead {
  /** Absolute, or relative to the data folder. */
  readonly path: string;
  /** Rows by their number in the file, ascending; absent is all of them. */
  readonly rows?: readonly RowRange[];
  /** Whether all of its times are within the table's window. */
  readonly isInWindow?: boolean;
  /** A time that may stand for that of each row: the statement cannot tell them apart. */
  readonly timeNs?: bigint;
}

/** The end is excluded. */
export interface RowRange {
  readonly from: number;
  readonly end: number;
  /** Whether the file has no rows behind it. */
  readonly isToEnd?: boolean;
}

export interface EngineResult {
  readonly columns: readonly ResultColumn[];
  /** The next rows; `undefined` at the end. @throws OpenWitError */
  next(): Promise<ResultBatch | undefined>;
  /** Ends the statement, finished or not, and lets go of its sources. Idempotent. */
  close(): Promise<void>;
}
