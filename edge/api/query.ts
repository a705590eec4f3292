/**
 * SQL over HTTP.
 *
 * `POST /api/v1/query` takes `{sql, params, timeout_ms, limit, since, until}` and answers by `Accept`: JSON (the
 * default), `application/x-ndjson`, `text/csv` or `application/vnd.apache.arrow.stream`.
 * `POST /api/search` takes the original OpenWit's `{query, limit, client_id}` and answers JSON.
 *
 * A partial answer (rows cut off by a limit, segments that cannot be read) says so in `X-OpenWit-Partial` and, in
 * JSON, in `partial` and `warnings`.
 */
import { type Context, Hono } from "hono";
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError } from "../../core/error.ts";
import { parseTenant } from "../../core/tenant.ts";
import type { Signal } from "../../core/model/columns.ts";
import { signals } from "../../core/model/columns.ts";
import { type QueryResult, runQuery } from "../../core/query/query.ts";
import type { QuerySources, TableSource } from "../../core/query/sources.ts";
import type { Store } from "../../core/store/store.ts";
import { systemTable } from "../../core/system/tables.ts";
import { nearestWord } from "../config/parse.ts";
import type { QueryHost } from "./host.ts";
import { answer, type ResultFormat, resultFormats } from "./result.ts";

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

/** Bytes of values of one answer. */
const answerBytesMax = 256 * 1024 * 1024;

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
  const started = systemClock.monotonicMs();
  const store = host.store();
  const finish = (outcome: string) => {
    host.metrics.add("openwit_queries_total", 1, { outcome });
    host.metrics.observe("openwit_query_seconds", (systemClock.monotonicMs() - started) / 1_000);
  };
  let result: QueryResult;
  try {
    result = await runQuery({
      sql: body.sql,
      params: body.params,
      timeoutMs: Math.min(body.timeoutMs ?? host.searchTimeoutMs, host.searchTimeoutMs),
      limit: Math.min(body.limit ?? (format === "json" ? defaultLimit : Infinity), host.searchRowsMax),
      bytesMax: answerBytesMax,
      window: { minNs: body.sinceNs, maxNs: body.untilNs === undefined ? undefined : body.untilNs - 1n },
      sources: () => pinSources(store, tenant),
      systemTables: (names) =>
        [...names].map((name) => systemTable(name, { store, taskRuns: host.taskRuns?.() ?? [] }, tenant)),
      signal,
    }, { engine: host.engine(), clock: systemClock });
  } catch (error) {
    finish(error instanceof OpenWitError ? error.code : "internal");
    throw error;
  }
  return await answer(result, format, damageOf(store, tenant), body.limit === undefined, finish);
}

/** What a tenant's statement sees, pinned in this one turn. */
function pinSources(store: Store, tenant: string): QuerySources {
  const pins = signals.map((signal) => ({ signal, ...store.pin(tenant, signal) }));
  const sources = pins.map(({ signal, segments, chunks }): [Signal, TableSource] => [
    signal,
    { signal, files: segments, chunks },
  ]);
  return {
    ...Object.fromEntries(sources) as Record<Signal, TableSource>,
    release: () => pins.forEach(({ release }) => release()),
  };
}

/** What is missing of a tenant's segments, in words. */
function damageOf(store: Store, tenant: string): string[] {
  return [...store.damaged].flatMap(([id, why]) =>
    store.manifest.state.segments.get(id)?.tenant === tenant
      ? [`a segment is missing from this answer: ${why}`]
      : []
  );
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
  const ms = typeof value === "string" ? Date.parse(value) : NaN;
  if (Number.isNaN(ms)) throw wrongField(field, "an ISO 8601 time such as 2026-11-23T20:00:00Z");
  return BigInt(ms) * 1_000_000n;
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
