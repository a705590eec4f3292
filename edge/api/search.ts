/**
 * `GET|POST /api/v1/logs/search`, and the same of spans and metrics: the records that match, newest first, a page at
 * a time; of logs with what the same process logged around them where that is asked for.
 */
import { type Context, Hono } from "hono";
import { OpenWitError } from "../../core/error.ts";
import { columnsOf, type Signal, signals } from "../../core/model/columns.ts";
import type { TimeRange } from "../../core/query/bounds.ts";
import { csvLine, type Json } from "../../core/query/format.ts";
import type { BuiltStatement } from "../../core/search/bindings.ts";
import { contextStatements, rowsAfter, rowsBefore } from "../../core/search/context.ts";
import { type JsonRow, readPage } from "../../core/search/page.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import type { QueryHost } from "./host.ts";
import {
  filterOf,
  filterParameters,
  type ParameterTable,
  readParameters,
  tenantOf,
  timeParameters,
} from "./parameters.ts";
import { csvAnswer, formatOf, jsonAnswer, ndjsonAnswer } from "./result.ts";
import { type RouteDoc, statementRefusals } from "./route.ts";
import { covered, listOf, nullable, number, oneOfWords, row, text } from "./schema.ts";
import { Conversation } from "./statement.ts";

/** Records of a page. */
const limitMax = 10_000;

/** Rows of context at each side of a record. */
const contextMax = 100;

/** Records of a page with context: each takes two statements more. */
const withContextMax = 200;

const parameterTable = {
  ...filterParameters,
  ...timeParameters,
  order: { type: ["desc", "asc"], default: "desc", doc: "`desc` is newest first, `asc` oldest first." },
  limit: {
    type: "number",
    default: "100",
    least: 1,
    most: limitMax,
    doc: `Records of a page, up to ${limitMax}.`,
  },
  before: {
    type: "number",
    default: "0",
    most: contextMax,
    doc:
      `Of logs: rows of the same service and resource before each record, up to ${contextMax}, within an hour of it; with context a page has at most ${withContextMax} records.`,
  },
  after: { type: "number", default: "0", most: contextMax, doc: "The same after each record." },
  cursor: {
    type: "text",
    doc:
      "`next` of the page before, with the same other parameters; its time range is that of the first page.",
  },
} as const satisfies ParameterTable;

export const searchDocs: readonly RouteDoc[] = [{
  group: "data",
  methods: ["GET", "POST"],
  path: "/api/v1/{signal}/search",
  pathParameters: { signal: { doc: "Which records.", schema: oneOfWords(signals), example: "logs" } },
  summary:
    "Records of `logs`, `spans` or `metrics` that match, a page at a time. Nothing is lost or repeated " +
    "between pages, even where records share a nanosecond.",
  parameters: parameterTable,
  ofTenant: true,
  answers: {
    "application/json": covered({ records: listOf(row), next: nullable(text), elapsed_ms: number }),
    "application/x-ndjson": text,
    "text/csv": text,
  },
  headers: ["X-OpenWit-Partial", "X-OpenWit-Rows", "X-OpenWit-Next"],
  refusals: [...statementRefusals, "not_found"],
  answer: '{"records":[{…}],"next":"…","elapsed_ms":3.1,"coverage":{…},"partial":false,"warnings":[]}',
  notes:
    "A record has the columns of its [table](schema.md); a log with context also `before` and `after`, lists of " +
    "records, oldest first. `next` is `null` on the last page. `Accept: application/x-ndjson` gives a record a " +
    "line, `text/csv` a table without context; both name the next page in the header `X-OpenWit-Next`.",
  example: "curl -s 'http://127.0.0.1:6318/api/v1/logs/search?query=timeout&severity=warn&since=15m&limit=2'",
}];

export function searchRoutes(host: QueryHost): Hono {
  const app = new Hono();
  for (const signal of signals) {
    app.on(
      ["GET", "POST"],
      `/api/v1/${signal}/search`,
      async (context) => await search(host, context, signal),
    );
  }
  return app;
}

async function search(host: QueryHost, context: Context, signal: Signal): Promise<Response> {
  const parameters = await readParameters(context, parameterTable);
  const filter = filterOf(parameters);
  const order = parameters.choice("order", ["desc", "asc"]);
  const limit = parameters.count("limit", 1, limitMax);
  const before = parameters.count("before", 0, contextMax);
  const after = parameters.count("after", 0, contextMax);
  const hasContext = before + after > 0;
  const format = formatOf(context.req.header("Accept"), ["json", "ndjson", "csv"]);
  if (hasContext && signal !== "logs") {
    throw new OpenWitError("invalid_argument", `${signal} have no context`, { hint: "logs have" });
  }
  if (hasContext && limit > withContextMax) {
    throw new OpenWitError("invalid_argument", `limit is ${limit}; with context at most ${withContextMax}`);
  }
  if (hasContext && format === "csv") {
    throw new OpenWitError("invalid_argument", "CSV has no place for context", {
      hint: "ask for application/json or application/x-ndjson",
    });
  }
  const search = { signal, filter, order };
  const cursorText = parameters.text("cursor");
  const cursor = cursorText === undefined ? undefined : readCursor(cursorText, search);
  const sinceNs = cursor === undefined ? parameters.timeNs("since") : cursor.sinceNs;
  const untilNs = cursor === undefined ? parameters.timeNs("until") : cursor.untilNs;
  const window: TimeRange = { minNs: sinceNs, maxNs: untilNs === undefined ? undefined : untilNs - 1n };

  const conversation = new Conversation(host, tenantOf(context), context.req.raw.signal);
  const page = await readPage(
    { signal, filter, order, limit, after: cursor?.after },
    (statement) => conversation.ask(statement, window),
  );
  const records = hasContext ? await withContext(conversation, page.rows, before, after) : page.rows;
  const next = page.next === undefined ? null : writeCursor({ after: page.next, sinceNs, untilNs }, search);
  const { coverage } = conversation;
  const headers: Record<string, string> = next === null ? {} : { "X-OpenWit-Next": next };
  if (format === "ndjson") return ndjsonAnswer(records, coverage, headers);
  if (format === "csv") {
    const columns = columnsOf[signal].map(({ name }) => name);
    const lines = records.map((row) => csvLine(columns.map((name) => row[name])));
    return csvAnswer([csvLine(columns), ...lines], coverage, headers);
  }
  return jsonAnswer({ records, next, elapsed_ms: conversation.elapsedMs() }, coverage);
}

async function withContext(
  conversation: Conversation,
  hits: readonly JsonRow[],
  before: number,
  after: number,
): Promise<JsonRow[]> {
  const records: JsonRow[] = [];
  const ask = async (statement: BuiltStatement) => {
    const { rows, truncated } = await conversation.ask(statement);
    if (truncated === undefined) return rows;
    throw new OpenWitError("too_large", "the records with their context are larger than an answer may be", {
      hint: "ask for fewer records, or less context",
    });
  };
  for (const hit of hits) {
    const statements = contextStatements(hit, before, after);
    const around: { before?: Json; after?: Json } = {};
    if (before > 0) around.before = rowsBefore(await ask(statements.before));
    if (after > 0) around.after = rowsAfter(hit, await ask(statements.after), after);
    records.push({ ...hit, ...around } as JsonRow);
  }
  return records;
}
