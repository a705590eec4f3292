/**
 * The front of SQL: parse, check, rewrite, prune, run, and hand over rows with their limits kept.
 *
 * Invariants: (1) what the engine runs is the printed form of a tree that passed the check, and that form passes it
 * again. (2) The sources are pinned after the check and released exactly once, whatever happens. (3) Rows arrive in
 * batches that the reader pulls: nothing is gathered here.
 */
import type { Clock } from "../env/clock.ts";
import { OpenWitError } from "../error.ts";
import { type Signal, signals } from "../model/columns.ts";
import { rangeOf, timeBounds, type TimeRange } from "./bounds.ts";
import type { SegmentIndexes } from "../index/indexes.ts";
import { checkStatement } from "./check.ts";
import type { EngineResult, SqlEngine } from "./engine.ts";
import { boundGrowth } from "./growth.ts";
import { heldBytes } from "./heavy.ts";
import { withLocation } from "./locate.ts";
import { type Mention, mentionsOf } from "./mentions.ts";
import { type MentionPlan, type PlanEnv, planMention } from "./plan.ts";
import { type ResultBatch, type ResultColumn, valueBytes } from "./result.ts";
import { type Parameters, rewriteStatement, type Rewritten } from "./rewrite.ts";
import type { QuerySources } from "./sources.ts";
import { type SystemTable, type SystemTableName, systemTableNames } from "../system/tables.ts";
import {
  constantInteger,
  integerConstant,
  isNode,
  nodesIn,
  selectTree,
  type SqlTree,
  textOf,
} from "./tree.ts";

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
}

/** How the statement is answered. */
export interface QueryPlan {
  /** In the order in which the statement names them. */
  readonly mentions: readonly MentionPlan[];
  readonly phasesMs: PhaseTimes;
}

/** Milliseconds: reading the statement, choosing files, asking indexes, looking for rows, running up to the first row. */
export type PhaseTimes = Readonly<Record<"prepare" | "plan" | "index" | "find" | "run", number>>;

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
    const leave = await engine.enter(request.tenant, abort.signal);
    const prepared = await prepareStatement(engine, request, clock.nowNs()).finally(leave);
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
    const running = result = await engine.run({
      sql: prepared.sql,
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
      phasesMs: phasesOf(plans, startedMs, preparedMs, plannedMs, clock.monotonicMs()),
    };
    return { columns: running.columns, batches, stats, plan, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Prepared {
  readonly sql: string;
  readonly rowsMax: number;
  readonly original: SqlTree;
  /** What runs. */
  readonly tree: SqlTree;
  readonly signals: ReadonlySet<Signal>;
  readonly systemTables: ReadonlySet<SystemTableName>;
  readonly mentions: readonly { readonly mention: Mention; readonly range: TimeRange }[];
}

async function prepareStatement(engine: SqlEngine, request: QueryRequest, nowNs: bigint): Promise<Prepared> {
  const parsed = await engine.parse(request.sql);
  const original = isShowTables(parsed) ? await engine.parse(showTablesSql) : parsed;
  const checked = checkStatement(original);
  const rewritten = rewriteStatement(original, nowNs, request.params);
  boundGrowth(rewritten.tree);
  await nameColumns(engine, rewritten);
  const rowsMax = limitRows(rewritten.tree, request.limit);
  const sql = await engine.print(rewritten.tree);
  // What is printed is what runs: were printing to change its meaning, this would see it.
  checkStatement(await engine.parse(sql), true);
  const mentions = await boundedMentions(engine, rewritten.tree);
  const { signals, systemTables } = checked;
  return { sql, rowsMax, original, tree: rewritten.tree, signals, systemTables, mentions };
}

/** The mentions of a rewritten tree, each with the time range outside of which it reads nothing. */
async function boundedMentions(engine: SqlEngine, tree: SqlTree): Promise<Prepared["mentions"]> {
  const mentions = mentionsOf(tree).map((mention) => ({ mention, bounds: timeBounds(mention) }));
  const times = await engine.evaluateTimes(
    mentions.flatMap(({ bounds }) => bounds.map(({ value }) => value)),
  );
  let at = 0;
  return mentions.map(({ mention, bounds }) => ({
    mention,
    range: rangeOf(bounds, times.slice(at, at += bounds.length)),
  }));
}

/** One after the other: each may look for rows, and a statement has the engine once. */
async function planMentions(prepared: Prepared, sources: QuerySources, env: PlanEnv): Promise<MentionPlan[]> {
  const plans: MentionPlan[] = [];
  for (const { mention, range } of prepared.mentions) {
    plans.push(await planMention(mention, range, sources[mention.signal], env));
  }
  return plans;
}

function sumOf(plans: readonly MentionPlan[], of: (plan: MentionPlan) => number): number {
  return plans.reduce((sum, plan) => sum + of(plan), 0);
}

function phasesOf(
  plans: readonly MentionPlan[],
  startedMs: number,
  preparedMs: number,
  plannedMs: number,
  ranMs: number,
): PhaseTimes {
  const index = sumOf(plans, ({ indexMs }) => indexMs), find = sumOf(plans, ({ findMs }) => findMs);
  return {
    prepare: preparedMs - startedMs,
    plan: plannedMs - preparedMs - index - find,
    index,
    find,
    run: ranMs - plannedMs,
  };
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

/** Gives columns whose expression was rewritten the name that they would have had. */
async function nameColumns(engine: SqlEngine, { unnamed }: Rewritten): Promise<void> {
  for (const { item, original } of unnamed) {
    item.alias = (await engine.print(selectTree({ select_list: [original] }))).replace(/^SELECT\s+/, "");
  }
}

/**
 * Lets the engine stop at the row limit, so that a sort keeps only the first rows and a result stays small.
 * Returns the most rows that the statement can give: one more than the limit, to know whether there were more.
 */
function limitRows(tree: SqlTree, limit: number): number {
  const rowsMax = Math.min(limit, 2 ** 52) + 1;
  const node = tree.statements[0].node;
  if (!isNode(node) || !Array.isArray(node.modifiers)) return Infinity;
  if (isNode(node.from_table) && node.from_table.type === "SHOW_REF") return rowsMax; // a row a column
  const own = nodesIn(node.modifiers).find(({ type }) => textOf(type).startsWith("LIMIT"));
  const value = own?.type === "LIMIT_MODIFIER" && isNode(own.limit) ? constantInteger(own.limit) : undefined;
  if (own !== undefined && isNode(own.limit) && value === undefined) return Infinity; // computed, or a percentage
  const modifier = own ?? { type: "LIMIT_MODIFIER", offset: null };
  if (value === undefined || value > BigInt(rowsMax)) modifier.limit = integerConstant(rowsMax);
  if (own === undefined) node.modifiers.push(modifier);
  return rowsMax;
}

function isShowTables(tree: SqlTree): boolean {
  const node = tree.statements.length === 1 ? tree.statements[0].node : undefined;
  const table = isNode(node) && isNode(node.from_table) ? node.from_table : undefined;
  return table?.type === "SHOW_REF" && table.query === null && /^"?tables"?$/.test(textOf(table.table_name));
}

const showTablesSql = `SELECT * FROM (VALUES ${
  [...signals, "traces", ...systemTableNames.map((name) => `system.${name}`)].sort().map((name) =>
    `('${name}')`
  ).join(", ")
}) AS tables(name)`;

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
