/** Every metric that a node serves at /metrics: the one table of names, types and helps. */
export const metricTable = {
  openwit_build_info: { type: "gauge", help: "Always 1; the version is in its label." },
  openwit_uptime_seconds: { type: "gauge", help: "Seconds since the process began to serve." },
  openwit_time_synced: {
    type: "gauge",
    help: "1 while the wall clock can be believed; at 0 no hour is closed and nothing goes by age.",
  },
  openwit_requests_total: {
    type: "counter",
    help: "OTLP requests that were answered, by signal, protocol and outcome.",
  },
  openwit_accepted_records_total: {
    type: "counter",
    help: "Records that were decoded and sent to the WAL, by signal.",
  },
  openwit_acknowledged_records_total: {
    type: "counter",
    help: "Records that are durable and were acknowledged, by signal.",
  },
  openwit_acknowledged_bytes_total: {
    type: "counter",
    help: "Decompressed bytes of acknowledged requests, by signal.",
  },
  openwit_rejected_records_total: {
    type: "counter",
    help: "Records refused inside an accepted request, by signal and reason.",
  },
  openwit_rejected_requests_total: { type: "counter", help: "Requests refused whole, by signal and reason." },
  openwit_duplicate_requests_total: {
    type: "counter",
    help: "Re-sent requests that were acknowledged and not stored again, by signal.",
  },
  openwit_repaired_texts_total: {
    type: "counter",
    help: "Texts whose invalid UTF-8 was replaced by U+FFFD, by signal.",
  },
  openwit_ack_seconds: {
    type: "histogram",
    help: "Time from a whole request to its acknowledgement, by signal.",
  },
  openwit_wal_bytes: { type: "gauge", help: "Bytes of the WAL's files." },
  openwit_wal_files: { type: "gauge", help: "Files of the WAL." },
  openwit_wal_fsyncs_total: { type: "gauge", help: "fsyncs of WAL files since start." },
  openwit_wal_appended_bytes_total: { type: "gauge", help: "Bytes written to the WAL since start." },
  openwit_wal_fsync_seconds: { type: "histogram", help: "Time of an fsync of a WAL file." },
  openwit_memtable_rows: { type: "gauge", help: "Durable rows that no segment holds yet, by signal." },
  openwit_memtable_bytes: { type: "gauge", help: "Memory of those rows." },
  openwit_flushes_total: { type: "counter", help: "Memtable flushes that were committed, by signal." },
  openwit_flush_failures_total: {
    type: "counter",
    help: "Flushes that failed and will be tried again, by reason.",
  },
  openwit_flush_seconds: { type: "histogram", help: "Time of a flush from freezing to commit." },
  openwit_flushed_rows_total: { type: "counter", help: "Rows that flushes wrote into segments, by signal." },
  openwit_flushed_bytes_total: {
    type: "counter",
    help: "Bytes of the segments that flushes wrote, by signal.",
  },
  openwit_compacted_rows_total: { type: "counter", help: "Rows that merges wrote, by signal." },
  openwit_compacted_bytes_total: {
    type: "counter",
    help: "Bytes of the segments that merges wrote, by signal.",
  },
  openwit_compaction_read_bytes_total: {
    type: "counter",
    help: "Bytes of the segments that merges took the place of, by signal.",
  },
  openwit_indexed_rows_total: { type: "counter", help: "Rows of segments that were indexed, by signal." },
  openwit_index_bytes_total: { type: "counter", help: "Bytes of the indexes written, by signal." },
  openwit_write_amplification: {
    type: "gauge",
    help: "Bytes written to WAL and segments since start, for each byte that they came to in segments.",
  },
  openwit_task_runs_total: { type: "counter", help: "Runs of maintenance tasks, by task and outcome." },
  openwit_task_seconds: { type: "histogram", help: "Time of a maintenance task's run, by task." },
  openwit_segments: { type: "gauge", help: "Segments, by signal." },
  openwit_segment_bytes: { type: "gauge", help: "Bytes of segments, by signal." },
  openwit_segment_rows: { type: "gauge", help: "Rows in segments, by signal." },
  openwit_quarantined_total: {
    type: "counter",
    help: "Things that could not be read and were put aside, by kind.",
  },
  openwit_queries_total: { type: "counter", help: "Queries answered, by outcome." },
  openwit_queries_running: { type: "gauge", help: "Statements that use the engine now." },
  openwit_queries_waiting: { type: "gauge", help: "Statements that wait for their turn." },
  openwit_queries_refused_total: {
    type: "gauge",
    help: "Statements refused because too many waited, by reason: tenant (of one tenant), all.",
  },
  openwit_query_seconds: { type: "histogram", help: "Time of a query from text to its last row." },
  openwit_disk_free_bytes: { type: "gauge", help: "Free bytes of the volume that holds the data." },
  openwit_disk_budget_bytes: { type: "gauge", help: "Bytes that the data folder may take (storage.budget)." },
  openwit_disk_used_bytes: { type: "gauge", help: "Bytes that it takes, in allocated blocks." },
  openwit_disk_reserve_bytes: { type: "gauge", help: "Bytes kept to be given up when the disk is full." },
  openwit_evicted_segments_total: {
    type: "counter",
    help: "Segments that were evicted, by reason: age, stream_bytes, budget.",
  },
  openwit_exported_bytes_total: { type: "counter", help: "Bytes of segments that went out in archives." },
  openwit_imported_rows_total: { type: "counter", help: "Rows that came in archives, by signal." },
  openwit_imported_bytes_total: {
    type: "counter",
    help: "Bytes of the segments that came in archives, by signal.",
  },
  openwit_evicted_rows_total: {
    type: "counter",
    help:
      "Rows that were evicted, by reason: with their segment, or out of it (severity: storage.evict_first).",
  },
  openwit_evicted_bytes_total: { type: "counter", help: "Bytes that segments became less by it." },
  openwit_catalog_written_total: { type: "counter", help: "Notes of the history that the catalog took." },
  openwit_catalog_dropped_total: {
    type: "counter",
    help: "Notes that it did not take in time; the manifest makes good what it can.",
  },
  openwit_catalog_failures_total: {
    type: "counter",
    help: "Attempts to write it that failed and will be tried again, by reason.",
  },
  openwit_catalog_pending: { type: "gauge", help: "Notes that wait for it." },
  openwit_memory_limit_bytes: {
    type: "gauge",
    help: "Resident memory above which requests are refused: memory.limit, or what the system allows.",
  },
  openwit_process_resident_bytes: { type: "gauge", help: "Resident memory of the process." },
  openwit_process_cpu_seconds_total: { type: "gauge", help: "CPU time of the process, user and system." },
} as const satisfies Record<
  string,
  { readonly type: "counter" | "gauge" | "histogram"; readonly help: string }
>;

export type MetricName = keyof typeof metricTable;
