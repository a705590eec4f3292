/**
 * Everything that a person or a tool asks of a node over HTTP: one Hono app, tested with `app.request()`. What there is,
 * is told by the descriptions beside each route (reference.ts): docs/api.md and /api/v1/openapi.json are made of them.
 */
import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { errorMappings, OpenWitError, toOpenWitError } from "../../core/error.ts";
import type { Node } from "../server/node.ts";
import { adminRoutes } from "./admin/admin.ts";
import { importPath } from "./admin/archive.ts";
import { fieldsRoutes } from "./fields.ts";
import { healthRoutes } from "./health.ts";
import { hitsRoutes } from "./hits.ts";
import type { QueryHost } from "./host.ts";
import { methodTeller } from "./methods.ts";
import { openApiRoutes } from "./openapi.ts";
import { queryRoutes } from "./query.ts";
import { routeDocs } from "./reference.ts";
import { searchRoutes } from "./search.ts";
import { statusRoutes } from "./status.ts";
import { tailRoutes } from "./tail.ts";
import { traceRoutes } from "./trace.ts";

/** SQL is short; only an archive is not. */
const bodyBytesMax = 4 * 1024 * 1024;

export function apiApp(node: Node): Hono {
  const app = new Hono();
  const isShort = bodyLimit({ maxSize: bodyBytesMax, onError: () => errorResponse(tooLong()) });
  app.use((context, next) => context.req.path === importPath ? next() : isShort(context, next));
  app.use(withoutBodyOfHead);
  for (const routes of [askRoutes, tailRoutes, healthRoutes, statusRoutes, adminRoutes]) {
    app.route("/", routes(node));
  }
  app.route("/", openApiRoutes(() => routeDocs));
  const methodsOf = methodTeller(routeDocs);
  app.notFound(({ req: { method, path } }) => {
    const methods = methodsOf(path);
    return methods.length === 0 || methods.some((each) => each === method)
      ? errorResponse(nothingThere(method, path))
      : errorResponse(
        new OpenWitError("method_not_allowed", `${path} takes ${methods.join(" and ")}, not ${method}`),
        { Allow: methods.flatMap((each) => each === "GET" ? ["GET", "HEAD"] : [each]).join(", ") },
      );
  });
  app.onError((error) => errorResponse(toOpenWitError(error)));
  return app;
}

/**
 * Hono answers HEAD by the route of GET and drops the body, which nobody would read: a stream that is not told so would
 * hold what it reads from for good, a tail its place among the readers.
 */
const withoutBodyOfHead: MiddlewareHandler = async (context, next) => {
  await next();
  if (context.req.raw.method === "HEAD") await context.res.body?.cancel();
};

/** All that is asked of data, at work or at rest. */
export function askRoutes(host: QueryHost): Hono {
  const app = new Hono();
  for (const routes of [queryRoutes, searchRoutes, hitsRoutes, traceRoutes, fieldsRoutes]) {
    app.route("/", routes(host));
  }
  return app;
}

/** The documented form of every refusal: `{error: {code, message, hint, retryable, position}}`. */
export function errorResponse(error: OpenWitError, more: Readonly<Record<string, string>> = {}): Response {
  const headers = new Headers({ "Content-Type": "application/json", ...more });
  if (error.retryAfterMs !== undefined) {
    headers.set("Retry-After", String(Math.ceil(error.retryAfterMs / 1_000)));
  }
  return Response.json({ error }, {
    status: errorMappings[error.code].http as ContentfulStatusCode,
    headers,
  });
}

function tooLong(): OpenWitError {
  return new OpenWitError("too_large", `the body is larger than ${bodyBytesMax} bytes`);
}

function nothingThere(method: string, path: string): OpenWitError {
  return new OpenWitError("not_found", `there is nothing at ${method} ${path}`, {
    hint: "GET /api/v1/openapi.json says what there is; OTLP goes to the OTLP ports",
  });
}
