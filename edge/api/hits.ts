/** `GET|POST /api/v1/logs/hits`: how many log records matched, over time. */
import { type Context, Hono } from "hono";
import { OpenWitError } from "../../core/error.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import {
  bucketCount,
  bucketsMax,
  chooseStep,
  fillHits,
  hitsStatement,
  hitsWindow,
} from "../../core/search/hits.ts";
import type { QueryHost } from "./host.ts";
import {
  filterOf,
  filterParameters,
  type ParameterTable,
  readParameters,
  tenantOf,
  timeParameters,
} from "./parameters.ts";
import { formatOf, jsonAnswer } from "./result.ts";
import { type RouteDoc, statementRefusals } from "./route.ts";
import { boolean, covered, instant, integer, listOf, nullable, number, objectOf, text } from "./schema.ts";
import { Conversation } from "./statement.ts";

const parameterTable = {
  ...filterParameters,
  since: { ...timeParameters.since, default: "1h" },
  until: { ...timeParameters.until, default: "now" },
  step: {
    type: "duration",
    example: "5m",
    doc: "Width of a bucket; without it one that people can read is chosen.",
  },
  buckets: {
    type: "number",
    default: "60",
    least: 1,
    most: bucketsMax,
    doc: `Most buckets that a chosen step gives, up to ${bucketsMax}.`,
  },
  by: {
    type: "text",
    default: "severity",
    doc: "What each bucket is divided by: `severity`, a column, an attribute, or `none`.",
  },
  groups: {
    type: "number",
    default: "10",
    least: 1,
    most: 100,
    doc: "Values with a group of their own, the most frequent first.",
  },
} as const satisfies ParameterTable;

export const hitsDocs: readonly RouteDoc[] = [{
  group: "data",
  methods: ["GET", "POST"],
  path: "/api/v1/logs/hits",
  summary:
    "A histogram of the log records that match. Buckets begin at whole multiples of the step, and one " +
    "without a record is there with 0.",
  parameters: parameterTable,
  ofTenant: true,
  answers: {
    "application/json": covered({
      since: instant,
      until: instant,
      step_seconds: number,
      by: text,
      total: integer,
      times: listOf(instant),
      groups: listOf(objectOf({
        value: nullable(text),
        rest: boolean,
        total: integer,
        counts: listOf(integer),
      })),
      elapsed_ms: number,
    }),
  },
  headers: ["X-OpenWit-Partial"],
  refusals: statementRefusals,
  answer: '{"since":"…","until":"…","step_seconds":60,"by":"severity","total":5,"times":["…"],' +
    '"groups":[{"value":"error","rest":false,"total":5,"counts":[0,5]}],"elapsed_ms":2.5,"coverage":{…},"partial":false,"warnings":[]}',
  notes:
    "`counts` has one number for each of `times`. `value` is `null` for records without the field; the group " +
    "with `rest` is of all values beyond `groups`.",
  example: "curl -s 'http://127.0.0.1:6318/api/v1/logs/hits?query=timeout&since=6h&by=service'",
}];

export function hitsRoutes(host: QueryHost): Hono {
  const app = new Hono();
  app.on(["GET", "POST"], "/api/v1/logs/hits", async (context) => await hits(host, context));
  return app;
}

async function hits(host: QueryHost, context: Context): Promise<Response> {
  formatOf(context.req.header("Accept"), ["json"]);
  const parameters = await readParameters(context, parameterTable);
  const filter = filterOf(parameters);
  const sinceNs = parameters.timeNs("since")!;
  const untilNs = parameters.timeNs("until")!;
  const buckets = parameters.count("buckets", 1, bucketsMax);
  const groups = parameters.count("groups", 1, 100);
  if (sinceNs >= untilNs) {
    throw new OpenWitError(
      "invalid_argument",
      `since is ${isoTimestamp(sinceNs)}, which is not before until, ${isoTimestamp(untilNs)}`,
    );
  }
  const given = parameters.durationNs("step");
  const stepNs = given ?? chooseStep(untilNs - sinceNs, buckets);
  const count = bucketCount(sinceNs, untilNs, stepNs);
  if (given !== undefined && count > BigInt(bucketsMax)) {
    throw new OpenWitError(
      "invalid_argument",
      `a step of ${parameters.text("step")} makes ${count} buckets, and ${bucketsMax} are allowed`,
      { hint: "widen the step, or narrow the time range" },
    );
  }
  const by = parameters.text("by")!;
  const request = { filter, sinceNs, untilNs, stepNs, by: by === "none" ? undefined : by, groups };
  const conversation = new Conversation(host, tenantOf(context), context.req.raw.signal);
  const { rows, truncated } = await conversation.ask(hitsStatement(request), hitsWindow(request));
  const filled = fillHits(request, rows);
  return jsonAnswer(
    {
      since: isoTimestamp(sinceNs),
      until: isoTimestamp(untilNs),
      step_seconds: Number(stepNs) / 1e9,
      by,
      total: filled.total,
      times: filled.times,
      groups: filled.groups.map(({ value, isRest, total, counts }) => ({
        value,
        rest: isRest,
        total,
        counts,
      })),
      elapsed_ms: conversation.elapsedMs(),
    },
    conversation.coverage,
    truncated,
    truncated === undefined ? [] : [`${by} has too many values: counts of some are missing`],
  );
}
