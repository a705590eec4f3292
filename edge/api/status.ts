/** `GET /api/v1/status`: how a node is, in one JSON document that `openwit status` prints. */
import process from "node:process";
import { Hono } from "hono";
import { signals } from "../../core/model/columns.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import { isTimeSynced } from "../../core/budget/wall-clock.ts";
import { tierUsage } from "../../core/system/tiers.ts";
import { version } from "../version.ts";
import type { Node } from "../server/node.ts";
import { processorStatus } from "../server/processor.ts";
import { trialOf, trialSchema } from "./admin/config.ts";
import { drainOf, drainSchema } from "./admin/drain.ts";
import { readQuery } from "./parameters.ts";
import { nodeRefusals, type RouteDoc } from "./route.ts";
import { integer, type JsonSchema, mapOf, row, text } from "./schema.ts";

/** More members come with what there is to tell: these are there from the first moment. */
const statusSchema: JsonSchema = {
  type: "object",
  properties: {
    version: text,
    phase: text,
    reason: text,
    recovery: text,
    pid: integer,
    uptime_seconds: integer,
    data_dir: text,
    endpoints: mapOf(text),
    resident_bytes: integer,
    cpu: row,
    page_size: integer,
    limits: row,
    drain: drainSchema,
    trial: trialSchema,
    disk: row,
    wal: row,
    signals: mapOf(row),
    tiers: mapOf(row),
  },
  required: ["version", "phase", "pid", "uptime_seconds", "data_dir", "resident_bytes"],
};

export const statusDocs: readonly RouteDoc[] = [{
  group: "node",
  methods: ["GET"],
  path: "/api/v1/status",
  summary: "How the node is: what `openwit status --json` prints.",
  parameters: {},
  ofTenant: false,
  answers: { "application/json": statusSchema },
  refusals: nodeRefusals,
  answer:
    '{"version":"…","phase":"ready","pid":812,"uptime_seconds":86400,"data_dir":"…","disk":{…},"signals":{…},…}',
  notes: "While the node starts only what is known of the process is there.",
  example: "curl -s http://127.0.0.1:6318/api/v1/status",
}];

export function statusRoutes(node: Node): Hono {
  const app = new Hono();
  app.get("/api/v1/status", async (context) => {
    readQuery(context, {});
    return context.json(await statusOf(node));
  });
  return app;
}

export async function statusOf(node: Node): Promise<Record<string, unknown>> {
  const base = {
    version,
    phase: node.phase,
    ...(node.reason === undefined ? {} : { reason: node.reason }),
    ...(node.recovery === undefined ? {} : { recovery: node.recovery }),
    pid: process.pid,
    uptime_seconds: Math.round(node.uptimeSeconds()),
    data_dir: node.dataDir,
    endpoints: node.endpoints,
    resident_bytes: process.memoryUsage.rss(),
    ...await processorStatus(),
    limits: {
      memory_bytes: node.limits.memoryBytes,
      search_threads: node.limits.searchThreads,
      notes: node.limits.notes,
    },
    health: node.health(),
    ...trialOf(node),
  };
  if (node.phase !== "ready") return base;
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
    drain: drainOf(node),
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
    self: node.self.status(),
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
