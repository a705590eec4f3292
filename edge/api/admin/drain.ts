/** Draining a node that goes on running, and ending that: server/drain.ts. */
import { Hono } from "hono";
import { isoTimestamp } from "../../../core/model/row.ts";
import type { Node } from "../../server/node.ts";
import { readQuery } from "../parameters.ts";
import { nodeRefusals, type RouteDoc } from "../route.ts";
import { instant, integer, type JsonSchema, nullable, objectOf, oneOfWords } from "../schema.ts";

export const drainSchema: JsonSchema = objectOf({
  state: oneOfWords(["off", "draining", "drained"]),
  since: nullable(instant),
  memory_rows: integer,
  wal_bytes: integer,
});

const answer = '{"state":"drained","since":"…","memory_rows":0,"wal_bytes":0}';

export const drainDocs: readonly RouteDoc[] = [
  {
    group: "admin",
    methods: ["GET", "POST"],
    path: "/api/v1/admin/drain",
    summary:
      "POST: takes no more records, and writes all there are into segments; answers when that is done. GET: " +
      "how far that is.",
    parameters: {},
    takes: "query",
    ofTenant: false,
    answers: { "application/json": drainSchema },
    refusals: [...nodeRefusals, "corrupt"],
    answer,
    notes:
      "Agents are refused as retryable (HTTP 503 with `Retry-After`, gRPC `UNAVAILABLE`) and keep what they " +
      "have; queries are answered; `/ready` says 503. `memory_rows` is 0 once it is `drained`: the data folder then " +
      "has everything in segments. It lasts until it is resumed or the server is started again.",
    example: "curl -s -X POST http://127.0.0.1:6318/api/v1/admin/drain",
  },
  {
    group: "admin",
    methods: ["POST"],
    path: "/api/v1/admin/resume",
    summary: "Takes records again.",
    parameters: {},
    takes: "query",
    ofTenant: false,
    answers: { "application/json": drainSchema },
    refusals: nodeRefusals,
    answer: '{"state":"off","since":null,"memory_rows":0,"wal_bytes":0}',
    example: "curl -s -X POST http://127.0.0.1:6318/api/v1/admin/resume",
  },
];

export function drainRoutes(node: Node): Hono {
  const app = new Hono();
  app.get("/api/v1/admin/drain", (context) => {
    readQuery(context, {});
    return context.json(drainOf(node));
  });
  app.post("/api/v1/admin/drain", async (context) => {
    readQuery(context, {});
    await node.drain.begin();
    return context.json(drainOf(node));
  });
  app.post("/api/v1/admin/resume", (context) => {
    readQuery(context, {});
    node.store(); // one that starts or stops has nothing to resume
    node.drain.end();
    return context.json(drainOf(node));
  });
  return app;
}

/** @throws OpenWitError `unavailable` while the node is not ready */
export function drainOf(node: Node) {
  const store = node.store();
  const { state, sinceNs } = node.drain;
  return {
    state,
    since: sinceNs === undefined ? null : isoTimestamp(sinceNs),
    memory_rows: store.memtableStats().reduce((sum, { rows }) => sum + rows, 0),
    wal_bytes: store.wal.stats.bytes,
  };
}
