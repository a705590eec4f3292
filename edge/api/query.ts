/**
 * SQL over HTTP.
 *
 * `POST /api/v1/query` takes `{sql, params, timeout_ms, limit, since, until}` and answers by `Accept`: JSON (the
 * default), `application/x-ndjson`, `text/csv` or `application/vnd.apache.arrow.stream`.
 * `POST /api/search` takes the original OpenWit's `{query, limit, client_id}` and answers JSON.
 *
 * A partial answer (rows cut off by a limit, segments that cannot be read) says so in `X-OpenWit-Partial` and, in
 * JSON, in `coverage`, `partial` and `warnings`.
 */
import { type Context, Hono } from "hono";
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError } from "../../core/error.ts";
import { parseTenant } from "../../core/tenant.ts";
import { parseInstant } from "../config/instant.ts";
import { nearestWord } from "../config/parse.ts";
import type { QueryHost } from "./host.ts";
import { answer, type ResultFormat, resultFormats } from "./result.ts";
import { startStatement } from "./statement.ts";

interface QueryBody {
  readonly sql: string;
  readonly params?: readonly QueryParameter[] | Readonly<Record<string, QueryParameter>>;
  readonly timeoutMs?: number;
  readonly limit?: number;
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
}

type QueryParameter = string | number | boolean | null;

/** Rows of a JSON answer, which a client holds whole, when its request names no limit. */
const defaultLimit = 10_000;

export function queryRoutes(host: QueryHost): Hono {
  const app = new Hono();
  app.post("/api/v1/query", async (context) => {
    const body = parseQueryBody(await jsonOf(context));
    const tenant = parseTenant(context.req.header("X-Scope-OrgID") ?? context.req.header("index-id"));
    return await respond(host, tenant, body, formatOf(context.req.header("Accept")), context.req.raw.signal);
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
  const statement = await startStatement(host, tenant, {
    sql: body.sql,
    params: body.params,
    timeoutMs: body.timeoutMs,
    limit: body.limit ?? (format === "json" ? defaultLimit : Infinity),
    window: { minNs: body.sinceNs, maxNs: body.untilNs === undefined ? undefined : body.untilNs - 1n },
    signal,
  });
  return await answer(statement, format, body.limit === undefined);
}

/** The best format that `Accept` names; JSON when it names none or anything. @throws OpenWitError `invalid_argument` */
function formatOf(accept: string | undefined): ResultFormat {
  if (accept === undefined || accept === "") return "json";
  for (const part of accept.split(",")) {
    const type = part.split(";")[0].trim().toLowerCase();
    if (type === "*/*" || type === "application/*") return "json";
    const format = (Object.keys(resultFormats) as ResultFormat[]).find((each) =>
      resultFormats[each].type === type
    );
    if (format !== undefined) return format;
  }
  throw new OpenWitError("invalid_argument", `no answer has the type ${accept.slice(0, 100)}`, {
    hint: `ask for one of ${Object.values(resultFormats).map(({ type }) => type).join(", ")}`,
  });
}

/** The JSON body of a request. A form of another site could send text/plain, so only JSON's own type is taken. */
async function jsonOf(context: Context): Promise<unknown> {
  const type = (context.req.header("Content-Type") ?? "").split(";")[0].trim().toLowerCase();
  if (type !== "application/json") {
    throw new OpenWitError(
      "unsupported_media_type",
      `the body is ${type || "of no type"}, expected application/json`,
      {
        hint: "set Content-Type: application/json",
      },
    );
  }
  try {
    return await context.req.json();
  } catch (cause) {
    throw new OpenWitError("invalid_argument", `the body is not JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function parseQueryBody(value: unknown, sqlField = "sql"): QueryBody {
  const { sql, params, timeout_ms, limit, since, until, ...rest } = asRecord(value);
  refuseUnknown(rest, ["sql", "params", "timeout_ms", "limit", "since", "until"]);
  if (typeof sql !== "string" || sql.trim() === "") throw wrongField(sqlField, "the text of one SELECT");
  for (const [name, number] of Object.entries({ timeout_ms, limit })) {
    if (number !== undefined && (!Number.isSafeInteger(number) || Number(number) < 1)) {
      throw wrongField(name, "a whole number from 1");
    }
  }
  return {
    sql,
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

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new OpenWitError("invalid_argument", "the body is not a JSON object", {
    hint: 'send {"sql": "SELECT …"}',
  });
}

function refuseUnknown(rest: Record<string, unknown>, known: readonly string[]): void {
  const [name] = Object.keys(rest);
  if (name === undefined) return;
  const near = nearestWord(name, known);
  throw new OpenWitError("invalid_argument", `the body has an unknown field ${JSON.stringify(name)}`, {
    hint: near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`,
  });
}

function wrongField(name: string, expected: string): OpenWitError {
  return new OpenWitError("invalid_argument", `${name} must be ${expected}`);
}
