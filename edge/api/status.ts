/** `GET /api/v1/status`: how a node is, in one JSON document that `openwit status` prints. */
import process from "node:process";
import { signals } from "../../core/model/columns.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import { isTimeSynced } from "../../core/budget/wall-clock.ts";
import { tierUsage } from "../../core/system/tiers.ts";
import { version } from "../version.ts";
import type { Node } from "../server/node.ts";

export async function statusOf(node: Node): Promise<Record<string, unknown>> {
  const base = {
    version,
    phase: node.phase,
    ...(node.reason === undefined ? {} : { reason: node.reason }),
    pid: process.pid,
    uptime_seconds: Math.round(node.uptimeSeconds()),
    data_dir: node.dataDir,
    endpoints: node.endpoints,
    resident_bytes: process.memoryUsage.rss(),
    health: node.health(),
  };
  if (node.phase === "starting") return base;
  const store = node.store();
  const segments = [...store.manifest.state.segments.values()];
  const space = await store.env.disk.space();
  const memtables = store.memtableStats();
  return {
    ...base,
    node_id: store.manifest.state.nodeId,
    disk: {
      free_bytes: space.freeBytes,
      total_bytes: space.totalBytes,
      budget_bytes: node.budget?.usage.budgetBytes,
      used_bytes: node.budget?.usage.usedBytes,
      reserve_bytes: node.budget?.usage.reserveBytes,
    },
    refusing: node.refusal,
    wal: { files: store.wal.stats.files, bytes: store.wal.stats.bytes, sync: store.options.wal.sync },
    signals: Object.fromEntries(signals.map((signal) => {
      const of = segments.filter((segment) => segment.signal === signal);
      const memtable = memtables.find((each) => each.signal === signal)!;
      const times = of.flatMap(({ minTimeNs, maxTimeNs }) => [minTimeNs, maxTimeNs]);
      return [signal, {
        memtable_rows: memtable.rows,
        memtable_bytes: memtable.bytes,
        memtable_oldest_seconds: Math.round(memtable.oldestAgeMs / 1_000),
        segments: of.length,
        segment_rows: of.reduce((sum, { rows }) => sum + rows, 0),
        segment_bytes: of.reduce((sum, { bytes }) => sum + bytes, 0),
        ...(times.length === 0 ? {} : {
          oldest: isoTimestamp(times.reduce((least, time) => time < least ? time : least)),
          newest: isoTimestamp(times.reduce((most, time) => time > most ? time : most)),
        }),
      }];
    })),
    catalog: node.catalog?.status(),
    tiers: Object.fromEntries(
      Object.entries(tierUsage(store)).map(([tier, { rows, bytes, oldestNs, newestNs }]) => [tier, {
        rows,
        bytes,
        ...(oldestNs === undefined ? {} : { oldest: isoTimestamp(oldestNs) }),
        ...(newestNs === undefined ? {} : { newest: isoTimestamp(newestNs) }),
      }]),
    ),
    time_synced: isTimeSynced(store.env.clock.nowNs(), store.manifest.state.newestIngestNs),
    flush_troubles: store.batches.troubles().map(({ tenant, signal, failures, error }) => ({
      tenant,
      signal,
      failures,
      error: error.message,
    })),
    damaged: Object.fromEntries(store.damaged),
  };
}
