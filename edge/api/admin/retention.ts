/** What goes, when and why: the policy, what it would remove now, and doing that. */
import { Hono } from "hono";
import type { Eviction, EvictionReason } from "../../../core/budget/eviction.ts";
import { isTimeSynced } from "../../../core/budget/wall-clock.ts";
import { isoTimestamp } from "../../../core/model/row.ts";
import { type Signal, signals } from "../../../core/model/columns.ts";
import type { Node } from "../../server/node.ts";
import { readQuery } from "../parameters.ts";
import { nodeRefusals, type RouteDoc } from "../route.ts";
import {
  boolean,
  instant,
  integer,
  listOf,
  mapOf,
  nullable,
  number,
  objectOf,
  oneOfWords,
  text,
} from "../schema.ts";
import { runJson, runSchema, taskRefusals } from "./tasks.ts";

/** Segments that are named; all are counted. */
const namedMax = 100;

const reasons: readonly EvictionReason[] = ["age", "stream_bytes", "budget"];
const sums = { segments: integer, rows: integer, bytes: integer };

export const retentionDocs: readonly RouteDoc[] = [{
  group: "admin",
  methods: ["GET"],
  path: "/api/v1/admin/retention",
  summary:
    "How long records are kept, and what would be removed if that were applied now. Nothing is removed.",
  parameters: {},
  ofTenant: false,
  answers: {
    "application/json": objectOf({
      policy: objectOf({
        seconds: objectOf({ logs: nullable(number), spans: nullable(number), metrics: nullable(number) }),
        stream_bytes_max: nullable(integer),
        tenants: mapOf(objectOf({ seconds: nullable(number), stream_bytes_max: nullable(integer) })),
        when_full: oneOfWords(["evict-oldest", "refuse"]),
        evict_first: text,
        budget_bytes: integer,
        used_bytes: integer,
      }),
      time_synced: boolean,
      would_remove: objectOf({
        ...sums,
        reasons: listOf(objectOf({ reason: oneOfWords(reasons), ...sums })),
        named: listOf(objectOf({
          segment: text,
          tenant: text,
          signal: oneOfWords(signals),
          rows: integer,
          bytes: integer,
          newest: instant,
          reason: oneOfWords(reasons),
        })),
      }),
    }),
  },
  refusals: nodeRefusals,
  answer: '{"policy":{"seconds":{"logs":604800,"spans":604800,"metrics":null},"stream_bytes_max":null,' +
    '"tenants":{"_system":{"seconds":604800,"stream_bytes_max":67108864}},' +
    '"when_full":"evict-oldest","evict_first":"none","budget_bytes":…,"used_bytes":…},"time_synced":true,' +
    '"would_remove":{"segments":2,"rows":900,"bytes":40000,"reasons":[{"reason":"age",…}],"named":[…]}}',
  notes:
    `\`null\` seconds: for as long as there is room. The first ${namedMax} segments are named, in the order in ` +
    "which they would go. `tenants` have bounds of their own, of which the narrower holds. While `time_synced` is " +
    "false nothing goes by age.",
  example: "curl -s http://127.0.0.1:6318/api/v1/admin/retention",
}, {
  group: "admin",
  methods: ["POST"],
  path: "/api/v1/admin/retention",
  summary: "Applies retention and the disk's budget now, rather than within the minute.",
  parameters: {},
  takes: "query",
  ofTenant: false,
  answers: { "application/json": runSchema },
  refusals: taskRefusals,
  answer:
    '{"task":"retention","started":"…","duration_ms":12,"outcome":"done","did":"2 segments evicted","error":null}',
  example: "curl -s -X POST http://127.0.0.1:6318/api/v1/admin/retention",
}];

export function retentionRoutes(node: Node): Hono {
  const app = new Hono();
  app.get("/api/v1/admin/retention", async (context) => {
    readQuery(context, {});
    return context.json(await retentionOf(node));
  });
  app.post("/api/v1/admin/retention", async (context) => {
    readQuery(context, {});
    return context.json(runJson(await node.maintenance().janitor.runNow("retention")));
  });
  return app;
}

/** @throws OpenWitError `unavailable` while the node is not ready */
export async function retentionOf(node: Node) {
  const store = node.store();
  const budget = node.budget!;
  const { retentionMs, retentionMsOf, streamBytesMax, whenFull, tenants = {} } = budget.options;
  const secondsOf = (signal: Signal) => {
    const ms = retentionMsOf?.[signal] ?? retentionMs;
    return ms === undefined ? null : ms / 1_000;
  };
  const plan = await budget.preview();
  return {
    policy: {
      seconds: { logs: secondsOf("logs"), spans: secondsOf("spans"), metrics: secondsOf("metrics") },
      stream_bytes_max: streamBytesMax ?? null,
      tenants: Object.fromEntries(
        Object.entries(tenants).map(([tenant, own]) => [tenant, {
          seconds: own.retentionMs === undefined ? null : own.retentionMs / 1_000,
          stream_bytes_max: own.streamBytesMax ?? null,
        }]),
      ),
      when_full: whenFull,
      evict_first: node.config.evictFirst,
      budget_bytes: budget.usage.budgetBytes,
      used_bytes: budget.usage.usedBytes,
    },
    time_synced: isTimeSynced(store.env.clock.nowNs(), store.manifest.state.newestIngestNs),
    would_remove: {
      ...sumOf(plan),
      reasons: reasons.flatMap((reason) => {
        const of = plan.filter((each) => each.reason === reason);
        return of.length === 0 ? [] : [{ reason, ...sumOf(of) }];
      }),
      named: plan.slice(0, namedMax).map(({ segment, reason }) => ({
        segment: segment.id,
        tenant: segment.tenant,
        signal: segment.signal,
        rows: segment.rows,
        bytes: segment.bytes,
        newest: isoTimestamp(segment.maxTimeNs),
        reason,
      })),
    },
  };
}

function sumOf(plan: readonly Eviction[]) {
  return {
    segments: plan.length,
    rows: plan.reduce((sum, { segment }) => sum + segment.rows, 0),
    bytes: plan.reduce((sum, { segment }) => sum + segment.bytes, 0),
  };
}
