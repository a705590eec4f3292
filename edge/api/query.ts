/**
 * SQL over HTTP.
 *
 * `POST /api/v1/query` takes `{sql, params, timeout_ms, limit, since, until, explain}` and answers by `Accept`: JSON (the
 * default), `application/x-ndjson`, `text/csv` or `application/vnd.apache.arrow.stream`.
 * `POST /api/search` takes the original OpenWit's `{query, limit, client_id}` and answers JSON.
 *
 * A partial answer (rows cut off by a limit, segments that cannot be read) says so in `X-OpenWit-Partial` and, in
 * JSON, in `coverage`, `partial` and `warnings`.
 */
import { Hono } from "hono";
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError } from "../../core/error.ts";
import { parseTenant } from "../../core/tenant.ts";
import { parseInstant } from "../config/instant.ts";
import type { QueryHost } from "./host.ts";
import { asRecord, jsonOf, tenantOf, unknownName } from "./parameters.ts";
import { answer, formatOf, type ResultFormat } from "./result.ts";
import { type RouteDoc, statementRefusals } from "./route.ts";
import {
  boolean,
  covered,
  integer,
  type JsonSchema,
  listOf,
  mapOf,
  nullable,
  number,
  objectOf,
  row,
  text,
} from "./schema.ts";
import { startStatement } from "./statement.ts";

interface QueryBody {
  readonly sql: string;
  readonly params?: readonly QueryParameter[] | Readonly<Record<string, QueryParameter>>;
  readonly timeoutMs?: number;
  readonly limit?: number;
  readonly explain?: boolean;
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
}

type QueryParameter = string | number | boolean | null;

/** Rows of a JSON answer, which a client holds whole, when its request names no limit. */
const defaultLimit = 10_000;

const countFromOne: JsonSchema = { type: "integer", minimum: 1, maximum: Number.MAX_SAFE_INTEGER };
const parameterValue: JsonSchema = { type: ["string", "number", "boolean", "null"] };

/** A statement that fails after its first rows ends with `error` in place of what comes after `rows`. */
const rowsAnswer: JsonSchema = covered(
  {
    columns: listOf(objectOf({ name: text, type: text })),
    rows: listOf({ type: "array" }),
  },
  {
    row_count: integer,
    truncated: { enum: ["rows", "bytes", false] },
    elapsed_ms: number,
    files_considered: integer,
    files_pruned: integer,
    memtable_rows: integer,
    plan: objectOf({ phases_ms: mapOf(number), tables: listOf(row) }),
    error: row,
  },
);

export const queryDocs: readonly RouteDoc[] = [{
  group: "data",
  methods: ["POST"],
  path: "/api/v1/query",
  summary:
    "One SQL `SELECT`. [query.md](query.md#answers) says what its answers are like, in JSON, NDJSON, CSV " +
    "and Arrow.",
  parameters: {
    sql: { type: "text", isRequired: true, doc: "The statement." },
    params: { type: "text", doc: "A list of values for `$1`, `$2`, …, or an object for `$name`." },
    since: { type: "time", doc: "Only records at or after: a time, or a duration back such as `15m`." },
    until: { type: "time", doc: "Only records before." },
    limit: { type: "number", doc: `Most rows; in JSON ${defaultLimit} when none is named.` },
    timeout_ms: { type: "number", doc: "Gives up after this long; the node has a limit of its own." },
    explain: {
      type: "boolean",
      doc: "`true` adds to a JSON answer how it was found: [plan](query.md#plans).",
    },
  },
  body: {
    type: "application/json",
    schema: objectOf({ sql: text }, {
      params: {
        type: ["array", "object", "null"],
        items: parameterValue,
        additionalProperties: parameterValue,
      },
      since: nullable(text),
      until: nullable(text),
      limit: countFromOne,
      timeout_ms: countFromOne,
      explain: boolean,
    }),
    doc: "The statement, and how it is to be answered.",
    example: {
      sql: "SELECT service_name, count(*) AS n FROM logs GROUP BY ALL",
      since: "6h",
      limit: 10,
      explain: true,
    },
  },
  ofTenant: true,
  answers: {
    "application/json": rowsAnswer,
    "application/x-ndjson": text,
    "text/csv": text,
    "application/vnd.apache.arrow.stream": { type: "string", format: "binary" },
  },
  headers: ["X-OpenWit-Partial"],
  refusals: [...statementRefusals, "not_found"],
  answer: '{"columns":[{"name":"n","type":"BIGINT"}],"rows":[["42"]],"row_count":1,"truncated":false,…}',
  example: "curl -s http://127.0.0.1:6318/api/v1/query -H 'Content-Type: application/json' " +
    `-d '{"sql":"SELECT count(*) AS n FROM logs"}'`,
}, {
  group: "data",
  methods: ["POST"],
  path: "/api/search",
  summary: "The original OpenWit's form of a query, answered in JSON.",
  parameters: {
    query: { type: "text", isRequired: true, doc: "The statement." },
    limit: { type: "number", doc: "Most rows." },
    client_id: { type: "text", doc: "The tenant, as `X-Scope-OrgID` says it." },
  },
  body: {
    type: "application/json",
    schema: objectOf({ query: text }, { limit: countFromOne, client_id: text }),
    doc: "The statement.",
    example: { query: "SELECT name, duration_ns FROM spans LIMIT 5", client_id: "default" },
  },
  ofTenant: true,
  answers: { "application/json": rowsAnswer },
  headers: ["X-OpenWit-Partial"],
  refusals: [...statementRefusals, "not_found"],
  answer: '{"columns":[{"name":"n","type":"BIGINT"}],"rows":[["42"]],"row_count":1,"truncated":false,…}',
  example: "curl -s http://127.0.0.1:6318/api/search -H 'Content-Type: application/json' " +
    `-d '{"query":"SELECT count(*) AS n FROM logs","client_id":"default"}'`,
}];

export function queryRoutes(host: QueryHost): Hono {
  const app = new Hono();
  app.post("/api/v1/query", async (context) => {
    const body = parseQueryBody(await jsonOf(context));
    return await respond(
      host,
      tenantOf(context),
      body,
      formatOf(context.req.header("Accept")),
      context.req.raw.signal,
    );
  });
  app.post("/api/search", async (context) => {
    const { query, limit, client_id, ...rest } = asRecord(await jsonOf(context));
    refuseUnknown(rest, ["query", "limit", "client_id"]);
    if (client_id !== undefined && typeof client_id !== "string") {
      throw wrongField("client_id", "a tenant's name");
    }
    const header = context.req.header("X-Scope-OrgID");
    if (header !== undefined && client_id !== undefined && header !== client_id) {
      throw new OpenWitError("invalid_argument", "X-Scope-OrgID and client_id name different tenants", {
        hint: "send one of the two",
      });
    }
    const body = parseQueryBody({ sql: query, ...(limit === undefined ? {} : { limit }) }, "query");
    return await respond(host, parseTenant(client_id ?? header), body, "json", context.req.raw.signal);
  });
  return app;
}

async function respond(
  host: QueryHost,
  tenant: string,
  body: QueryBody,
  format: ResultFormat,
  signal: AbortSignal,
): Promise<Response> {
  if (body.explain === true && format !== "json") {
    throw new OpenWitError("invalid_argument", `an answer in ${format} has no place for a plan`, {
      hint: "ask for application/json",
    });
  }
  const statement = await startStatement(host, tenant, {
    sql: body.sql,
    params: body.params,
    timeoutMs: body.timeoutMs,
    limit: body.limit ?? (format === "json" ? defaultLimit : Infinity),
    window: { minNs: body.sinceNs, maxNs: body.untilNs === undefined ? undefined : body.untilNs - 1n },
    signal,
  });
  return await answer(statement, format, body.limit === undefined, body.explain);
}

function parseQueryBody(value: unknown, sqlField = "sql"): QueryBody {
  const { sql, params, timeout_ms, limit, since, until, explain, ...rest } = asRecord(value);
  refuseUnknown(rest, ["sql", "params", "timeout_ms", "limit", "since", "until", "explain"]);
  if (typeof sql !== "string" || sql.trim() === "") throw wrongField(sqlField, "the text of one SELECT");
  for (const [name, number] of Object.entries({ timeout_ms, limit })) {
    if (number !== undefined && (!Number.isSafeInteger(number) || Number(number) < 1)) {
      throw wrongField(name, "a whole number from 1");
    }
  }
  if (explain !== undefined && typeof explain !== "boolean") throw wrongField("explain", "true or false");
  return {
    sql,
    explain,
    params: parseParams(params),
    timeoutMs: timeout_ms as number | undefined,
    limit: limit as number | undefined,
    sinceNs: parseTime("since", since),
    untilNs: parseTime("until", until),
  };
}

function parseParams(params: unknown): QueryBody["params"] {
  if (params === undefined || params === null) return undefined;
  const values = typeof params === "object" ? Object.values(params) : [undefined];
  if (!values.every((value) => value === null || ["string", "number", "boolean"].includes(typeof value))) {
    throw wrongField(
      "params",
      "a list for $1, $2 … or an object for $name, of strings, numbers, booleans and nulls",
    );
  }
  return params as QueryBody["params"];
}

function parseTime(field: string, value: unknown): bigint | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw wrongField(field, "a time such as 2026-11-23T20:00:00Z, or 15m");
  return parseInstant(value, field, systemClock.nowNs());
}

function refuseUnknown(rest: Record<string, unknown>, known: readonly string[]): void {
  const [name] = Object.keys(rest);
  if (name !== undefined) throw unknownName("field", name, known);
}

function wrongField(name: string, expected: string): OpenWitError {
  return new OpenWitError("invalid_argument", `${name} must be ${expected}`);
}
