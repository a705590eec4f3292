/**
 * Every metric that a node serves at /metrics and stores of itself: the one table of names, types, units, labels and
 * helps.
 *
 * Names keep to https://prometheus.io/docs/practices/naming/: a prefix, base units, counters end in `_total`. A label
 * whose values are listed has no others, and a counter of such labels is there from the start, at 0; the values of
 * an empty list come as they are met.
 */
import { signals } from "../model/columns.ts";

export type MetricType = "counter" | "gauge" | "histogram";

export interface Metric {
  readonly type: MetricType;
  /** Base unit, in the plural; empty for what is counted in nothing: states, shares, infos. */
  readonly unit: string;
  readonly help: string;
  /** Values by label. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

type Labels = Metric["labels"];

const counter = (unit: string, help: string, labels: Labels = {}) => ({
  type: "counter" as const,
  unit,
  help,
  labels,
});
const gauge = (unit: string, help: string, labels: Labels = {}) => ({
  type: "gauge" as const,
  unit,
  help,
  labels,
});
const histogram = (help: string, labels: Labels = {}) => ({
  type: "histogram" as const,
  unit: "seconds",
  help,
  labels,
});

const bySignal = { signal: signals };
const met: readonly string[] = [];

export const metricTable = {
  openwit_build_info: gauge("", "Always 1; the version, the system and the processor are in its labels.", {
    version: met,
    os: met,
    arch: met,
  }),
  openwit_uptime_seconds: gauge("seconds", "Since the process began to serve."),
  openwit_ready: gauge("", "1 while a record would be taken, or a question answered, as /ready says.", {
    for: ["records", "queries"],
  }),
  openwit_component_status: gauge("", "How a component is, as /health says: 0 ok, 1 degraded, 2 failed.", {
    component: met,
  }),
  openwit_time_synced: gauge(
    "",
    "1 while the wall clock can be believed; at 0 no hour is closed and nothing goes by age.",
  ),
  openwit_requests_total: counter(
    "requests",
    "OTLP requests that were answered; outcome is ok, or why one was refused.",
    { signal: met, protocol: met, outcome: met },
  ),
  openwit_received_bytes_total: counter("bytes", "Bytes of those requests as they came, compressed.", {
    protocol: met,
  }),
  openwit_accepted_records_total: counter(
    "records",
    "Records that were decoded and sent to the WAL.",
    bySignal,
  ),
  openwit_acknowledged_records_total: counter(
    "records",
    "Records that are durable and were acknowledged.",
    bySignal,
  ),
  openwit_acknowledged_bytes_total: counter(
    "bytes",
    "Decompressed bytes of acknowledged requests.",
    bySignal,
  ),
  openwit_rejected_records_total: counter("records", "Records refused inside an accepted request.", {
    signal: met,
    reason: met,
  }),
  openwit_rejected_requests_total: counter("requests", "Requests refused whole.", {
    signal: met,
    reason: met,
  }),
  openwit_duplicate_requests_total: counter(
    "requests",
    "Re-sent requests that were acknowledged and not stored again.",
    bySignal,
  ),
  openwit_dedup_entries: gauge("requests", "Requests of the last minutes by which a re-sent one is known."),
  openwit_repaired_texts_total: counter(
    "texts",
    "Texts whose invalid UTF-8 was replaced by U+FFFD.",
    bySignal,
  ),
  openwit_ack_seconds: histogram("Time from a whole request to its acknowledgement.", bySignal),
  openwit_connections: gauge("connections", "Connections that are open; HTTP does not tell of its own.", {
    listener: ["otlp_grpc"],
  }),
  openwit_requests_in_flight: gauge("requests", "Requests that have begun and are not answered.", {
    listener: ["http", "otlp_http", "otlp_grpc"],
  }),
  openwit_in_flight_bytes: gauge("bytes", "What requests that are being received hold."),
  openwit_in_flight_limit_bytes: gauge("bytes", "What they may hold; beyond it they are refused."),
  openwit_wal_bytes: gauge("bytes", "Bytes of the WAL's files."),
  openwit_wal_files: gauge("files", "Files of the WAL."),
  openwit_wal_appended_requests_total: counter("requests", "Requests that the WAL made durable."),
  openwit_wal_appended_bytes_total: counter("bytes", "Bytes written to it."),
  openwit_wal_groups_total: counter("writes", "Writes of it: requests that come together share one."),
  openwit_wal_fsyncs_total: counter("fsyncs", "fsyncs of its files."),
  openwit_wal_fsync_seconds: histogram("Time of such an fsync."),
  openwit_wal_failures_total: counter("failures", "Writes and fsyncs of it that failed."),
  openwit_wal_refused_requests_total: counter(
    "requests",
    "Requests that could not be made durable, and were refused.",
  ),
  openwit_open_streams: gauge("streams", "Streams (tenant and signal) that have a memtable."),
  openwit_memtable_rows: gauge("rows", "Durable rows that no segment holds yet.", bySignal),
  openwit_memtable_bytes: gauge("bytes", "Memory of those rows."),
  openwit_memtable_limit_bytes: gauge("bytes", "Memory that they and the requests under way may take."),
  openwit_memtable_oldest_seconds: gauge(
    "seconds",
    "Age of the oldest row that waits for its flush; 0 when there is none.",
    bySignal,
  ),
  openwit_flushes_total: counter("flushes", "Memtable flushes that were committed.", bySignal),
  openwit_flush_failures_total: counter("flushes", "Flushes that failed and will be tried again.", {
    reason: met,
  }),
  openwit_flush_seconds: histogram("Time of a flush from freezing to commit."),
  openwit_flushed_rows_total: counter("rows", "Rows that flushes wrote into segments.", bySignal),
  openwit_flushed_bytes_total: counter("bytes", "Bytes of the segments that flushes wrote.", bySignal),
  openwit_encoder_starts_total: counter(
    "starts",
    "Starts of the segment encoder's thread, which ends when it is idle.",
  ),
  openwit_merges_total: counter("merges", "Merges that were committed.", bySignal),
  openwit_compacted_rows_total: counter("rows", "Rows that merges wrote.", bySignal),
  openwit_compacted_bytes_total: counter("bytes", "Bytes of the segments that merges wrote.", bySignal),
  openwit_compaction_read_bytes_total: counter(
    "bytes",
    "Bytes of the segments that merges took the place of.",
    bySignal,
  ),
  openwit_indexed_rows_total: counter("rows", "Rows of segments that were indexed.", bySignal),
  openwit_index_bytes_total: counter("bytes", "Bytes of the indexes written.", bySignal),
  openwit_write_amplification: gauge(
    "",
    "Bytes written to WAL, segments and indexes since start, for each byte that they came to in segments.",
  ),
  openwit_task_runs_total: counter("runs", "Runs of maintenance tasks; outcome is done, failed or aborted.", {
    task: met,
    outcome: met,
  }),
  openwit_task_seconds: histogram("Time of a maintenance task's run.", { task: met }),
  openwit_segments: gauge("segments", "Segments.", bySignal),
  openwit_segment_bytes: gauge("bytes", "Bytes of segments.", bySignal),
  openwit_segment_rows: gauge("rows", "Rows in segments.", bySignal),
  openwit_damaged_segments: gauge("segments", "Segments that are left out of answers."),
  openwit_retired_files: gauge("files", "Files of merged and evicted segments that wait for their readers."),
  openwit_quarantined_total: counter("items", "Things that could not be read and were put aside.", {
    kind: ["wal_record", "wal_gap", "segment"],
  }),
  openwit_queries_total: counter("statements", "Statements answered; outcome is ok, or an error's code.", {
    outcome: met,
  }),
  openwit_query_seconds: histogram("Time of a statement from text to its last row.", { outcome: met }),
  openwit_query_files_total: counter(
    "files",
    "Segments that statements read, and those that time and index ruled out.",
    { how: ["read", "pruned"] },
  ),
  openwit_queries_running: gauge("statements", "Statements that use the engine now."),
  openwit_queries_waiting: gauge("statements", "Statements that wait for their turn."),
  openwit_queries_waiting_limit: gauge("statements", "How many may wait; beyond it they are refused."),
  openwit_queries_refused_total: counter(
    "statements",
    "Statements refused because too many waited, of one tenant or in all.",
    { reason: ["tenant", "all"] },
  ),
  openwit_disk_size_bytes: gauge("bytes", "Size of the volume that holds the data."),
  openwit_disk_free_bytes: gauge("bytes", "Free bytes of that volume."),
  openwit_disk_budget_bytes: gauge("bytes", "Bytes that the data folder may take (storage.budget)."),
  openwit_disk_used_bytes: gauge("bytes", "Bytes that it takes, in allocated blocks."),
  openwit_disk_reserve_bytes: gauge("bytes", "Bytes kept to be given up when the disk is full."),
  openwit_refusing: gauge("", "1 while requests are refused for want of it.", { reason: ["disk", "memory"] }),
  openwit_evicted_segments_total: counter("segments", "Segments that were evicted.", {
    reason: ["age", "stream_bytes", "budget"],
  }),
  openwit_evicted_rows_total: counter(
    "rows",
    "Rows that were evicted: with their segment, or out of it (severity: storage.evict_first).",
    { reason: ["age", "stream_bytes", "budget", "severity"] },
  ),
  openwit_evicted_bytes_total: counter("bytes", "Bytes that segments became less by it.", {
    reason: ["age", "stream_bytes", "budget", "severity"],
  }),
  openwit_exported_bytes_total: counter("bytes", "Bytes of segments that went out in archives."),
  openwit_imported_rows_total: counter("rows", "Rows that came in archives.", bySignal),
  openwit_imported_bytes_total: counter("bytes", "Bytes of the segments that came in archives.", bySignal),
  openwit_catalog_written_total: counter("notes", "Notes of the history that the catalog took."),
  openwit_catalog_dropped_total: counter(
    "notes",
    "Notes that it did not take in time; the manifest makes good what it can.",
  ),
  openwit_catalog_failures_total: counter(
    "failures",
    "Attempts to write it that failed and will be tried again.",
    { reason: met },
  ),
  openwit_catalog_pending: gauge("notes", "Notes that wait for it."),
  openwit_config_reloads_total: counter(
    "reloads",
    "Reloads of the configuration; a trial that ended in the last good one is rolled_back.",
    { outcome: ["applied", "refused", "rolled_back"] },
  ),
  openwit_log_lines_total: counter("lines", "Lines of the node's own log.", {
    level: ["error", "warn", "info", "debug"],
  }),
  openwit_log_repeated_total: counter(
    "lines",
    "Lines that were only counted, because the same had come again and again.",
  ),
  openwit_self_records_total: counter(
    "records",
    "Records of itself that the node stored as tenant _system.",
    { signal: ["logs", "metrics"] },
  ),
  openwit_self_dropped_total: counter("records", "Records of itself that it did not store.", {
    signal: ["logs", "metrics"],
    reason: met,
  }),
  openwit_memory_limit_bytes: gauge(
    "bytes",
    "Resident memory above which requests are refused: memory.limit, or what the system allows.",
  ),
  openwit_memory_bytes: gauge(
    "bytes",
    "Memory by part: unflushed rows and requests under way (records), requests being received (requests), what heavy statements and merges have been promised (engine), the runtime's heap and its buffers beside it.",
    { part: ["records", "requests", "engine", "heap", "buffers"] },
  ),
  openwit_process_resident_bytes: gauge("bytes", "Resident memory of the process."),
  openwit_process_cpu_seconds_total: counter("seconds", "CPU time of the process, user and system."),
  openwit_process_start_time_seconds: gauge("seconds", "When the process started, since 1970."),
  openwit_process_open_files: gauge("files", "File descriptors that are open."),
  openwit_process_open_files_limit: gauge("files", "How many may be open."),
  openwit_event_loop_delay_seconds: histogram(
    "How late a timer of the main thread was, looked at four times a second.",
  ),
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metricTable;

type NameOf<Type extends MetricType> = {
  [Name in MetricName]: typeof metricTable[Name]["type"] extends Type ? Name : never;
}[MetricName];
export type CounterName = NameOf<"counter">;
export type GaugeName = NameOf<"gauge">;
export type HistogramName = NameOf<"histogram">;

/** In the order of the table. */
export const metricNames = Object.keys(metricTable) as MetricName[];
