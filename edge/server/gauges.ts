/**
 * What a node tells of itself at /metrics that nobody counts for that purpose: read from its parts when it is asked
 * for. Of the process and the runtime: process-gauges.ts.
 */
import type { DiskBudget } from "../../core/budget/budget.ts";
import type { MemoryShare } from "../../core/budget/memory-share.ts";
import { isTimeSynced } from "../../core/budget/wall-clock.ts";
import { writeAmplification } from "../../core/compact/write-amplification.ts";
import { systemClock } from "../../core/env/clock.ts";
import type { Metrics } from "../../core/metrics/metrics.ts";
import { signals } from "../../core/model/columns.ts";
import type { EngineLoad } from "../../core/query/engine.ts";
import type { Store } from "../../core/store/store.ts";
import type { NodeLog } from "../log/log.ts";
import type { InflightBudget } from "../otlp/budget.ts";
import type { WorkerEncoder } from "../parquet/worker-encoder.ts";
import type { ComponentStatus, NodeHealth } from "./health.ts";
import type { Listeners } from "./listeners.ts";
import { registerProcessGauges } from "./process-gauges.ts";

/** What of a node is measured. */
export interface Gauged {
  readonly store: Store;
  readonly budget: DiskBudget;
  readonly memoryBytesMax: number;
  readonly memoryRefusal: () => string | undefined;
  readonly shared: MemoryShare;
  readonly engineLoad: () => EngineLoad | undefined;
  readonly engineWaitingMax: () => number;
  readonly inflight: InflightBudget;
  readonly listeners: Listeners;
  readonly encoder: WorkerEncoder;
  readonly logging: NodeLog;
  readonly health: () => NodeHealth;
  readonly uptimeSeconds: () => number;
}

const statusNumbers: Readonly<Record<ComponentStatus, number>> = { ok: 0, degraded: 1, failed: 2 };

export function registerGauges(metrics: Metrics, node: Gauged): void {
  registerHealth(metrics, node);
  registerIntake(metrics, node);
  registerStore(metrics, node.store);
  registerQueries(metrics, node);
  registerDisk(metrics, node.budget);
  registerLog(metrics, node.logging);
  metrics.gauge("openwit_refusing", () => [
    { labels: { reason: "disk" }, value: Number(node.budget.refusal !== undefined) },
    { labels: { reason: "memory" }, value: Number(node.memoryRefusal() !== undefined) },
  ]);
  metrics.gauge("openwit_memory_limit_bytes", () => node.memoryBytesMax);
  metrics.counter("openwit_encoder_starts_total", () => node.encoder.stats().started);
  registerProcessGauges(metrics, () => ({
    records: node.store.heldBytes(),
    requests: node.inflight.used,
    engine: node.shared.stats.heldBytes,
  }));
}

function registerHealth(metrics: Metrics, node: Gauged): void {
  metrics.gauge("openwit_uptime_seconds", node.uptimeSeconds);
  metrics.gauge("openwit_ready", () => {
    const health = node.health();
    return [
      { labels: { for: "records" }, value: Number(health.takes_records) },
      { labels: { for: "queries" }, value: Number(health.answers_queries) },
    ];
  });
  metrics.gauge(
    "openwit_component_status",
    () =>
      Object.entries(node.health().components).map(([component, { status }]) => ({
        labels: { component },
        value: statusNumbers[status],
      })),
  );
  metrics.gauge(
    "openwit_time_synced",
    () => Number(isTimeSynced(systemClock.nowNs(), node.store.manifest.state.newestIngestNs)),
  );
}

function registerIntake(metrics: Metrics, { inflight, listeners, store }: Gauged): void {
  metrics.gauge("openwit_connections", () => listeners.load().connections);
  metrics.gauge("openwit_requests_in_flight", () => listeners.load().inFlight);
  metrics.gauge("openwit_in_flight_bytes", () => inflight.used);
  metrics.gauge("openwit_in_flight_limit_bytes", () => inflight.bytesMax);
  metrics.gauge("openwit_dedup_entries", () => store.dedup.entries);
}

function registerStore(metrics: Metrics, store: Store): void {
  metrics.gauge("openwit_wal_bytes", () => store.wal.stats.bytes);
  metrics.gauge("openwit_wal_files", () => store.wal.stats.files);
  metrics.counter("openwit_wal_appended_requests_total", () => store.wal.stats.appended);
  metrics.counter("openwit_wal_appended_bytes_total", () => store.wal.stats.appendedBytes);
  metrics.counter("openwit_wal_groups_total", () => store.wal.stats.groups);
  metrics.counter("openwit_wal_fsyncs_total", () => store.wal.stats.fsyncs);
  metrics.counter("openwit_wal_failures_total", () => store.wal.stats.failures);
  metrics.counter("openwit_wal_refused_requests_total", () => store.wal.stats.refused);
  const memtables = () => store.memtableStats();
  metrics.gauge("openwit_open_streams", () => store.streamCount);
  metrics.gauge(
    "openwit_memtable_rows",
    () => memtables().map(({ signal, rows }) => ({ labels: { signal }, value: rows })),
  );
  metrics.gauge("openwit_memtable_bytes", () => memtables().reduce((sum, { bytes }) => sum + bytes, 0));
  metrics.gauge("openwit_memtable_limit_bytes", () => store.options.memoryBytesMax);
  metrics.gauge(
    "openwit_memtable_oldest_seconds",
    () => memtables().map(({ signal, oldestAgeMs }) => ({ labels: { signal }, value: oldestAgeMs / 1_000 })),
  );
  const bySignal = (measure: (segment: { rows: number; bytes: number }) => number) => () =>
    signals.map((signal) => {
      let value = 0;
      for (const segment of store.manifest.state.segments.values()) {
        if (segment.signal === signal) value += measure(segment);
      }
      return { labels: { signal }, value };
    });
  metrics.gauge("openwit_segments", bySignal(() => 1));
  metrics.gauge("openwit_segment_bytes", bySignal(({ bytes }) => bytes));
  metrics.gauge("openwit_segment_rows", bySignal(({ rows }) => rows));
  metrics.gauge("openwit_damaged_segments", () => store.damaged.size);
  metrics.gauge("openwit_retired_files", () => store.retired.paths().length);
  metrics.gauge("openwit_write_amplification", () => writeAmplification(store));
}

function registerQueries(metrics: Metrics, node: Gauged): void {
  metrics.gauge("openwit_queries_running", () => node.engineLoad()?.running ?? 0);
  metrics.gauge("openwit_queries_waiting", () => node.engineLoad()?.waiting ?? 0);
  metrics.gauge("openwit_queries_waiting_limit", () => node.engineWaitingMax());
  metrics.counter(
    "openwit_queries_refused_total",
    () =>
      Object.entries(node.engineLoad()?.refused ?? { tenant: 0, all: 0 }).map(([reason, value]) => ({
        labels: { reason },
        value,
      })),
  );
}

function registerDisk(metrics: Metrics, budget: DiskBudget): void {
  metrics.gauge("openwit_disk_size_bytes", () => budget.usage.volumeBytes);
  metrics.gauge("openwit_disk_free_bytes", () => budget.usage.freeBytes);
  metrics.gauge("openwit_disk_budget_bytes", () => budget.usage.budgetBytes);
  metrics.gauge("openwit_disk_used_bytes", () => budget.usage.usedBytes);
  metrics.gauge("openwit_disk_reserve_bytes", () => budget.usage.reserveBytes);
}

function registerLog(metrics: Metrics, { counts }: NodeLog): void {
  metrics.counter(
    "openwit_log_lines_total",
    () =>
      (["error", "warn", "info", "debug"] as const).map((level) => ({
        labels: { level },
        value: counts[level],
      })),
  );
  metrics.counter("openwit_log_repeated_total", () => counts.repeated);
}
