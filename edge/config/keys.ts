/**
 * The one table of configuration keys: YAML path, type, range, default, flag, meaning, and what a reload does with it.
 *
 * Order of precedence: flag, environment (`OPENWIT_` and the key in capitals, `__` between levels), overlay, YAML file,
 * default. The typed values, the help of `serve`, the checks, the sample, the schema and the reference in docs derive
 * from this table.
 */
export type KeyType =
  | "size"
  | "share"
  | "duration"
  | "listen"
  | "path"
  | "integer"
  | "text"
  | "boolean"
  | readonly string[];

export interface ConfigKey {
  readonly type: KeyType;
  /** As a person would write it. */
  readonly default: string;
  /** The smallest and the largest value, as a person would write them. */
  readonly least?: string;
  readonly most?: string;
  /** Name of the flag of `openwit serve`, when it has one. */
  readonly flag?: string;
  /** Whether a running server takes a new value at once, or only when it starts again. */
  readonly reload: "live" | "restart";
  /** May hold a password: it is never shown, and `file:///path` names a file that holds it. */
  readonly secret?: true;
  readonly doc: string;
}

export const configKeys = {
  "storage.data_dir": {
    type: "path",
    default: "./data",
    flag: "data-dir",
    reload: "restart",
    doc: "Folder that holds everything.",
  },
  "storage.budget": {
    type: "share",
    default: "80%",
    flag: "budget",
    least: "1MiB",
    reload: "live",
    doc: "Disk space that the data folder may take, in bytes or as a share of its volume.",
  },
  "storage.when_full": {
    type: ["evict-oldest", "refuse"],
    default: "evict-oldest",
    reload: "live",
    doc: "When the budget is used up: evict the oldest hours, or refuse new records.",
  },
  "storage.evict_first": {
    type: ["none", "trace", "debug", "info", "warn"],
    default: "none",
    reload: "live",
    doc:
      "Log records that go first when room gets short: those of this severity and below, oldest hours first, before " +
      "whole hours do.",
  },
  "storage.retention": {
    type: "duration",
    default: "0s",
    reload: "live",
    doc: "Age at which records go; 0s keeps them for as long as the budget allows.",
  },
  "storage.retention_logs": {
    type: "duration",
    default: "0s",
    reload: "live",
    doc: "The same for logs; 0s: as all.",
  },
  "storage.retention_spans": {
    type: "duration",
    default: "0s",
    reload: "live",
    doc: "The same for spans; 0s: as all.",
  },
  "storage.retention_metrics": {
    type: "duration",
    default: "0s",
    reload: "live",
    doc: "The same for metrics; 0s: as all.",
  },
  "storage.stream_max": {
    type: "size",
    default: "0",
    reload: "live",
    doc:
      "Bytes that the segments of one tenant and signal may take, the newest of which stays whatever its size; 0: no " +
      "bound of their own.",
  },
  "storage.manifest_size": {
    type: "size",
    default: "4MiB",
    most: "1GiB",
    reload: "live",
    doc: "Bytes of edits at which the manifest is compacted into a snapshot of what it says.",
  },
  "networking.http": {
    type: "listen",
    default: "127.0.0.1:6318",
    flag: "http",
    reload: "restart",
    doc: "API, metrics and health.",
  },
  "networking.otlp_http": {
    type: "listen",
    default: "127.0.0.1:4318",
    flag: "otlp-http",
    reload: "restart",
    doc: "OTLP over HTTP.",
  },
  "networking.otlp_grpc": {
    type: "listen",
    default: "127.0.0.1:4317",
    flag: "otlp-grpc",
    reload: "restart",
    doc: "OTLP over gRPC.",
  },
  "networking.insecure": {
    type: "boolean",
    default: "false",
    flag: "insecure",
    reload: "restart",
    doc: "Allow listeners that other machines reach, without any login.",
  },
  "ingestion.body_max": {
    type: "size",
    default: "16MiB",
    least: "1KiB",
    most: "1GiB",
    reload: "live",
    doc: "Largest request body as it comes over the wire.",
  },
  "ingestion.decoded_max": {
    type: "size",
    default: "64MiB",
    least: "1KiB",
    most: "4GiB",
    reload: "live",
    doc: "Largest request body after decompression.",
  },
  "wal.sync": {
    type: ["always", "interval", "never"],
    default: "always",
    flag: "wal-sync",
    reload: "live",
    doc:
      "When a request is acknowledged: after fsync (always); once written, with an fsync every wal.interval " +
      "(interval: a power cut may take that much); once written (never: the kernel decides).",
  },
  "wal.interval": {
    type: "duration",
    default: "100ms",
    least: "1ms",
    most: "1m",
    reload: "live",
    doc: "Time between fsyncs when wal.sync is interval.",
  },
  "wal.file_size": {
    type: "size",
    default: "64MiB",
    least: "4KiB",
    most: "4GiB",
    reload: "live",
    doc: "Size at which a WAL file is sealed.",
  },
  "wal.file_age": {
    type: "duration",
    default: "5m",
    least: "1s",
    most: "1d",
    reload: "live",
    doc: "Age at which a WAL file is sealed.",
  },
  "processing.flush_age": {
    type: "duration",
    default: "5m",
    least: "10ms",
    most: "1d",
    reload: "live",
    doc: "Oldest a row may be before its stream is flushed.",
  },
  "processing.flush_size": {
    type: "size",
    default: "64MiB",
    least: "1KiB",
    most: "64GiB",
    reload: "live",
    doc: "Memory of a stream's rows at which it is flushed; at 20MiB already while somebody searches it.",
  },
  "processing.compaction_interval": {
    type: "duration",
    default: "1m",
    least: "10ms",
    most: "7d",
    reload: "live",
    doc: "Time between looks for segments to merge.",
  },
  "memory.limit": {
    type: "size",
    default: "512MiB",
    least: "64MiB",
    reload: "restart",
    doc: "Ceiling for memtables, requests and queries together.",
  },
  "search.timeout": {
    type: "duration",
    default: "60s",
    least: "1ms",
    most: "1d",
    reload: "live",
    doc: "Longest that one statement may run.",
  },
  "search.rows_max": {
    type: "integer",
    default: "1000000",
    least: "1",
    reload: "live",
    doc: "Most rows that one statement may return.",
  },
  "search.result_max": {
    type: "size",
    default: "256MiB",
    least: "1KiB",
    reload: "live",
    doc:
      "Most bytes of values that one statement may return; what goes beyond is cut off, and the answer says so.",
  },
  "search.sql_max": {
    type: "size",
    default: "256KiB",
    least: "1KiB",
    most: "4MiB",
    reload: "live",
    doc: "Longest text of a statement.",
  },
  "search.concurrency": {
    type: "integer",
    default: "8",
    least: "1",
    most: "8",
    reload: "live",
    doc: "Statements that run at once, at most half of the runtime's threads (UV_THREADPOOL_SIZE, 16 by " +
      "default); one tenant has at most all but one of them.",
  },
  "search.queue_max": {
    type: "integer",
    default: "256",
    most: "100000",
    reload: "live",
    doc: "Statements that may wait for their turn; beyond it they are refused, retryable.",
  },
  "search.queue_tenant_max": {
    type: "integer",
    default: "64",
    most: "100000",
    reload: "live",
    doc: "The same of one tenant.",
  },
  "search.threads": {
    type: "integer",
    default: "2",
    least: "1",
    most: "256",
    reload: "restart",
    doc: "Threads of the SQL engine.",
  },
  "search.memory_max": {
    type: "share",
    default: "35%",
    least: "32MiB",
    reload: "restart",
    doc: "Memory that all statements together may take, in bytes or as a share of memory.limit; " +
      "what does not fit spills to disk.",
  },
  "search.spill_max": {
    type: "size",
    default: "1GiB",
    reload: "restart",
    doc: "Most disk space that one engine may spill to.",
  },
  "logging.level": {
    type: ["error", "warn", "info", "debug"],
    default: "info",
    flag: "log-level",
    reload: "live",
    doc: "Events of the node's log below this are left out.",
  },
  "logging.format": {
    type: ["auto", "text", "json"],
    default: "auto",
    flag: "log-format",
    reload: "live",
    doc:
      "How a line of the log on stderr is written: as text (auto: without a time of its own where journald reads), or as " +
      "a JSON object.",
  },
  "control_plane.self_interval": {
    type: "duration",
    default: "60s",
    reload: "live",
    doc:
      "Time between samples of the server's own metrics, which are stored with its log as tenant _system; " +
      "0s: neither is.",
  },
  "control_plane.self_retention": {
    type: "duration",
    default: "7d",
    reload: "live",
    doc: "Age at which they go; storage.retention holds for them too. 0s: no bound of their own.",
  },
  "control_plane.self_max": {
    type: "size",
    default: "64MiB",
    reload: "live",
    doc: "Bytes that the segments of each, log and metrics, may take.",
  },
  "metastore.kind": {
    type: ["none", "pglite", "postgres"],
    default: "none",
    reload: "restart",
    doc:
      "Where the history of batches, segments and maintenance beyond memory is kept: nowhere; in PGlite, in the " +
      "folder catalog/ (about 100 MB of memory while it is open, so it stays closed when memory.limit is below 1GiB); " +
      "or in a PostgreSQL server.",
  },
  "metastore.url": {
    type: "text",
    default: "",
    reload: "restart",
    secret: true,
    doc:
      "postgres://user:password@host:5432/database of that server, or file:///path of a file that holds it.",
  },
  "metastore.write_interval": {
    type: "duration",
    default: "5m",
    least: "10ms",
    most: "1d",
    reload: "live",
    doc: "Time between writes of the history; a query of it writes what waits first.",
  },
  "metastore.retention": {
    type: "duration",
    default: "30d",
    least: "1m",
    reload: "live",
    doc: "Age at which history goes.",
  },
  "control_plane.trial": {
    type: "duration",
    default: "60s",
    most: "1d",
    reload: "live",
    doc:
      "Time for which a new configuration is on trial: when health falls or the process dies meanwhile, the last good " +
      "configuration takes its place; 0s: never.",
  },
} as const satisfies Record<string, ConfigKey>;

export type ConfigKeyName = keyof typeof configKeys;

export const configKeyNames = Object.keys(configKeys) as readonly ConfigKeyName[];
