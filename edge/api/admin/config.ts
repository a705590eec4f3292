/** What is configured: every key of the running server, and where its value came from. */
import { Hono } from "hono";
import { OpenWitError } from "../../../core/error.ts";
import { shownSettings } from "../../config/shown.ts";
import type { Node } from "../../server/node.ts";
import type { Reloader } from "../../server/reload.ts";
import type { TrialStatus } from "../../server/safe_mode.ts";
import { readQuery } from "../parameters.ts";
import { nodeRefusals, type RouteDoc } from "../route.ts";
import { instant, integer, type JsonSchema, listOf, objectOf, oneOfWords, text } from "../schema.ts";

const source: JsonSchema = objectOf(
  { kind: oneOfWords(["flag", "environment", "file", "overlay", "last_good", "default"]) },
  { name: text, path: text, line: integer },
);

/** Of `trialOf`. */
export const trialSchema: JsonSchema = objectOf(
  { state: oneOfWords(["off", "first", "good", "trial", "rolled_back"]) },
  { until: instant, reason: text },
);

export const configDocs: readonly RouteDoc[] = [{
  group: "admin",
  methods: ["GET"],
  path: "/api/v1/admin/config",
  summary: "Every key of the configuration in force, with where its value came from. Secrets are not shown.",
  parameters: {},
  ofTenant: false,
  answers: {
    "application/json": objectOf({
      settings: listOf(
        objectOf({ key: text, value: text, source, reload: oneOfWords(["live", "restart"]) }),
      ),
      restart_needed: listOf(text),
    }, { file: text, overlay: text, trial: trialSchema }),
  },
  refusals: [...nodeRefusals, "unsupported"],
  answer: '{"file":"/etc/openwit/openwit.yaml","settings":[{"key":"storage.budget","value":"10GB",' +
    '"source":{"kind":"file","path":"…","line":3},"reload":"live"},…],"restart_needed":[]}',
  notes:
    "`restart_needed` names keys whose value in the files is another one, which a restart would take. `trial` says how " +
    "the configuration stands: it is the `first` one, `good`, on `trial` `until` a time, or it was `rolled_back` for a " +
    "`reason`.",
  example: "curl -s http://127.0.0.1:6318/api/v1/admin/config",
}];

export function configRoutes(node: Node): Hono {
  const app = new Hono();
  app.get("/api/v1/admin/config", (context) => {
    readQuery(context, {});
    return context.json(configDocument(node));
  });
  return app;
}

/** How the configuration stands the trial; nothing of a node that no start has planned. */
export function trialOf({ configTrial }: Node): { trial?: TrialStatus } {
  return configTrial === undefined ? {} : { trial: configTrial };
}

/** @throws OpenWitError `unavailable` while the node starts, `unsupported` for a node that another program has composed */
export function configDocument(node: Node) {
  const { env: { paths }, running, restartNeeded } = reloaderOf(node);
  return {
    ...paths,
    settings: shownSettings(running.settings),
    restart_needed: restartNeeded,
    ...trialOf(node),
  };
}

/** @throws OpenWitError `unavailable` while the node starts, `unsupported` for a node that another program has composed */
export function reloaderOf(node: Node): Reloader {
  if (node.reloader !== undefined) return node.reloader;
  node.store(); // one that starts will have it
  throw new OpenWitError("unsupported", "this node was not configured by files, environment and flags");
}
