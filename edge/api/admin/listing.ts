/** What a node has: its tenants, its segments, and its batches with what became of each. All tenants, unlike `system.*`. */
import { Hono } from "hono";
import { OpenWitError } from "../../../core/error.ts";
import type { Signal } from "../../../core/model/columns.ts";
import { isoTimestamp } from "../../../core/model/row.ts";
import { type SystemRow, systemTable } from "../../../core/system/tables.ts";
import { parseTenant } from "../../../core/tenant.ts";
import type { Store } from "../../../core/store/store.ts";
import type { Node } from "../../server/node.ts";
import { type Parameters, type ParameterTable, readQuery } from "../parameters.ts";
import { nodeRefusals, type RouteDoc } from "../route.ts";
import { described, instant, integer, listOf, objectOf, text } from "../schema.ts";
import { parseSignal } from "../signal.ts";
import { rowJson, rowSchema } from "./rows.ts";

const stages = ["ingested", "stored", "indexed", "evicted"] as const;

const streamTable = {
  tenant: { type: "text", doc: "Only of this tenant; of all without it." },
  signal: { type: "text", doc: "Only `logs`, `spans` (or `traces`) or `metrics`." },
  limit: { type: "number", default: "100", least: 1, most: 10_000, doc: "Most rows, the newest first." },
} as const satisfies ParameterTable;

const batchTable = {
  ...streamTable,
  stage: { type: stages, doc: "Only those whose last stage this is." },
  stuck: {
    type: "boolean",
    doc: "`true`: only those that should have been stored long ago; `false`: only others.",
  },
} as const satisfies ParameterTable;

const batchId = described(text, "`{tenant}.{signal}.{lsn_from}-{lsn_to}`");

export const listingDocs: readonly RouteDoc[] = [
  {
    group: "admin",
    methods: ["GET"],
    path: "/api/v1/admin/batches",
    summary: "Batches: the rows that a stream seals together, and how far each has come.",
    parameters: batchTable,
    ofTenant: false,
    answers: {
      "application/json": objectOf({
        total: integer,
        batches: listOf(rowSchema("batches", { id: batchId })),
      }),
    },
    refusals: nodeRefusals,
    answer:
      '{"total":12,"batches":[{"id":"default.logs.1-40","tenant":"default","signal":"logs","stage":"stored",…}]}',
    notes:
      "`total` counts those that match, beyond `limit` too. A batch of before the last start is known as far as " +
      "segments are left of it.",
    example: "curl -s 'http://127.0.0.1:6318/api/v1/admin/batches?stage=ingested&stuck=true'",
  },
  {
    group: "admin",
    methods: ["GET"],
    path: "/api/v1/admin/batches/{id}",
    pathParameters: {
      id: { doc: "Of the batch, as the list has it.", schema: text, example: "default.logs.1-40" },
    },
    summary: "One batch: when it reached which stage, and the segments that hold its requests now.",
    parameters: {},
    ofTenant: false,
    answers: {
      "application/json": objectOf({
        batch: rowSchema("batches", { id: batchId }),
        history: listOf(objectOf({ stage: text, at: instant })),
        segments: listOf(rowSchema("segments")),
      }),
    },
    refusals: [...nodeRefusals, "not_found"],
    answer:
      '{"batch":{"id":"default.logs.1-40",…},"history":[{"stage":"received","at":"…"},…],"segments":[{…}]}',
    example: "curl -s http://127.0.0.1:6318/api/v1/admin/batches/default.logs.1-40",
  },
  {
    group: "admin",
    methods: ["GET"],
    path: "/api/v1/admin/segments",
    summary: "Segments, as [system.segments](query.md) has them, of all tenants.",
    parameters: streamTable,
    ofTenant: false,
    answers: { "application/json": objectOf({ total: integer, segments: listOf(rowSchema("segments")) }) },
    refusals: nodeRefusals,
    answer: '{"total":3,"segments":[{"id":"…","tenant":"default","signal":"logs","level":1,"rows":1200,…}]}',
    example: "curl -s 'http://127.0.0.1:6318/api/v1/admin/segments?signal=logs'",
  },
  {
    group: "admin",
    methods: ["GET"],
    path: "/api/v1/admin/tenants",
    summary: "Tenants that have records, and how many.",
    parameters: {},
    ofTenant: false,
    answers: { "application/json": objectOf({ tenants: listOf(rowSchema("tenants")) }) },
    refusals: nodeRefusals,
    answer: '{"tenants":[{"tenant":"default","logs":1200,"spans":300,"metrics":90,"memory_rows":15,…}]}',
    example: "curl -s http://127.0.0.1:6318/api/v1/admin/tenants",
  },
];

export function listingRoutes(node: Node): Hono {
  const app = new Hono();
  app.get("/api/v1/admin/batches", (context) => {
    const parameters = readQuery(context, batchTable);
    const stage = parameters.text("stage") === undefined ? undefined : parameters.choice("stage", stages);
    const stuck = parameters.text("stuck") === undefined ? undefined : parameters.isOn("stuck");
    const { rows, limit } = ofStreams(parameters, (tenant) => batchesOf(node, tenant));
    const wanted = rows.filter((row) =>
      (stage ?? row.stage) === row.stage && (stuck ?? row.stuck) === row.stuck
    );
    wanted.sort((a, b) => Number(receivedNs(b) - receivedNs(a)));
    return context.json({ total: wanted.length, batches: wanted.slice(0, limit).map(batchJson) });
  });
  app.get("/api/v1/admin/batches/:id", (context) => {
    readQuery(context, {});
    return context.json(batchOf(node, context.req.param("id")));
  });
  app.get("/api/v1/admin/segments", (context) => {
    const parameters = readQuery(context, streamTable);
    const { rows, limit } = ofStreams(parameters, (tenant) => segmentsOf(node, tenant));
    rows.sort((a, b) => (String(a.id) < String(b.id) ? 1 : -1));
    return context.json({
      total: rows.length,
      segments: rows.slice(0, limit).map((row) => rowJson("segments", row)),
    });
  });
  app.get("/api/v1/admin/tenants", (context) => {
    readQuery(context, {});
    const source = { store: node.store(), taskRuns: [] };
    const tenants = tenantsOf(source.store).map((tenant) =>
      rowJson("tenants", systemTable("tenants", source, tenant).rows[0])
    );
    return context.json({ tenants });
  });
  return app;

  function ofStreams(
    parameters: Parameters<typeof streamTable>,
    rowsOf: (tenant: string) => readonly SystemRow[],
  ): { rows: SystemRow[]; limit: number } {
    const limit = parameters.count("limit", 1, 10_000);
    const named = parameters.text("tenant");
    const tenants = named === undefined ? tenantsOf(node.store()) : [parseTenant(named)];
    const signalText = parameters.text("signal");
    const signal: Signal | undefined = signalText === undefined ? undefined : parseSignal(signalText);
    const rows = tenants.flatMap(rowsOf).filter((row) => (signal ?? row.signal) === row.signal);
    return { rows, limit };
  }
}

/** Every tenant with rows in memory or in segments, by name. */
export function tenantsOf(store: Store): string[] {
  const names = new Set(store.memtablesOf().map(({ tenant }) => tenant));
  for (const { tenant } of store.manifest.state.segments.values()) names.add(tenant);
  return [...names].sort();
}

/** The newest batches of all tenants. @throws OpenWitError `unavailable` while the node is not ready */
export function recentBatches(node: Node, most: number) {
  const rows = tenantsOf(node.store()).flatMap((tenant) => batchesOf(node, tenant));
  rows.sort((a, b) => Number(receivedNs(b) - receivedNs(a)));
  return { total: rows.length, batches: rows.slice(0, most).map(batchJson) };
}

function batchesOf(node: Node, tenant: string): readonly SystemRow[] {
  return systemTable("batches", { store: node.store(), taskRuns: [] }, tenant).rows;
}

function segmentsOf(node: Node, tenant: string): readonly SystemRow[] {
  return systemTable("segments", { store: node.store(), taskRuns: [] }, tenant).rows;
}

function batchOf(node: Node, id: string) {
  const [tenant, signal] = id.split(".");
  const batch = batchesOf(node, tenant).find((row) => idOf(row) === id);
  if (batch === undefined) {
    throw new OpenWitError("not_found", `there is no batch ${JSON.stringify(id.slice(0, 100))}`, {
      hint: "GET /api/v1/admin/batches lists those that are known; open ones grow, and their ids with them",
    });
  }
  const stagesOf = ["received", "wal_written", "ingested", "stored", "indexed", "evicted"] as const;
  const segments = segmentsOf(node, tenant).filter((row) =>
    row.signal === signal && row.origin === undefined &&
    Number(row.lsn_from) <= Number(batch.lsn_to) && Number(row.lsn_to) >= Number(batch.lsn_from)
  );
  return {
    batch: batchJson(batch),
    history: stagesOf.flatMap((stage) => {
      const at = batch[stage];
      return typeof at === "bigint" ? [{ stage, at: isoTimestamp(at) }] : [];
    }),
    segments: segments.map((row) => rowJson("segments", row)),
  };
}

function batchJson(row: SystemRow) {
  return { id: idOf(row), ...rowJson("batches", row) };
}

function idOf(row: SystemRow): string {
  return `${row.tenant}.${row.signal}.${row.lsn_from}-${row.lsn_to}`;
}

function receivedNs({ received }: SystemRow): bigint {
  return typeof received === "bigint" ? received : 0n;
}
