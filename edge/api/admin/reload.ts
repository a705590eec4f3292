/** Reading the configuration anew, as SIGHUP and a changed file have it done too. */
import { Hono } from "hono";
import type { Node } from "../../server/node.ts";
import { type ParameterTable, readQuery } from "../parameters.ts";
import { nodeRefusals, type RouteDoc } from "../route.ts";
import { boolean, listOf, objectOf, oneOfWords, text } from "../schema.ts";
import { reloaderOf } from "./config.ts";

const reloadTable = {
  dry_run: { type: "boolean", default: "false", doc: "Whether to say only what would change." },
} as const satisfies ParameterTable;

export const reloadDocs: readonly RouteDoc[] = [{
  group: "admin",
  methods: ["POST"],
  path: "/api/v1/admin/reload",
  summary:
    "Reads the configuration anew and applies what can change while the server runs: all of it or, when anything is " +
    "wrong, nothing.",
  parameters: reloadTable,
  takes: "query",
  ofTenant: false,
  answers: {
    "application/json": objectOf({
      dry_run: boolean,
      changes: listOf(
        objectOf({ key: text, from: text, to: text, applied: oneOfWords(["live", "restart_needed"]) }),
      ),
      restart_needed: listOf(text),
    }),
  },
  refusals: [...nodeRefusals, "unsupported"],
  answer: '{"dry_run":false,"changes":[{"key":"storage.budget","from":"80%","to":"10GB","applied":"live"}],' +
    '"restart_needed":[]}',
  notes: "A configuration that is wrong is refused with 400, names the place, and changes nothing.",
  example: "curl -s -X POST 'http://127.0.0.1:6318/api/v1/admin/reload?dry_run=true'",
}];

export function reloadRoutes(node: Node): Hono {
  const app = new Hono();
  app.post("/api/v1/admin/reload", async (context) => {
    const parameters = readQuery(context, reloadTable);
    const reloader = reloaderOf(node);
    const { changes, isDryRun } = await reloader.reload("api", { isDryRun: parameters.isOn("dry_run") });
    return context.json({
      dry_run: isDryRun,
      changes,
      restart_needed: changes.filter(({ applied }) => applied === "restart_needed").map(({ key }) => key),
    });
  });
  return app;
}
