/** The janitor's tasks: what is due when, what became of the last runs, and running one now. */
import { Hono } from "hono";
import type { TaskRun } from "../../../core/janitor/janitor.ts";
import { isoTimestamp } from "../../../core/model/row.ts";
import type { Node } from "../../server/node.ts";
import { type ParameterTable, readQuery } from "../parameters.ts";
import { nodeRefusals, type RouteDoc } from "../route.ts";
import {
  boolean,
  instant,
  type JsonSchema,
  listOf,
  nullable,
  number,
  objectOf,
  oneOfWords,
  text,
} from "../schema.ts";

export const runSchema: JsonSchema = objectOf({
  task: text,
  started: instant,
  duration_ms: number,
  outcome: oneOfWords(["done", "failed", "aborted"]),
  did: text,
  error: nullable(text),
});

const listTable = {
  limit: { type: "number", default: "100", least: 0, most: 1_000, doc: "Most runs, the newest first." },
} as const satisfies ParameterTable;

/** What any task may fail with. */
export const taskRefusals = [...nodeRefusals, "conflict", "corrupt", "overloaded", "cancelled"] as const;

export const taskDocs: readonly RouteDoc[] = [
  {
    group: "admin",
    methods: ["GET"],
    path: "/api/v1/admin/tasks",
    summary: "The tasks of maintenance, which is due when, and the last runs that did something or failed.",
    parameters: listTable,
    ofTenant: false,
    answers: {
      "application/json": objectOf({
        tasks: listOf(objectOf({
          task: text,
          every_seconds: number,
          due_in_seconds: number,
          running: boolean,
          last: nullable(runSchema),
        })),
        runs: listOf(runSchema),
      }),
    },
    refusals: nodeRefusals,
    answer:
      '{"tasks":[{"task":"compaction","every_seconds":60,"due_in_seconds":12.5,"running":false,"last":{…}}],' +
      '"runs":[{"task":"compaction","started":"…","duration_ms":310,"outcome":"done","did":"…","error":null}]}',
    example: "curl -s 'http://127.0.0.1:6318/api/v1/admin/tasks?limit=10'",
  },
  {
    group: "admin",
    methods: ["POST"],
    path: "/api/v1/admin/tasks/{task}",
    pathParameters: { task: { doc: "Name of the task.", schema: text, example: "sweep" } },
    summary: "Runs a task now, as soon as no other runs, and answers when it is done.",
    parameters: {},
    takes: "query",
    ofTenant: false,
    answers: { "application/json": runSchema },
    refusals: [...taskRefusals, "not_found"],
    answer: '{"task":"sweep","started":"…","duration_ms":2,"outcome":"done","did":"","error":null}',
    notes: "`did` is empty when there was nothing to do.",
    example: "curl -s -X POST http://127.0.0.1:6318/api/v1/admin/tasks/sweep",
  },
];

export function taskRoutes(node: Node): Hono {
  const app = new Hono();
  app.get("/api/v1/admin/tasks", (context) => {
    const limit = readQuery(context, listTable).count("limit", 0, 1_000);
    return context.json(tasksDocument(node, limit));
  });
  app.post("/api/v1/admin/tasks/:task", async (context) => {
    readQuery(context, {});
    return context.json(runJson(await node.maintenance().janitor.runNow(context.req.param("task"))));
  });
  return app;
}

/** @param runsMax the newest. @throws OpenWitError `unavailable` while the node is not ready */
export function tasksDocument(node: Node, runsMax: number) {
  const { janitor } = node.maintenance();
  return {
    tasks: janitor.tasks().map(({ name, everyMs, dueInMs, isRunning, last }) => ({
      task: name,
      every_seconds: everyMs / 1_000,
      due_in_seconds: Math.round(dueInMs) / 1_000,
      running: isRunning,
      last: last === undefined ? null : runJson(last),
    })),
    runs: janitor.runs().toReversed().slice(0, runsMax).map(runJson),
  };
}

export function runJson({ task, startedNs, durationMs, outcome, did, error }: TaskRun) {
  return {
    task,
    started: isoTimestamp(startedNs),
    duration_ms: Math.round(durationMs * 1_000) / 1_000,
    outcome,
    did,
    error: error?.message ?? null,
  };
}
