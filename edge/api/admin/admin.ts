/** Everything under /api/v1/admin: a file a concern, and here the list of them. */
import { Hono } from "hono";
import type { Node } from "../../server/node.ts";
import type { RouteDoc } from "../route.ts";
import { archiveDocs, exportRoutes, importRoutes } from "./archive.ts";
import { configDocs, configRoutes } from "./config.ts";
import { drainDocs, drainRoutes } from "./drain.ts";
import { flushDocs, flushRoutes } from "./flush.ts";
import { listingDocs, listingRoutes } from "./listing.ts";
import { reloadDocs, reloadRoutes } from "./reload.ts";
import { retentionDocs, retentionRoutes } from "./retention.ts";
import { supportDocs, supportRoutes } from "./support.ts";
import { taskDocs, taskRoutes } from "./tasks.ts";

export const adminDocs: readonly RouteDoc[] = [
  ...flushDocs,
  ...retentionDocs,
  ...taskDocs,
  ...listingDocs,
  ...drainDocs,
  ...configDocs,
  ...reloadDocs,
  ...archiveDocs,
  ...supportDocs,
];

export function adminRoutes(node: Node): Hono {
  const app = new Hono();
  for (
    const routes of [
      flushRoutes,
      retentionRoutes,
      taskRoutes,
      listingRoutes,
      drainRoutes,
      configRoutes,
      reloadRoutes,
      exportRoutes,
      importRoutes,
      supportRoutes,
    ]
  ) app.route("/", routes(node));
  return app;
}
