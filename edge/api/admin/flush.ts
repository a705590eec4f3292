/** Work that a node does by itself, asked for now: flush, merge, index. */
import { Hono } from "hono";
import type { Node } from "../../server/node.ts";
import { type ParameterTable, readQuery } from "../parameters.ts";
import { nodeRefusals, type RouteDoc } from "../route.ts";
import { boolean, integer, listOf, objectOf, text } from "../schema.ts";

const indexTable = {
  every: { type: "boolean", default: "false", doc: "Whether to index every merged segment anew." },
} as const satisfies ParameterTable;

const workRefusals = [...nodeRefusals, "conflict", "corrupt", "overloaded", "cancelled"] as const;

export const flushDocs: readonly RouteDoc[] = [
  {
    group: "admin",
    methods: ["POST"],
    path: "/api/v1/admin/flush",
    summary: "Writes all that is in memory into segments, and frees the WAL.",
    parameters: {},
    takes: "query",
    ofTenant: false,
    answers: {
      "application/json": objectOf({ flushed: boolean, rows: integer, wal_bytes: integer }),
    },
    refusals: workRefusals,
    answer: '{"flushed":true,"rows":1200,"wal_bytes":0}',
    notes: "`rows` were in memory when it was asked for; `wal_bytes` are left.",
    example: "curl -s -X POST http://127.0.0.1:6318/api/v1/admin/flush",
  },
  {
    group: "admin",
    methods: ["POST"],
    path: "/api/v1/admin/compact",
    summary: "Merges segments that are due to be merged, and those that need not wait.",
    parameters: {},
    takes: "query",
    ofTenant: false,
    answers: {
      "application/json": objectOf({
        merges: integer,
        segments: integer,
        rows: integer,
        bytes_read: integer,
        bytes_written: integer,
        postponed: listOf(text),
      }),
    },
    refusals: workRefusals,
    answer: '{"merges":1,"segments":4,"rows":1200,"bytes_read":90000,"bytes_written":60000,"postponed":[]}',
    notes: "`postponed` says which merges wait, and for what.",
    example: "curl -s -X POST http://127.0.0.1:6318/api/v1/admin/compact",
  },
  {
    group: "admin",
    methods: ["POST"],
    path: "/api/v1/admin/index",
    summary: "Indexes merged segments that lack an index.",
    parameters: indexTable,
    takes: "query",
    ofTenant: false,
    answers: {
      "application/json": objectOf({
        segments: integer,
        rows: integer,
        segment_bytes: integer,
        index_bytes: integer,
        failed: listOf(objectOf({ path: text, why: text })),
      }),
    },
    refusals: workRefusals,
    answer: '{"segments":1,"rows":1200,"segment_bytes":60000,"index_bytes":7000,"failed":[]}',
    example: "curl -s -X POST 'http://127.0.0.1:6318/api/v1/admin/index?every=true'",
  },
];

export function flushRoutes(node: Node): Hono {
  const app = new Hono();
  app.post("/api/v1/admin/flush", async (context) => {
    readQuery(context, {});
    const store = node.store();
    const rows = store.memtableStats().reduce((sum, each) => sum + each.rows, 0);
    await store.flush();
    return context.json({ flushed: true, rows, wal_bytes: store.wal.stats.bytes });
  });
  app.post("/api/v1/admin/compact", async (context) => {
    readQuery(context, {});
    const report = await node.maintenance().compact();
    return context.json({
      merges: report.merges,
      segments: report.inputs,
      rows: report.rows,
      bytes_read: report.bytesRead,
      bytes_written: report.bytesWritten,
      postponed: report.postponed,
    });
  });
  app.post("/api/v1/admin/index", async (context) => {
    const report = await node.maintenance().index(readQuery(context, indexTable).isOn("every"));
    return context.json({
      segments: report.segments,
      rows: report.rows,
      segment_bytes: report.segmentBytes,
      index_bytes: report.indexBytes,
      failed: report.failed.map(({ path, why }) => ({ path, why })),
    });
  });
  return app;
}
