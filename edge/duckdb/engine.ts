/**
 * The SQL engine (core/query/engine.ts) on DuckDB 1.5: one fenced instance in memory (instance.ts), opened at the first
 * query.
 *
 * A statement gets a connection of its own, and before its text a WITH query for each mention of a table (view.ts).
 *
 * Invariants: (1) no call here runs a statement synchronously, for the memtable's callbacks need this thread.
 * (2) A connection is closed only when nothing runs on it. (3) A pin outlives everything that may read it.
 */
import { availableParallelism } from "node:os";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { DuckDBConnection, DuckDBResult, DuckDBType } from "@duckdb/node-api";
import type { MemoryShare } from "../../core/budget/memory-share.ts";
import { OpenWitError } from "../../core/error.ts";
import type { EngineLimits, EngineRequest, EngineResult, SqlEngine } from "../../core/query/engine.ts";
import type { ResultBatch } from "../../core/query/result.ts";
import {
  readTree,
  selectTree,
  type SqlNode,
  type SqlTree,
  textOf,
  writeTree,
} from "../../core/query/tree.ts";
import { fromDuckDB, isOutOfMemory } from "./error.ts";
import { Instances, type Opened } from "./instance.ts";
import type { MemtablePin } from "./memtable.ts";
import { parsedStatements } from "./parsed.ts";
import type { ParserQuestion } from "./parsers.ts";
import { ChunkReader, columnReader } from "./result.ts";
import { createSystemTable } from "./system.ts";
import { openSlots, type Slots, statementsAtOnce } from "./slots.ts";
import { allocatorTrim } from "./trim.ts";
import { MemoryWatch, type Watched, type WatchEnv } from "./watch.ts";
import { selectOf, withTables } from "./view.ts";

export interface DuckDBEngineOptions extends EngineLimits {
  /** Absolute path of the data folder. */
  readonly dataDir: string;
  /** Folder that statements may read, absolute or below the data folder. */
  readonly parquetDir?: string;
  /** More folders that they may read, absolute. */
  readonly alsoRead?: readonly string[];
  /** Folder for what does not fit in memory, absolute or below the data folder; made when first needed. */
  readonly spillDir?: string;
  readonly memoryBytes: number;
  readonly spillBytes: number;
  readonly threads: number;
  /** Resident memory of the process over which statements are ended. */
  readonly residentBytesMax: number;
  /** What heavy statements and merges share; none are heavy without it. */
  readonly shared?: MemoryShare;
}

export const defaultEngineOptions = {
  memoryBytes: 512 * 1024 * 1024,
  spillBytes: 2 * 1024 * 1024 * 1024,
  threads: 2,
  concurrency: statementsAtOnce(process.env.UV_THREADPOOL_SIZE, availableParallelism()),
  waitingMax: 256,
  tenantWaitingMax: 64,
  residentBytesMax: Infinity,
} as const;

/** An engine that loads DuckDB when it is first used. */
export function duckDBEngine(options: DuckDBEngineOptions): SqlEngine {
  const slots = openSlots({ ...options, count: options.concurrency });
  const preparing = openSlots({ ...options, count: preparingMax });
  const watch = new MemoryWatch(watchEnv, options.residentBytesMax);
  const running = new Set<EngineResult>();
  const starting = new Set<Promise<unknown>>();
  const instances = new Instances(options);
  const parsed = parsedStatements();
  const ask = async (question: ParserQuestion, text: string) => {
    try {
      return await instances.use(({ parsers }) => parsers.ask(question, text));
    } catch (error) {
      throw fromDuckDB(error);
    }
  };
  let closing = new AbortController();

  return {
    resize({ concurrency, ...waiting }) {
      slots.resize({ ...waiting, count: concurrency });
      preparing.resize({ ...waiting, count: preparingMax });
    },

    get load() {
      const { running, waiting, refused } = slots.stats;
      const { refused: before } = preparing.stats; // who waits to be parsed is not counted: it takes milliseconds
      return {
        running,
        waiting,
        refused: {
          tenant: refused.tenant + before.tenant,
          all: refused.all + before.all,
        },
      };
    },

    enter: (tenant, signal) => preparing.take(tenant, AbortSignal.any([signal, closing.signal])),

    async parse(sql) {
      const known = parsed.get(sql);
      if (known !== undefined) return readTree(known) as SqlTree;
      const [json] = await ask("parse", sql);
      const tree = readParsed(json, sql);
      parsed.keep(sql, json);
      return tree;
    },

    async print(tree) {
      const [sql] = await ask("print", writeTree(tree));
      return sql;
    },

    async printAndParse(tree) {
      const [sql, json] = await ask("printAndParse", writeTree(tree));
      return { sql, tree: readParsed(json, sql) };
    },

    async evaluateTimes(expressions) {
      if (expressions.length === 0) return [];
      return await instances.use(async ({ connections }) => {
        const connection = await connections.take();
        let isInterrupted = false;
        // What takes long bounds nothing; the statement itself is under its time-out.
        const timer = setInterval(() => {
          isInterrupted = true;
          connection.interrupt();
        }, evaluationMsMax);
        try {
          const times = await evaluateAll(connection, expressions);
          if (times !== undefined || expressions.length === 1) return times ?? [undefined];
          const each: (bigint | undefined)[] = [];
          for (const expression of expressions) each.push((await evaluateAll(connection, [expression]))?.[0]);
          return each;
        } finally {
          clearInterval(timer);
          connections.giveBack(connection, !isInterrupted);
        }
      });
    },

    async run(request) {
      const signal = AbortSignal.any([request.signal, closing.signal]);
      // Before the slot: who waits for memory must not keep others from running.
      const giveBack = await takeMemory(options, request.memoryBytes ?? 0, signal);
      let slot = () => {};
      try {
        slot = await slots.take(request.tenant, signal);
        const begun = again(
          () => begin(instances, options.dataDir, { ...request, signal }, { slots, watch }),
          () => slots.stats.running > 1,
          signal,
        );
        starting.add(begun);
        const result = await begun.finally(() => starting.delete(begun));
        const tracked: EngineResult = {
          ...result,
          close: () =>
            result.close().finally(() => {
              running.delete(tracked);
              giveBack();
            }),
        };
        running.add(tracked);
        return tracked;
      } catch (error) {
        giveBack();
        throw error;
      } finally {
        slot();
      }
    },

    async close() {
      closing.abort(new OpenWitError("unavailable", "the engine is closing"));
      await Promise.allSettled(starting); // each tells its own caller what became of it
      await Promise.all([...running].map((result) => result.close()));
      closing = new AbortController();
      await instances.close();
    },
  };
}

/** A statement holds no more than the engine's limit, whatever it reads: the rest is spilled. */
async function takeMemory(
  { shared, memoryBytes }: DuckDBEngineOptions,
  bytes: number,
  signal: AbortSignal,
): Promise<() => void> {
  if (shared === undefined || bytes === 0) return () => {};
  return await shared.take(Math.min(bytes, memoryBytes), signal);
}

/** What bounds a statement from outside. */
interface Guards {
  readonly slots: Slots;
  readonly watch: MemoryWatch;
}

/** Time for the constants that bound a statement's times. */
const evaluationMsMax = 250;

/** Statements that are parsed and checked at once: they share one connection, and each holds a thread that waits. */
const preparingMax = 2;

const trimAllocator = allocatorTrim();

const watchEnv: WatchEnv = {
  residentBytes: () => process.memoryUsage.rss(),
  relieve: () => {
    Bun.gc(true);
    trimAllocator();
  },
  monotonicMs: () => performance.now(),
};

/** Tries again what found the engine's memory taken while others run: theirs may be what took it, and they end. */
async function again(
  run: () => Promise<EngineResult>,
  othersRun: () => boolean,
  signal: AbortSignal,
): Promise<EngineResult> {
  for (const waitMs of outOfMemoryWaitsMs) {
    try {
      return await run();
    } catch (error) {
      if (signal.aborted || !isOutOfMemory(error) || !othersRun()) throw error;
    }
    await sleep(waitMs, undefined, { signal }).catch(() => {}); // the next try throws the signal's reason
  }
  return await run();
}

const outOfMemoryWaitsMs = [50, 200, 800, 1_600, 3_200];

/** Runs the statement up to where rows can be fetched; the instance is given back when the result is closed. */
async function begin(
  instances: Instances,
  dataDir: string,
  request: EngineRequest,
  guards: Guards,
): Promise<EngineResult> {
  const engine = await instances.acquire();
  let failure: unknown;
  const onError = (error: unknown) => failure = error;
  let released: Promise<void> | undefined;
  const release = () => released ??= instances.release(engine, failure);
  try {
    const result = await start(engine, dataDir, request, guards, onError);
    return { ...result, close: () => result.close().finally(release) };
  } catch (error) {
    failure ??= error;
    await release();
    throw error;
  }
}

async function start(
  engine: Opened,
  dataDir: string,
  request: EngineRequest,
  { slots, watch }: Guards,
  onError: (error: unknown) => void,
): Promise<EngineResult> {
  const overgrown = new AbortController();
  const signal = AbortSignal.any([request.signal, overgrown.signal]);
  const watched: Watched = {
    startedMs: watchEnv.monotonicMs(),
    isHeavy: (request.memoryBytes ?? 0) > 0,
    beganBytes: watchEnv.residentBytes(),
    stop: (reason: OpenWitError) => overgrown.abort(reason),
  };
  signal.throwIfAborted();
  const connection = await engine.connections.take();
  const pins: MemtablePin[] = [];
  let work: Promise<unknown> = Promise.resolve();
  let isClosed = false, isIdle = true;
  /** Whether nothing has failed on the connection, been interrupted, or been made there. */
  let isAsOpened = (request.systemTables ?? []).length === 0 && request.rowsMax <= materializedRowsMax;

  // An interrupt that arrives between two steps is lost, so it is repeated for as long as a step runs.
  const step = async <T>(run: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    const interrupt = () => {
      isAsOpened = false;
      connection.interrupt();
    };
    let timer: ReturnType<typeof setInterval> | undefined;
    const onAbort = () => {
      interrupt();
      timer = setInterval(interrupt, interruptEveryMs);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const leave = watch.enter(watched);
    isIdle = false;
    const running = run();
    work = running.catch(() => {}); // for `close`, which only waits; the caller gets the error
    try {
      return await running;
    } catch (error) {
      isAsOpened = false;
      onError(error);
      throw signal.aborted ? signal.reason : fromDuckDB(error);
    } finally {
      isIdle = true;
      leave();
      clearInterval(timer);
      signal.removeEventListener("abort", onAbort);
    }
  };
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    if (!isIdle) {
      isAsOpened = false;
      connection.interrupt();
    }
    await work;
    engine.connections.giveBack(connection, isAsOpened);
    for (const pin of pins) pin.release();
    watch.closed(watched);
  };

  try {
    for (const { chunks } of request.tables) pins.push(engine.memtable.pin(chunks));
    const selects = request.tables.map((table, at) => ({
      name: table.name,
      select: selectOf(table, dataDir, pins[at].id),
    }));
    for (const table of request.systemTables ?? []) await step(() => createSystemTable(connection, table));
    const sql = withTables(request.sql, selects);
    const rows = await execute(connection, sql, request.rowsMax, step);
    watched.isAnswering = true;
    const readers = rows.types.map((type) => columnReader(engine.duckdb, type));
    const columns = rows.types.map((type, index) => ({
      name: rows.names[index],
      type: type.toString(),
      shape: readers[index].shape,
    }));
    let fetched = 0, chunks = 0;
    let pending: ChunkReader | undefined;
    return {
      columns,
      async next(): Promise<ResultBatch | undefined> {
        signal.throwIfAborted();
        if (isClosed) {
          throw new OpenWitError("cancelled", "the statement was closed while its rows were read");
        }
        const rest = pending?.next();
        if (rest !== undefined) return rest;
        pending = undefined;
        if (rows.result instanceof engine.duckdb.api.DuckDBMaterializedResult) {
          if (chunks === rows.result.chunkCount) return undefined;
          pending = new ChunkReader(rows.result.getChunk(chunks++), readers); // a copy of 2,048 rows at most
          return pending.next();
        }
        const slot = await slots.take(request.tenant, signal, true);
        try {
          const chunk = await step(() => rows.result.fetchChunk());
          if (chunk !== null && chunk.rowCount > 0) {
            fetched += chunk.rowCount;
            pending = new ChunkReader(chunk, readers);
            return pending.next();
          }
        } finally {
          slot();
        }
        signal.throwIfAborted();
        // The binding tells a failed fetch like an end; the rows are known by number, so it is one.
        if (rows.count !== undefined && fetched !== rows.count) {
          throw new OpenWitError("internal", `the engine gave ${fetched} of the result's ${rows.count} rows`);
        }
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const interruptEveryMs = 20;

/** Results up to this many rows stay in memory as they are; larger ones go to a table that can spill to disk. */
const materializedRowsMax = 20_000;

interface Executed {
  readonly result: DuckDBResult;
  readonly names: readonly string[];
  readonly types: readonly DuckDBType[];
  /** Rows of a result that is fetched from a table. */
  readonly count?: number;
}

/**
 * Runs the statement to its end and gives its rows. It is never streamed from the statement itself: there the binding
 * (1.5.5-r.5) tells an error in the middle like an end, and rows would be missing without a word. A large result is
 * written to a temporary table, which counts against the memory limit and spills, and is streamed from that.
 *
 * A small one is not prepared: that plans the statement twice, and each plan opens a file of every select.
 */
async function execute(
  connection: DuckDBConnection,
  sql: string,
  rowsMax: number,
  step: <T>(run: () => Promise<T>) => Promise<T>,
): Promise<Executed> {
  if (rowsMax <= materializedRowsMax) {
    const result = await step(() => connection.run(sql));
    return { result, names: result.columnNames(), types: typesOf(() => result.columnTypes()) };
  }
  const prepared = await step(() => connection.prepare(sql));
  const columns = Array.from({ length: prepared.columnCount }, (_, index) => index);
  const names = columns.map((index) => prepared.columnName(index));
  const types = typesOf(() => columns.map((index) => prepared.columnType(index)));
  prepared.destroySync();
  const list = columns.map((index) => `c${index}`).join(", ");
  await step(() => connection.run(`CREATE TEMP TABLE openwit_result AS FROM (${sql}) AS result(${list})`));
  const counted = await step(() => connection.runAndReadAll("SELECT count(*) FROM openwit_result"));
  const result = await step(() => connection.stream("FROM openwit_result"));
  return { result, names, types, count: Number(counted.getRows()[0][0]) };
}

/** The binding knows fewer types than the engine: that of `get_type`, a type itself, is one that it does not. */
function typesOf(read: () => DuckDBType[]): DuckDBType[] {
  try {
    return read();
  } catch (cause) {
    throw new OpenWitError("invalid_argument", "a column has a type that no answer can hold", {
      hint: "cast it to VARCHAR",
      cause,
    });
  }
}

/** All in one statement, which fails when one of them is no time. */
async function evaluateAll(
  parser: DuckDBConnection,
  expressions: readonly SqlNode[],
): Promise<(bigint | undefined)[] | undefined> {
  try {
    const tree = selectTree({ select_list: [...expressions] });
    const printed = await parser.runAndReadAll("SELECT json_deserialize_sql($1::JSON)", [writeTree(tree)]);
    const names = expressions.map((_, index) => `t${index}`);
    const times = names.map((name) => `epoch_ns(CAST(${name} AS TIMESTAMP_NS))`).join(", ");
    const reader = await parser.runAndReadAll(
      `SELECT ${times} FROM (${printed.getRows()[0][0]}) AS bounds(${names.join(", ")})`,
    );
    return reader.getRows()[0].map((value) => typeof value === "bigint" ? value : undefined);
  } catch {
    return undefined; // it bounds nothing; the statement itself will tell what is wrong with it
  }
}

/** @throws OpenWitError when the text does not parse */
function readParsed(json: string, sql: string): SqlTree {
  const tree = readTree(json);
  if (tree.error === true) throw parseError(tree, sql);
  return tree as SqlTree;
}

function parseError(tree: SqlNode, sql: string): OpenWitError {
  const message = textOf(tree.error_message);
  if (textOf(tree.error_type) === "not implemented" && message.startsWith("Only SELECT")) {
    const word = /^(?:\s|--[^\n]*\n|\/\*[^]*?\*\/)*([a-z]+)/i.exec(sql)?.[1].toUpperCase() ?? "it";
    return new OpenWitError("forbidden", `${word} is not allowed: only SELECT statements can be run here`, {
      hint: "one SELECT, WITH … SELECT, DESCRIBE, SUMMARIZE or SHOW TABLES; PIVOT needs an explicit IN list",
    });
  }
  const position = Number(tree.position);
  return new OpenWitError("invalid_argument", message || "the statement does not parse", {
    ...(tree.position === undefined || !Number.isSafeInteger(position) ? {} : { position }),
  });
}
