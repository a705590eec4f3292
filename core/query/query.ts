/**
 * The front of SQL: parse, check, rewrite, prune, run, and hand over rows with their limits kept.
 *
 * Invariants: (1) what the engine runs is the printed form of a tree that passed the check, and that form has passed it
 * again before it runs (prepare.ts). (2) The sources are pinned after the first check and released exactly once,
 * whatever happens. (3) Rows arrive in batches that the reader pulls: nothing is gathered here.
 */
import type { Clock } from "../env/clock.ts";
import { OpenWitError } from "../error.ts";
import type { SegmentIndexes } from "../index/indexes.ts";
import type { Signal } from "../model/columns.ts";
import type { SystemTable, SystemTableName } from "../system/tables.ts";
import type { TimeRange } from "./bounds.ts";
import type { EngineResult, SqlEngine } from "./engine.ts";
import { heldBytes } from "./heavy.ts";
import { withLocation } from "./locate.ts";
import { type MentionPlan, type PlanEnv, planMention } from "./plan.ts";
import { type Prepared, prepareStatement } from "./prepare.ts";
import type { PreparedStatements } from "./prepared.ts";
import type { RowReader } from "./row_reader.ts";
import { type ResultBatch, type ResultColumn, valueBytes } from "./result.ts";
import type { Parameters } from "./rewrite.ts";
import type { QuerySources } from "./sources.ts";

export interface QueryRequest {
  readonly sql: string;
  /** Whose statement it is: tenants take turns. */
  readonly tenant: string;
  readonly params?: Parameters;
  /** Wall-clock budget of the whole statement, waiting and reading included. */
  readonly timeoutMs: number;
  /** Most rows that are handed over; more are cut off and `stats.truncated` says so. */
  readonly limit: number;
  /** Most bytes of values, roughly as they are in memory; cut off like rows. */
  readonly bytesMax: number;
  /** Rows outside of it do not exist for the statement: `--since` and `--until`. */
  readonly window?: TimeRange;
  /** Pins what the tenant's statement reads. Called once, synchronously, for the tables that it names. */
  readonly sources: (tables: ReadonlySet<Signal>) => QuerySources;
  /** What the tenant sees of the system tables that the statement names; absent where there are none. */
  readonly systemTables?: SystemTables;
  /** The client has gone, or the process ends. */
  readonly signal?: AbortSignal;
}

/** Those that history answers may have to be waited for, until the signal aborts. */
export type SystemTables = (
  tables: ReadonlySet<SystemTableName>,
  signal: AbortSignal,
) => Promise<readonly SystemTable[]>;

export interface QueryEnv {
  readonly engine: SqlEngine;
  readonly clock: Clock;
  /** Of the segments that `sources` gives; absent where there are none. */
  readonly indexes?: SegmentIndexes;
  /** Absent where the engine alone reads rows. */
  readonly rowReader?: RowReader;
  /** Statements that were prepared before; absent where none are kept. */
  readonly statements?: PreparedStatements;
}

/** How the statement is answered. */
export interface QueryPlan {
  /** In the order in which the statement names them. */
  readonly mentions: readonly MentionPlan[];
  readonly phasesMs: PhaseTimes;
}

/**
 * Milliseconds: reading the statement as far as planning had to wait for it, choosing files, asking indexes, looking for
 * rows, reading those, running up to the first row.
 */
export type PhaseTimes = Readonly<Record<"prepare" | "plan" | "index" | "find" | "fetch" | "run", number>>;

/** Final once `batches` has ended. */
export interface QueryStats {
  rows: number;
  /** Of their values, roughly as they are in memory. */
  bytes: number;
  elapsedMs: number;
  filesConsidered: number;
  filesPruned: number;
  memtableRows: number;
  /** Which limit cut the rows off. */
  truncated?: "rows" | "bytes";
}

export interface QueryResult {
  readonly columns: readonly ResultColumn[];
  /** To be read once; ending early, by `return` or an error, releases everything. @throws OpenWitError */
  readonly batches: AsyncIterable<ResultBatch>;
  readonly stats: QueryStats;
  readonly plan: QueryPlan;
  /** Releases everything when `batches` is not read to its end. Idempotent. */
  close(): Promise<void>;
}

export const defaultQueryLimits = {
  timeoutMs: 30_000,
  limit: 10_000,
  bytesMax: 256 * 1024 * 1024,
} as const;

/**
 * Starts a statement.
 * @throws OpenWitError `invalid_argument`, `forbidden`, `deadline_exceeded`, `cancelled`, `overloaded`, `io`, …
 */
export async function runQuery(request: QueryRequest, env: QueryEnv): Promise<QueryResult> {
  const { engine, clock } = env;
  const startedMs = clock.monotonicMs();
  const abort = new AbortController();
  const stopTimer = new AbortController();
  const onCancel = () => abort.abort(new OpenWitError("cancelled", "the statement was cancelled"));
  request.signal?.addEventListener("abort", onCancel, { once: true });
  if (request.signal?.aborted) onCancel();
  clock.sleep(request.timeoutMs, stopTimer.signal).then(
    () => abort.abort(timedOut(request.timeoutMs)),
    () => {}, // stopped, because the statement has ended
  );
  let pinned: QuerySources | undefined;
  let result: EngineResult | undefined;
  const doClose = async () => {
    stopTimer.abort();
    request.signal?.removeEventListener("abort", onCancel);
    try {
      await result?.close();
    } finally {
      pinned?.release();
    }
  };
  let closed: Promise<void> | undefined;
  const close = () => closed ??= doClose();

  try {
    const prepared = await prepareStatement(request, clock.nowNs(), abort.signal, env);
    abort.signal.throwIfAborted();
    const sources = pinned = request.sources(prepared.signals);
    const stats: QueryStats = {
      rows: 0,
      bytes: 0,
      elapsedMs: 0,
      filesConsidered: 0,
      filesPruned: 0,
      memtableRows: 0,
    };
    const preparedMs = clock.monotonicMs();
    const plans = await planMentions(prepared, sources, {
      ...env,
      tenant: request.tenant,
      window: request.window,
      signal: abort.signal,
    });
    for (const signal of prepared.signals) {
      stats.memtableRows += sources[signal].chunks.reduce((sum, { rows }) => sum + rows, 0);
    }
    for (const { files } of plans) {
      stats.filesConsidered += files.considered;
      stats.filesPruned += files.considered - files.whole - files.inPart;
    }
    const plannedMs = clock.monotonicMs();
    const sql = await prepared.text;
    const checkedMs = clock.monotonicMs();
    const running = result = await engine.run({
      sql,
      tenant: request.tenant,
      tables: plans.map(({ table }) => table),
      systemTables: await systemTablesOf(request, prepared.systemTables, abort.signal),
      rowsMax: prepared.rowsMax,
      memoryBytes: heldBytes(prepared.tree, sumOf(plans, ({ bytes }) => bytes), prepared.rowsMax),
      signal: abort.signal,
    })
      .catch((error) => {
        throw withLocation(error, prepared.original);
      });
    // A reader who has stopped reading must not hold memory and pins beyond the statement's time.
    const onAbort = () => void close().catch(() => {}); // whoever reads on gets the reason
    abort.signal.addEventListener("abort", onAbort, { once: true });
    if (abort.signal.aborted) onAbort();
    const batches = limited(running, request, stats, () => clock.monotonicMs() - startedMs, close);
    const plan = {
      mentions: plans,
      phasesMs: phasesOf(plans, {
        prepare: preparedMs - startedMs + checkedMs - plannedMs,
        plan: plannedMs - preparedMs,
        run: clock.monotonicMs() - checkedMs,
      }),
    };
    return { columns: running.columns, batches, stats, plan, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** One after the other: each may look for rows, and a statement has the engine once. */
async function planMentions(prepared: Prepared, sources: QuerySources, env: PlanEnv): Promise<MentionPlan[]> {
  const plans: MentionPlan[] = [];
  for (const mention of prepared.mentions) {
    plans.push(await planMention(mention, sources[mention.mention.signal], env));
  }
  return plans;
}

function sumOf(plans: readonly MentionPlan[], of: (plan: MentionPlan) => number): number {
  return plans.reduce((sum, plan) => sum + of(plan), 0);
}

function phasesOf(
  plans: readonly MentionPlan[],
  { prepare, plan, run }: Pick<PhaseTimes, "prepare" | "plan" | "run">,
): PhaseTimes {
  const index = sumOf(plans, ({ indexMs }) => indexMs), find = sumOf(plans, ({ findMs }) => findMs);
  const fetch = sumOf(plans, ({ fetchMs }) => fetchMs);
  return { prepare, plan: plan - index - find - fetch, index, find, fetch, run };
}

async function systemTablesOf(
  request: QueryRequest,
  names: ReadonlySet<SystemTableName>,
  signal: AbortSignal,
): Promise<readonly SystemTable[]> {
  if (names.size === 0) return [];
  if (request.systemTables !== undefined) return await request.systemTables(names, signal);
  throw new OpenWitError(
    "unsupported",
    `there is no ${[...names].map((name) => `system.${name}`).join(", ")} here`,
  );
}

async function* limited(
  result: EngineResult,
  request: QueryRequest,
  stats: QueryStats,
  elapsedMs: () => number,
  close: () => Promise<void>,
): AsyncGenerator<ResultBatch, void, undefined> {
  try {
    for (let batch = await result.next(); batch !== undefined; batch = await result.next()) {
      const room = request.limit - stats.rows;
      const rows = Math.min(batch.rows, room);
      if (batch.rows > room) stats.truncated = "rows";
      let kept = 0;
      while (kept < rows && stats.bytes <= request.bytesMax) {
        for (const column of batch.columns) stats.bytes += valueBytes(column[kept]);
        kept++;
      }
      if (stats.bytes > request.bytesMax) stats.truncated = "bytes";
      stats.rows += kept;
      stats.elapsedMs = elapsedMs();
      if (kept > 0) {
        yield kept === batch.rows
          ? batch
          : { rows: kept, columns: batch.columns.map((column) => column.slice(0, kept)) };
      }
      if (stats.truncated !== undefined) return;
    }
  } finally {
    stats.elapsedMs = elapsedMs();
    await close();
  }
}

function timedOut(timeoutMs: number): OpenWitError {
  return new OpenWitError("deadline_exceeded", `the statement took longer than ${timeoutMs} ms`, {
    hint: "narrow the time range, or ask for more time with timeout_ms",
  });
}
