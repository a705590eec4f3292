/**
 * Runs a statement for a tenant: what every route that answers from SQL shares.
 *
 * The tenant's data is pinned when the statement is known to be sound, and the answer says what it could see of it.
 */
import { historyTable, isHistoryTable } from "../../core/catalog/history.ts";
import type { HistoryTable } from "../../core/catalog/rows.ts";
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import type { TimeRange } from "../../core/query/bounds.ts";
import { type Coverage, coverageOf, joinCoverage, type MissingSegment } from "../../core/query/coverage.ts";
import { rowsOf, uniqueNames } from "../../core/query/format.ts";
import { type QueryResult, type QueryStats, runQuery } from "../../core/query/query.ts";
import type { Parameters } from "../../core/query/rewrite.ts";
import type { QuerySources, TableSource } from "../../core/query/sources.ts";
import type { BuiltStatement } from "../../core/search/bindings.ts";
import type { JsonRow } from "../../core/search/page.ts";
import type { Store } from "../../core/store/store.ts";
import { type SystemTable, systemTable } from "../../core/system/tables.ts";
import type { QueryHost } from "./host.ts";
import { waitForRecovery } from "./recovering.ts";

/** Bytes of values of an answer whose rows are gathered before it is given. */
const gatheredBytesMax = 64 * 1024 * 1024;

export interface StatementRequest {
  readonly sql: string;
  readonly params?: Parameters;
  readonly window?: TimeRange;
  /** Most rows. */
  readonly limit: number;
  /** Most bytes of values, when fewer than search.result_max. */
  readonly bytesMax?: number;
  readonly timeoutMs?: number;
  /** The client has gone. */
  readonly signal: AbortSignal;
}

export interface Statement {
  readonly result: QueryResult;
  readonly coverage: Coverage;
  /** To be told once how it ended: "ok" or an error's code. */
  finish(outcome: string): void;
}

/** All rows of a statement, for answers that are made of them. */
export interface GatheredRows {
  readonly rows: readonly JsonRow[];
  readonly bytes: number;
  readonly coverage: Coverage;
  readonly truncated?: "rows" | "bytes";
}

/** @throws OpenWitError */
export async function startStatement(
  host: QueryHost,
  tenant: string,
  request: StatementRequest,
): Promise<Statement> {
  const started = systemClock.monotonicMs();
  const store = host.store();
  let stats: QueryStats | undefined;
  const finish = (outcome: string) => {
    const { metrics } = host;
    metrics.add("openwit_queries_total", 1, { outcome });
    metrics.observe("openwit_query_seconds", (systemClock.monotonicMs() - started) / 1_000, { outcome });
    if (stats === undefined) return;
    const { filesConsidered, filesPruned } = stats;
    metrics.add("openwit_query_files_total", filesConsidered - filesPruned, { how: "read" });
    metrics.add("openwit_query_files_total", filesPruned, { how: "pruned" });
  };
  const window = request.window ?? {};
  let coverage = coverageOf([], window, []);
  try {
    checkLength(request.sql, host.sqlBytesMax);
    const wantedMs = Math.min(request.timeoutMs ?? host.searchTimeoutMs, host.searchTimeoutMs);
    const timeoutMs = await waitForRecovery(host, wantedMs, request.signal);
    const result = await runQuery({
      sql: request.sql,
      tenant,
      params: request.params,
      timeoutMs,
      limit: Math.min(request.limit, host.searchRowsMax),
      bytesMax: Math.min(request.bytesMax ?? host.searchBytesMax, host.searchBytesMax),
      window,
      sources: (tables) => {
        const sources = pinSources(store, tenant);
        coverage = coverageOf([...tables].map((each) => sources[each]), window, missingOf(store, tenant));
        return sources;
      },
      systemTables: (names, signal) =>
        Promise.all(
          [...names].map((name) =>
            isHistoryTable(name)
              ? historyOf(host, name, tenant, signal)
              : systemTable(name, { store, taskRuns: host.taskRuns?.() ?? [] }, tenant)
          ),
        ),
      signal: request.signal,
    }, {
      engine: host.engine(),
      clock: systemClock,
      indexes: store.indexes,
      statements: host.statements,
      ...(host.rowReader === undefined ? {} : { rowReader: host.rowReader }),
    });
    stats = result.stats;
    return { result, coverage, finish };
  } catch (error) {
    finish(error instanceof OpenWitError ? error.code : "internal");
    throw error;
  }
}

/** @throws OpenWitError */
export async function gatherRows(
  host: QueryHost,
  tenant: string,
  request: StatementRequest,
): Promise<GatheredRows> {
  const { result, coverage, finish } = await startStatement(host, tenant, request);
  const names = uniqueNames(result.columns);
  const rows: JsonRow[] = [];
  try {
    for await (const batch of result.batches) {
      for (const row of rowsOf(batch, result.columns)) {
        rows.push(Object.fromEntries(row.map((value, at) => [names[at], value])));
      }
    }
  } catch (error) {
    finish(toOpenWitError(error).code);
    throw error;
  }
  finish("ok");
  return { rows, bytes: result.stats.bytes, coverage, truncated: result.stats.truncated };
}

/** The statements of one answer: they share its time and bytes, and what they could see is told together. */
export class Conversation {
  #bytesLeft = gatheredBytesMax;
  readonly #coverages: Coverage[] = [];
  readonly #startedMs = systemClock.monotonicMs();

  constructor(
    readonly host: QueryHost,
    readonly tenant: string,
    /** The client has gone. */
    readonly signal: AbortSignal,
  ) {}

  /** @param window rows outside of it do not exist. @throws OpenWitError */
  async ask(statement: BuiltStatement, window: TimeRange = {}): Promise<GatheredRows> {
    const leftMs = Math.ceil(this.host.searchTimeoutMs - this.elapsedMs());
    const gathered = await gatherRows(this.host, this.tenant, {
      ...statement,
      window,
      bytesMax: this.#bytesLeft,
      timeoutMs: Math.max(1, leftMs),
      signal: this.signal,
    });
    this.#bytesLeft = Math.max(0, this.#bytesLeft - gathered.bytes);
    this.#coverages.push(gathered.coverage);
    return gathered;
  }

  /** What all statements so far could see; at least one. */
  get coverage(): Coverage {
    return joinCoverage(this.#coverages);
  }

  elapsedMs(): number {
    return systemClock.monotonicMs() - this.#startedMs;
  }
}

/** The engine parses a text whole and at once, so it must not be long. */
function checkLength(sql: string, bytesMax: number): void {
  const bytes = Buffer.byteLength(sql);
  if (bytes <= bytesMax) return;
  throw new OpenWitError(
    "too_large",
    `the statement has ${bytes} bytes, more than the limit of ${bytesMax}`,
    {
      hint: "send a long list as one parameter of JSON text; search.sql_max sets the limit",
    },
  );
}

/** What a tenant's statement sees, pinned in this one turn. */
function pinSources(store: Store, tenant: string): QuerySources {
  const pins = signals.map((signal) => ({ signal, ...store.pin(tenant, signal) }));
  const sources = pins.map(({ signal, segments, totals, chunks }): [Signal, TableSource] => [
    signal,
    { signal, files: segments, totals, chunks },
  ]);
  return {
    ...Object.fromEntries(sources) as Record<Signal, TableSource>,
    release: () => pins.forEach(({ release }) => release()),
  };
}

async function historyOf(
  host: QueryHost,
  name: HistoryTable,
  tenant: string,
  signal: AbortSignal,
): Promise<SystemTable> {
  if (host.history === undefined) {
    throw new OpenWitError("unsupported", `there is no system.${name} without a running server`);
  }
  return historyTable(name, await host.history(name, tenant, signal), tenant);
}

/** Segments of a tenant that are in the manifest and cannot be read. */
function missingOf(store: Store, tenant: string): MissingSegment[] {
  return [...store.damaged].flatMap(([id, why]) => {
    const segment = store.manifest.state.segments.get(id);
    return segment?.tenant === tenant ? [{ ...segment, why }] : [];
  });
}
