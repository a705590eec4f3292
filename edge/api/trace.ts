/** `GET /api/v1/traces/{id}`: a whole trace, its spans in the order of the tree. */
import { type Context, Hono } from "hono";
import { OpenWitError } from "../../core/error.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import type { JsonRow } from "../../core/search/page.ts";
import {
  parseTraceId,
  spansStatement,
  type Trace,
  traceLogsStatement,
  traceOf,
  traceRowsMax,
} from "../../core/search/trace.ts";
import type { QueryHost } from "./host.ts";
import { type ParameterTable, readParameters, tenantOf, timeParameters } from "./parameters.ts";
import { formatOf, jsonAnswer, ndjsonAnswer } from "./result.ts";
import { type RouteDoc, statementRefusals } from "./route.ts";
import { covered, instant, integer, listOf, nullable, number, row, text } from "./schema.ts";
import { Conversation } from "./statement.ts";

const parameterTable = {
  logs: { type: "boolean", default: "false", doc: "Whether to answer the trace's log records too." },
  ...timeParameters,
} as const satisfies ParameterTable;

export const traceDocs: readonly RouteDoc[] = [{
  group: "data",
  methods: ["GET"],
  path: "/api/v1/traces/{id}",
  pathParameters: {
    id: {
      doc: "Of the trace.",
      schema: { type: "string", pattern: "^[0-9A-Fa-f]{32}$" },
      example: "4bf92f3577b34da6a3ce929d0e0e4736",
    },
  },
  summary:
    "A whole trace by its id of 32 hexadecimal digits. 404 when there is none, 400 when that is no id.",
  parameters: parameterTable,
  ofTenant: true,
  answers: {
    "application/json": covered(
      { trace_id: text, spans: listOf(row), elapsed_ms: number },
      {
        start: instant,
        end: instant,
        duration_ns: text,
        services: listOf(nullable(text)),
        errors: integer,
        logs: listOf(row),
      },
    ),
    "application/x-ndjson": text,
  },
  headers: ["X-OpenWit-Partial", "X-OpenWit-Rows"],
  refusals: [...statementRefusals, "not_found"],
  answer: '{"trace_id":"…","start":"…","end":"…","duration_ns":"2000000","services":["cart"],"errors":0,' +
    '"spans":[{…,"depth":0,"orphan":false}],"elapsed_ms":8.2,"coverage":{…},"partial":false,"warnings":[]}',
  notes:
    "A span has the columns of [spans](schema.md#spans-also-as-traces), its `depth` in the tree (0 is a " +
    "root) and whether it is an `orphan`, whose parent is not there. A parent stands before its children, and " +
    `those in the order of their start. At most ${traceRowsMax} spans are answered, and as many logs in \`logs\`, ` +
    "oldest first. `Accept: application/x-ndjson` gives a span a line.",
  example: "curl -s 'http://127.0.0.1:6318/api/v1/traces/4bf92f3577b34da6a3ce929d0e0e4736?logs=true'",
}];

export function traceRoutes(host: QueryHost): Hono {
  const app = new Hono();
  app.get("/api/v1/traces/:id", async (context) => await trace(host, context, context.req.param("id")));
  return app;
}

async function trace(host: QueryHost, context: Context, idText: string): Promise<Response> {
  const traceId = parseTraceId(idText);
  const parameters = await readParameters(context, parameterTable);
  const format = formatOf(context.req.header("Accept"), ["json", "ndjson"]);
  const withLogs = parameters.isOn("logs");
  if (withLogs && format === "ndjson") {
    throw new OpenWitError("invalid_argument", "a trace as NDJSON has its spans alone", {
      hint: "ask for its logs as JSON, or by /api/v1/logs/search?field=trace_id=…",
    });
  }
  const untilNs = parameters.timeNs("until");
  const window = {
    minNs: parameters.timeNs("since"),
    maxNs: untilNs === undefined ? undefined : untilNs - 1n,
  };
  const tenant = tenantOf(context);
  const conversation = new Conversation(host, tenant, context.req.raw.signal);
  const spans = await conversation.ask(spansStatement(traceId), window);
  const logs = withLogs ? await conversation.ask(traceLogsStatement(traceId), window) : undefined;
  if (spans.rows.length === 0 && (logs?.rows.length ?? 0) === 0) {
    throw new OpenWitError("not_found", `there is no trace ${traceId} of the tenant ${tenant}`, {
      hint: "its spans may not have arrived, lie outside since and until, or be older than what is kept",
    });
  }
  const ordered = spans.rows.length === 0 ? undefined : traceOf(spans.rows);
  const rows = ordered === undefined ? [] : spanRows(ordered);
  const warnings = [...cutWarning("spans", spans.truncated), ...cutWarning("logs", logs?.truncated)];
  if (format === "ndjson") return ndjsonAnswer(rows, conversation.coverage, {}, warnings);
  return jsonAnswer(
    {
      trace_id: traceId,
      ...(ordered === undefined ? {} : summary(ordered)),
      spans: rows,
      ...(logs === undefined ? {} : { logs: logs.rows }),
      elapsed_ms: conversation.elapsedMs(),
    },
    conversation.coverage,
    spans.truncated ?? logs?.truncated,
    warnings,
  );
}

function spanRows({ spans }: Trace): JsonRow[] {
  return spans.map(({ row, depth, isOrphan }) => ({ ...row, depth, orphan: isOrphan }));
}

function summary({ startNs, endNs, spans }: Trace): Record<string, unknown> {
  return {
    start: isoTimestamp(startNs),
    end: isoTimestamp(endNs),
    duration_ns: String(endNs - startNs),
    services: [...new Set(spans.map(({ row }) => row.service_name))],
    errors: spans.filter(({ row }) => row.status_code === 2).length,
  };
}

function cutWarning(what: string, truncated: "rows" | "bytes" | undefined): string[] {
  return truncated === undefined
    ? []
    : [`${what} of the trace are missing: there are more than an answer holds`];
}
