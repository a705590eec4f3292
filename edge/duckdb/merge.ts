/**
 * Merges segments (core/compact/merger.ts) by a sorting COPY of DuckDB 1.5, in an instance of its own that lives
 * for one merge: its memory is bounded apart from that of queries, and goes back when it ends.
 *
 * A sort holds whole rows, and texts of few values would be most of them: those columns go through it as enums, which
 * halves its memory. What does not fit all the same is spilled.
 *
 * The instance is fenced as that of the queries is: it reaches the parquet folder and its own spill folder.
 * Measured: docs/decisions/004-compaction.md.
 */
import { mkdir, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { DuckDBConnection, DuckDBListValue, DuckDBValue } from "@duckdb/node-api";
import { type MergeRequest, type SegmentMerger, sortColumnsOf } from "../../core/compact/merger.ts";
import { OpenWitError } from "../../core/error.ts";
import {
  type Column,
  columnsOf,
  type ColumnType,
  type Signal,
  timeColumnOf,
} from "../../core/model/columns.ts";
import { quoteIdentifier, quoteText, sqlType, typedSelectList } from "../../core/model/sql.ts";
import { rowGroupRows } from "../../core/segment/encoder.ts";
import { failuresOf } from "../../core/segment/failures.ts";
import { fromDuckDB } from "./error.ts";
import { loadDuckDB } from "./load.ts";

export interface DuckDBMergerOptions {
  /** Absolute path of the data folder. */
  readonly dataDir: string;
  /** DuckDB's limit; the process grows by some 100 MiB more. */
  readonly memoryBytes: number;
  readonly spillBytes: number;
  /** Waits for the memory of one merge; call what it resolves with to give it back. */
  readonly takeMemory?: (bytes: number, signal: AbortSignal) => Promise<() => void>;
}

export function duckDBMerger(options: DuckDBMergerOptions): SegmentMerger {
  return {
    async merge(request) {
      const { approximate, types, copy } = mergeStatements(options.dataDir, request);
      const isInOrder = request.severityAbove !== undefined;
      await withEngine(options, request.abort, isInOrder, async ({ run, rowOf }) => {
        const counts = await rowOf(approximate);
        const enums = dictionaryColumns(request.signal).filter((name) =>
          counts[name] !== null && Number(counts[name]) <= enumValuesMax
        );
        for (const name of enums) await run(types(name));
        await run(copy(enums));
      });
      return {};
    },
    measure({ signal, abort, ...request }) {
      const [time, ingest] = [timeColumnOf[signal], "ingest_timestamp"].map(quoteIdentifier);
      const bounds = [["min", time], ["max", time], ["min", ingest], ["max", ingest]]
        .map(([least, column]) => `coalesce(epoch_ns(${least}(${column})), 0)`);
      const sql = `SELECT count(*) AS rows, [${bounds.join(", ")}] AS times FROM ${
        sourceOf(options.dataDir, request)
      }`;
      return withEngine(options, abort, false, async ({ rowOf }) => {
        const { rows, times } = await rowOf(sql);
        const [minTimeNs, maxTimeNs, minIngestNs, maxIngestNs] = (times as DuckDBListValue).items as bigint[];
        return { rows: Number(rows), minTimeNs, maxTimeNs, minIngestNs, maxIngestNs };
      });
    },
  };
}

interface Engine {
  run(sql: string): Promise<unknown>;
  /** The only row that a statement gives. */
  rowOf(sql: string): Promise<Record<string, DuckDBValue>>;
}

/** Does work in an instance that lives as long as the work does. @param isInOrder whether rows keep their order */
async function withEngine<Result>(
  options: DuckDBMergerOptions,
  abort: AbortSignal,
  isInOrder: boolean,
  work: (engine: Engine) => Promise<Result>,
): Promise<Result> {
  abort.throwIfAborted();
  const giveBack = await options.takeMemory?.(options.memoryBytes, abort);
  try {
    return await inEngine(options, abort, isInOrder, work);
  } finally {
    giveBack?.();
  }
}

async function inEngine<Result>(
  { dataDir, memoryBytes, spillBytes }: DuckDBMergerOptions,
  abort: AbortSignal,
  isInOrder: boolean,
  work: (engine: Engine) => Promise<Result>,
): Promise<Result> {
  const { api } = await loadDuckDB();
  const instance = await api.DuckDBInstance.create(":memory:", {
    threads: "1",
    memory_limit: `${Math.floor(memoryBytes / 1024)}KiB`,
    preserve_insertion_order: String(isInOrder),
    autoload_known_extensions: "false",
    autoinstall_known_extensions: "false",
    allow_community_extensions: "false",
    allow_unsigned_extensions: "false",
  });
  const spill = resolve(dataDir, "tmp/merge");
  try {
    const connection = await instance.connect();
    try {
      await mkdir(dirname(spill), { recursive: true });
      const settings = [
        `SET temp_directory = ${quoteText(spill)}`,
        `SET max_temp_directory_size = '${Math.floor(spillBytes / 1024)}KiB'`,
        `SET allowed_directories = [${quoteText(`${resolve(dataDir, "parquet")}/`)}]`,
        "SET enable_external_file_cache = false",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
      ];
      for (const setting of settings) await connection.run(setting);
      return await work({
        run: (sql) => interruptible(connection, abort, () => connection.run(sql)),
        rowOf: async (sql) =>
          (await interruptible(connection, abort, () => connection.runAndReadAll(sql))).getRowObjects()[0],
      });
    } finally {
      connection.closeSync();
    }
  } catch (error) {
    throw explain(error);
  } finally {
    instance.closeSync();
    await rm(spill, { recursive: true, force: true });
  }
}

/** Columns of more values stay text: an enum is held whole, and its values are looked up by a hash. */
const enumValuesMax = 4_096;

function dictionaryColumns(signal: Signal): string[] {
  return columnsOf[signal].filter(({ type }) => type.kind === "dictionary").map(({ name }) => name);
}

interface MergeStatements {
  /** About how many values each dictionary column has; NULL where one holds a zero byte, which no enum may. */
  readonly approximate: string;
  /** Makes the enum of a column; its values are in the order of text. */
  readonly types: (column: string) => string;
  /** @param enums columns that have an enum */
  readonly copy: (enums: readonly string[]) => string;
}

function mergeStatements(
  dataDir: string,
  { signal, inputs, output, keyValues, severityAbove }: MergeRequest,
): MergeStatements {
  const source = sourceOf(dataDir, { inputs, severityAbove });
  const order = severityAbove === undefined ? `ORDER BY ${sortKeys(signal).join(", ")}` : "";
  const metadata = Object.entries(keyValues)
    .map(([key, value]) => `${quoteText(key)}: ${quoteText(value)}`).join(", ");
  const sorted = (enums: readonly string[]) =>
    columnsOf[signal].map(({ name, type }) => {
      const quoted = quoteIdentifier(name);
      return `CAST(${quoted} AS ${enums.includes(name) ? enumOf(name) : sqlType(type)}) AS ${quoted}`;
    }).join(", ");
  const counts = dictionaryColumns(signal).map(quoteIdentifier)
    .map((quoted) =>
      `CASE WHEN bool_or(contains(${quoted}, chr(0))) THEN NULL ELSE approx_count_distinct(${quoted}) END AS ${quoted}`
    );
  return {
    approximate: `SELECT ${counts.join(", ")} FROM ${source}`,
    types: (column) =>
      `CREATE TYPE ${enumOf(column)} AS ENUM (SELECT DISTINCT ${quoteIdentifier(column)} ` +
      `FROM ${source} WHERE ${quoteIdentifier(column)} IS NOT NULL ORDER BY 1)`,
    copy: (enums) =>
      `COPY (SELECT ${typedSelectList(signal)} FROM (SELECT ${sorted(enums)} FROM ${source} ` +
      `${order})) TO ${quoteText(resolve(dataDir, output))} (FORMAT parquet, COMPRESSION zstd, ` +
      `COMPRESSION_LEVEL 3, PARQUET_VERSION V2, ROW_GROUP_SIZE ${rowGroupRows}, USE_TMP_FILE false, ` +
      `FIELD_IDS ${fieldIds(signal)}, KV_METADATA {${metadata}})`,
  };
}

function sortKeys(signal: Signal): string[] {
  const failures = failuresOf[signal];
  const columns = sortColumnsOf[signal].map(quoteIdentifier);
  return failures === undefined
    ? columns
    : [`coalesce(${quoteIdentifier(failures.column)} >= ${failures.from}, false)`, ...columns];
}

/** The rows of all inputs, but for those that are to be left out. */
function sourceOf(
  dataDir: string,
  { inputs, severityAbove }: Pick<MergeRequest, "inputs" | "severityAbove">,
): string {
  const files = inputs.map((path) => quoteText(resolve(dataDir, path))).join(", ");
  const all = `read_parquet([${files}], hive_partitioning = false)`;
  if (severityAbove === undefined) return all;
  return `(SELECT * FROM ${all} WHERE NOT coalesce(severity_number BETWEEN 1 AND ${severityAbove}, false))`;
}

function enumOf(column: string): string {
  return quoteIdentifier(`${column}_enum`);
}

function fieldIds(signal: Signal): string {
  return structIds(columnsOf[signal]);
}

function structIds(columns: readonly Column[]): string {
  return `{${columns.map(({ name, id, type }) => `${quoteText(name)}: ${idsOf(id, type)}`).join(", ")}}`;
}

function idsOf(id: number, type: ColumnType): string {
  switch (type.kind) {
    case "map":
      return `{'__duckdb_field_id': ${id}, 'key': ${type.keyId}, 'value': ${type.valueId}}`;
    case "list":
      return `{'__duckdb_field_id': ${id}, 'element': ${idsOf(type.elementId, type.element)}}`;
    case "struct":
      return `{'__duckdb_field_id': ${id}, ${structIds(type.fields).slice(1)}`;
    default:
      return String(id);
  }
}

/** Runs a statement; an interrupt that arrives between two steps of the engine is lost, so it is repeated. */
async function interruptible<Result>(
  connection: DuckDBConnection,
  abort: AbortSignal,
  run: () => Promise<Result>,
): Promise<Result> {
  abort.throwIfAborted();
  let timer: ReturnType<typeof setInterval> | undefined;
  const onAbort = () => {
    connection.interrupt();
    timer = setInterval(() => connection.interrupt(), interruptEveryMs);
  };
  abort.addEventListener("abort", onAbort, { once: true });
  try {
    return await run();
  } catch (error) {
    abort.throwIfAborted();
    throw error;
  } finally {
    clearInterval(timer);
    abort.removeEventListener("abort", onAbort);
  }
}

const interruptEveryMs = 20;

/** What fails here is the disk, the memory or a file: never the statement, as it would be in a query. */
function explain(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof OpenWitError || thrown.name === "AbortError") {
    return thrown;
  }
  if (/No space left on device|max_temp_directory_size/i.test(thrown.message)) {
    return new OpenWitError("disk_full", `a merge has no room: ${thrown.message}`, { cause: thrown });
  }
  const error = fromDuckDB(thrown);
  if (error.code !== "invalid_argument") return error;
  return new OpenWitError("corrupt", `a merge cannot read its inputs: ${error.message}`, { cause: thrown });
}
