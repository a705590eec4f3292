/** What a node tells of itself at /metrics that nobody counts: read when it is asked for. */
import process from "node:process";
import type { DiskBudget } from "../../core/budget/budget.ts";
import { isTimeSynced } from "../../core/budget/wall-clock.ts";
import { writeAmplification } from "../../core/compact/write-amplification.ts";
import { systemClock } from "../../core/env/clock.ts";
import type { Metrics } from "../../core/metrics/metrics.ts";
import { signals } from "../../core/model/columns.ts";
import type { EngineLoad } from "../../core/query/engine.ts";
import type { Store } from "../../core/store/store.ts";
import { version } from "../version.ts";

/** What of a node is measured beside its store and its budget. */
export interface Gauged {
  readonly memoryBytesMax: number;
  readonly engineLoad: EngineLoad | undefined;
  uptimeSeconds(): number;
}

export function registerGauges(metrics: Metrics, node: Gauged, store: Store, budget: DiskBudget): void {
  metrics.gauge("openwit_build_info", () => [{ labels: { version }, value: 1 }]);
  metrics.gauge(
    "openwit_time_synced",
    () => Number(isTimeSynced(systemClock.nowNs(), store.manifest.state.newestIngestNs)),
  );
  metrics.gauge("openwit_uptime_seconds", () => node.uptimeSeconds());
  metrics.gauge("openwit_wal_bytes", () => store.wal.stats.bytes);
  metrics.gauge("openwit_wal_files", () => store.wal.stats.files);
  metrics.gauge("openwit_wal_fsyncs_total", () => store.wal.stats.fsyncs);
  metrics.gauge("openwit_wal_appended_bytes_total", () => store.wal.stats.appendedBytes);
  metrics.gauge(
    "openwit_memtable_rows",
    () => store.memtableStats().map(({ signal, rows }) => ({ labels: { signal }, value: rows })),
  );
  metrics.gauge(
    "openwit_memtable_bytes",
    () => store.memtableStats().reduce((sum, { bytes }) => sum + bytes, 0),
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
  metrics.gauge("openwit_queries_running", () => node.engineLoad?.running ?? 0);
  metrics.gauge("openwit_queries_waiting", () => node.engineLoad?.waiting ?? 0);
  metrics.gauge(
    "openwit_queries_refused_total",
    () =>
      Object.entries(node.engineLoad?.refused ?? {}).map(([reason, value]) => ({
        labels: { reason },
        value,
      })),
  );
  metrics.gauge("openwit_disk_budget_bytes", () => budget.usage.budgetBytes);
  metrics.gauge("openwit_disk_used_bytes", () => budget.usage.usedBytes);
  metrics.gauge("openwit_disk_free_bytes", () => budget.usage.freeBytes);
  metrics.gauge("openwit_disk_reserve_bytes", () => budget.usage.reserveBytes);
  metrics.gauge("openwit_write_amplification", () => writeAmplification(store));
  metrics.gauge("openwit_memory_limit_bytes", () => node.memoryBytesMax);
  metrics.gauge("openwit_process_resident_bytes", () => process.memoryUsage.rss());
  metrics.gauge("openwit_process_cpu_seconds_total", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
}
