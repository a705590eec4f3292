/**
 * `GET /health` and `GET /ready`: how each component is (edge/server/health.ts); `GET /metrics`: what is counted.
 *
 * `/health` is liveness: 200 for as long as the process can answer, whatever its disk is like, for a restart mends
 * none of that; 503 once its start has failed. `/ready` is 503 while a record would be refused or a question not
 * answered; `?for=records` and `?for=queries` ask for one of the two.
 */
import { Hono } from "hono";
import type { Metrics } from "../../core/metrics/metrics.ts";
import { componentNames } from "../server/facts.ts";
import type { NodeHealth } from "../server/health.ts";
import { type Parameters, type ParameterTable, readQuery } from "./parameters.ts";
import type { RouteDoc } from "./route.ts";
import { boolean, instant, listOf, objectOf, oneOfWords, text } from "./schema.ts";

export interface HealthHost {
  readonly metrics: Metrics;
  health(): NodeHealth;
}

const readyTable = {
  for: {
    type: ["records", "queries"],
    doc: "Ask for one of the two: whether `records` would be taken, or `queries` answered.",
  },
} as const satisfies ParameterTable;

const status = oneOfWords(["ok", "degraded", "failed"]);
const phase = oneOfWords(["starting", "ready", "draining", "failed"]);
const abilities = { takes_records: boolean, answers_queries: boolean };
const component = objectOf({ status, since: instant }, { reason: text });
const components = objectOf(Object.fromEntries(componentNames.map((name) => [name, component])));

export const healthDocs: readonly RouteDoc[] = [
  {
    group: "node",
    methods: ["GET"],
    path: "/health",
    summary: "Whether the process is alive: 200 for as long as it can answer, 503 once its start has failed.",
    parameters: {},
    ofTenant: false,
    answers: {
      "application/json": objectOf({ status, phase, ...abilities, reasons: listOf(text), components }),
    },
    otherStatuses: { 503: "Its start has failed." },
    refusals: [],
    answer: '{"status":"degraded","phase":"ready","takes_records":true,"answers_queries":true,' +
      '"reasons":["clock: …"],"components":{"wal":{"status":"ok","since":"…"},"clock":{"status":"degraded",…},…}}',
    example: "curl -s http://127.0.0.1:6318/health",
  },
  {
    group: "node",
    methods: ["GET"],
    path: "/ready",
    summary: "Whether it would take records and answer queries now. 503 when it would not, with the reason.",
    parameters: readyTable,
    ofTenant: false,
    answers: {
      "application/json": objectOf(
        { status: oneOfWords(["ready", "not ready"]), phase, ...abilities, components },
        { reason: text },
      ),
    },
    otherStatuses: { 503: "It is not ready." },
    refusals: [],
    answer: '{"status":"not ready","phase":"starting","reason":"recovering the data folder",…}',
    notes: "A node that was drained takes no records and answers queries.",
    example: "curl -s 'http://127.0.0.1:6318/ready?for=records'",
  },
  {
    group: "node",
    methods: ["GET"],
    path: "/metrics",
    summary: "Its [metrics](metrics.md) in the Prometheus text format.",
    parameters: {},
    ofTenant: false,
    answers: { "text/plain": text },
    refusals: [],
    answer:
      "# HELP openwit_uptime_seconds …\n# TYPE openwit_uptime_seconds gauge\nopenwit_uptime_seconds 12.5",
    example: "curl -s http://127.0.0.1:6318/metrics",
  },
];

/** `/health` and `/metrics` look at no parameters: probes and scrapers may have their own. */
export function healthRoutes(host: HealthHost): Hono {
  const app = new Hono();
  app.get("/health", (context) => {
    const health = host.health();
    return context.json(health, health.phase === "failed" ? 503 : 200);
  });
  app.get("/ready", (context) => {
    const health = host.health();
    const isReady = wantedOf(readQuery(context, readyTable)).every((wanted) => health[wanted]);
    if (!isReady) context.header("Retry-After", "1");
    const { reasons } = health;
    return context.json(
      {
        status: isReady ? "ready" : "not ready",
        phase: health.phase,
        ...(isReady ? {} : { reason: reasons.join("; ") }),
        takes_records: health.takes_records,
        answers_queries: health.answers_queries,
        components: health.components,
      },
      isReady ? 200 : 503,
    );
  });
  app.get("/metrics", (context) => {
    context.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return context.body(host.metrics.render());
  });
  return app;
}

type Ability = "takes_records" | "answers_queries";

/** @throws OpenWitError `invalid_argument` */
function wantedOf(parameters: Parameters<typeof readyTable>): readonly Ability[] {
  if (parameters.text("for") === undefined) return ["takes_records", "answers_queries"];
  return parameters.choice("for", readyTable.for.type) === "records"
    ? ["takes_records"]
    : ["answers_queries"];
}
