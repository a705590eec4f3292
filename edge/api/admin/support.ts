/** `GET /api/v1/admin/support-bundle`: what somebody who is to help needs to see, without any record (edge/support/). */
import { Hono } from "hono";
import type { Node } from "../../server/node.ts";
import { bundleName, bundleStream } from "../../support/bundle.ts";
import { serverBundle } from "../../support/server.ts";
import { readQuery } from "../parameters.ts";
import type { RouteDoc } from "../route.ts";
import { withoutTimeout } from "./archive.ts";

export const supportPath = "/api/v1/admin/support-bundle";

export const supportDocs: readonly RouteDoc[] = [{
  group: "admin",
  methods: ["GET"],
  path: supportPath,
  summary:
    "A support bundle: status, health, findings, configuration, metrics, log, and what the data folder is made " +
    "of. No record is in it, and secrets are hidden.",
  parameters: {},
  ofTenant: false,
  answers: { "application/gzip": { type: "string", format: "binary" } },
  headers: ["Content-Disposition"],
  refusals: [],
  answer: "(a tar.gz file)",
  notes:
    "Its `README.txt` says what each file is for. A node that is starting or failing has one too: what cannot be " +
    "gathered says why in its own file.",
  example: "curl -sOJ http://127.0.0.1:6318/api/v1/admin/support-bundle",
}];

export function supportRoutes(node: Node): Hono {
  const app = new Hono();
  app.get(supportPath, (context) => {
    readQuery(context, {});
    withoutTimeout(context); // a slow disk is a reason to ask for one
    const nowMs = Date.now();
    return new Response(bundleStream(serverBundle(node), nowMs), {
      headers: {
        "Content-Type": "application/gzip",
        "Cache-Control": "no-store",
        "Content-Disposition": `attachment; filename="${bundleName(nowMs)}.tar.gz"`,
      },
    });
  });
  return app;
}
