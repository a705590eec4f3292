/** `GET /api/v1/fields` and `/api/v1/fields/{name}/values`: what there is to ask for. */
import { type Context, Hono } from "hono";
import type { TimeRange } from "../../core/query/bounds.ts";
import { signals } from "../../core/model/columns.ts";
import { attributeColumns } from "../../core/search/field.ts";
import {
  attributeInfos,
  attributesStatement,
  columnInfos,
  columnsStatement,
  type FieldInfo,
  sortFields,
  valuesStatement,
} from "../../core/search/fields.ts";
import type { QueryHost } from "./host.ts";
import {
  filterOf,
  filterParameters,
  type Parameters,
  type ParameterTable,
  readParameters,
  tenantOf,
  timeParameters,
} from "./parameters.ts";
import { formatOf, jsonAnswer } from "./result.ts";
import { type RouteDoc, statementRefusals } from "./route.ts";
import { anything, boolean, covered, integer, listOf, number, objectOf, oneOfWords, text } from "./schema.ts";
import { parseSignal } from "./signal.ts";
import { Conversation } from "./statement.ts";

const shared = {
  signal: { type: "text", default: "logs", doc: "`logs`, `spans` (or `traces`) or `metrics`." },
  ...filterParameters,
  since: { ...timeParameters.since, default: "1h" },
  until: timeParameters.until,
} as const satisfies ParameterTable;

const fieldsTable = {
  ...shared,
  prefix: { type: "text", doc: "Only fields whose name begins so, in any case." },
} as const satisfies ParameterTable;

const valuesTable = {
  ...shared,
  prefix: { type: "text", doc: "Only values that begin so, in any case." },
  limit: { type: "number", default: "20", least: 1, most: 1_000, doc: "Most values, up to 1000." },
} as const satisfies ParameterTable;

export const fieldsDocs: readonly RouteDoc[] = [
  {
    group: "data",
    methods: ["GET", "POST"],
    path: "/api/v1/fields",
    summary:
      "Columns and attributes of the records of a signal, of which types, and how many records have each.",
    parameters: fieldsTable,
    ofTenant: true,
    answers: {
      "application/json": covered({
        signal: oneOfWords(signals),
        rows: integer,
        fields: listOf(objectOf({ name: text, kind: text, types: listOf(text), rows: integer })),
        elapsed_ms: number,
      }),
    },
    headers: ["X-OpenWit-Partial"],
    refusals: statementRefusals,
    answer:
      '{"signal":"logs","rows":120,"fields":[{"name":"attributes.http.route","kind":"attributes","types":["string"],"rows":80}],"elapsed_ms":5.1,"coverage":{…},"partial":false,"warnings":[]}',
    notes:
      "`name` is what a filter takes; without its first word (`http.route`) an attribute is looked for in the " +
      "record, then its resource, then its scope. A text that is empty does not count.",
    example: "curl -s 'http://127.0.0.1:6318/api/v1/fields?since=15m&prefix=attributes.http'",
  },
  {
    group: "data",
    methods: ["GET", "POST"],
    path: "/api/v1/fields/{name}/values",
    pathParameters: {
      name: { doc: "A column or an attribute, as a filter takes it.", schema: text, example: "service" },
    },
    summary: "Values of a field, the most frequent first, with how many records have each.",
    parameters: valuesTable,
    ofTenant: true,
    answers: {
      "application/json": covered({
        field: text,
        values: listOf(objectOf({ value: anything, rows: integer })),
        more: boolean,
        elapsed_ms: number,
      }),
    },
    headers: ["X-OpenWit-Partial"],
    refusals: [...statementRefusals, "not_found"],
    answer:
      '{"field":"http.route","values":[{"value":"/cart","rows":40}],"more":false,"elapsed_ms":4.2,"coverage":{…},"partial":false,"warnings":[]}',
    notes: "`more` says that there are other values beyond `limit`.",
    example: "curl -s 'http://127.0.0.1:6318/api/v1/fields/service/values?since=1d'",
  },
];

export function fieldsRoutes(host: QueryHost): Hono {
  const app = new Hono();
  app.on(["GET", "POST"], "/api/v1/fields", async (context) => await fields(host, context));
  app.on(
    ["GET", "POST"],
    "/api/v1/fields/:name{.+}/values",
    async (context) => await values(host, context, context.req.param("name")),
  );
  return app;
}

async function fields(host: QueryHost, context: Context): Promise<Response> {
  formatOf(context.req.header("Accept"), ["json"]);
  const parameters = await readParameters(context, fieldsTable);
  const signal = parseSignal(parameters.text("signal")!);
  const filter = filterOf(parameters);
  const window = windowOf(parameters);
  const conversation = new Conversation(host, tenantOf(context), context.req.raw.signal);
  const [row] = (await conversation.ask(columnsStatement(signal, filter), window)).rows;
  const found: FieldInfo[] = columnInfos(signal, row);
  const warnings: string[] = [];
  for (const column of attributeColumns) {
    const { rows, truncated } = await conversation.ask(attributesStatement(signal, column, filter), window);
    found.push(...attributeInfos(column, rows));
    if (truncated !== undefined) {
      warnings.push(`the ${column} of some records were not counted: there are too many kinds`);
    }
  }
  const prefix = (parameters.text("prefix") ?? "").toLowerCase();
  const named = found.filter(({ name, rows }) => rows > 0 && name.toLowerCase().startsWith(prefix));
  return jsonAnswer(
    {
      signal,
      rows: Number(row.records),
      fields: sortFields(named),
      elapsed_ms: conversation.elapsedMs(),
    },
    conversation.coverage,
    warnings.length === 0 ? undefined : "rows",
    warnings,
  );
}

async function values(host: QueryHost, context: Context, name: string): Promise<Response> {
  formatOf(context.req.header("Accept"), ["json"]);
  const parameters = await readParameters(context, valuesTable);
  const limit = parameters.count("limit", 1, 1_000);
  const statement = valuesStatement({
    signal: parseSignal(parameters.text("signal")!),
    name,
    filter: filterOf(parameters),
    prefix: parameters.text("prefix"),
    limit,
  });
  const window = windowOf(parameters);
  const conversation = new Conversation(host, tenantOf(context), context.req.raw.signal);
  const { rows, truncated } = await conversation.ask(statement, window);
  return jsonAnswer(
    {
      field: name,
      values: rows.slice(0, limit).map(({ value, records }) => ({ value, rows: Number(records) })),
      more: rows.length > limit || truncated !== undefined,
      elapsed_ms: conversation.elapsedMs(),
    },
    conversation.coverage,
  );
}

function windowOf(parameters: Parameters<typeof shared>): TimeRange {
  const untilNs = parameters.timeNs("until");
  return { minNs: parameters.timeNs("since"), maxNs: untilNs === undefined ? undefined : untilNs - 1n };
}
