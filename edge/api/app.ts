/**
 * Everything that a person or a tool asks of a node over HTTP: one Hono app, tested with `app.request()`.
 *
 *   POST /api/v1/query    SQL                       GET /health   is the process alive
 *   POST /api/search      SQL, the original's form  GET /ready    would it take and answer now, or why not
 *   GET  /api/v1/tail     records as they arrive    GET /metrics  Prometheus text
 *   GET  /api/v1/status   how the node is           POST /api/v1/admin/flush, /api/v1/admin/compact,
 *                                                     /api/v1/admin/index
 *   GET  /api/v1/admin/export, POST /api/v1/admin/import   archives
 *   and what people ask without SQL: searches, histograms, traces, fields (askRoutes)
 */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { errorMappings, OpenWitError, toOpenWitError } from "../../core/error.ts";
import type { Node } from "../server/node.ts";
import { exportRoutes, importPath, importRoutes } from "./archive.ts";
import { fieldsRoutes } from "./fields.ts";
import { healthRoutes } from "./health.ts";
import { hitsRoutes } from "./hits.ts";
import type { QueryHost } from "./host.ts";
import { queryRoutes } from "./query.ts";
import { searchRoutes } from "./search.ts";
import { statusOf } from "./status.ts";
import { tailRoutes } from "./tail.ts";
import { traceRoutes } from "./trace.ts";

/** SQL is short; only an archive is not. */
const bodyBytesMax = 4 * 1024 * 1024;

function tooLong(): OpenWitError {
  return new OpenWitError("too_large", `the body is larger than ${bodyBytesMax} bytes`);
}

export function apiApp(node: Node): Hono {
  const app = new Hono();
  const isShort = bodyLimit({ maxSize: bodyBytesMax, onError: () => errorResponse(tooLong()) });
  app.use((context, next) => context.req.path === importPath ? next() : isShort(context, next));
  app.route("/", exportRoutes(node));
  app.route("/", importRoutes(node));
  app.route("/", askRoutes(node));
  app.route("/", tailRoutes(node));
  app.route("/", healthRoutes(node));
  app.get("/metrics", (context) => {
    context.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return context.body(node.metrics.render());
  });
  app.get("/api/v1/status", async (context) => context.json(await statusOf(node)));
  app.post("/api/v1/admin/flush", async (context) => {
    await node.store().flush();
    return context.json({ flushed: true });
  });
  app.post("/api/v1/admin/compact", async (context) => {
    const report = await node.maintenance().compact();
    return context.json({
      merges: report.merges,
      segments: report.inputs,
      rows: report.rows,
      bytes_read: report.bytesRead,
      bytes_written: report.bytesWritten,
      postponed: report.postponed,
    });
  });
  app.post("/api/v1/admin/index", async (context) => {
    const report = await node.maintenance().index(context.req.query("every") === "true");
    return context.json({
      segments: report.segments,
      rows: report.rows,
      segment_bytes: report.segmentBytes,
      index_bytes: report.indexBytes,
      failed: report.failed,
    });
  });
  app.notFound((context) =>
    errorResponse(
      new OpenWitError("not_found", `there is nothing at ${context.req.method} ${context.req.path}`, {
        hint: "POST /api/v1/query takes SQL; OTLP goes to the OTLP ports",
      }),
    )
  );
  app.onError((error) => errorResponse(toOpenWitError(error)));
  return app;
}

/** All that is asked of data, at work or at rest. */
export function askRoutes(host: QueryHost): Hono {
  const app = new Hono();
  for (const routes of [queryRoutes, searchRoutes, hitsRoutes, traceRoutes, fieldsRoutes]) {
    app.route("/", routes(host));
  }
  return app;
}

/** The documented form of every refusal: `{error: {code, message, hint, retryable, position}}`. */
export function errorResponse(error: OpenWitError): Response {
  const headers = new Headers({ "Content-Type": "application/json" });
  if (error.retryAfterMs !== undefined) {
    headers.set("Retry-After", String(Math.ceil(error.retryAfterMs / 1_000)));
  }
  return Response.json({ error }, {
    status: errorMappings[error.code].http as ContentfulStatusCode,
    headers,
  });
}
