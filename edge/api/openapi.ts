/**
 * `GET /api/v1/openapi.json`: every route of the HTTP port as an OpenAPI 3.1 document, made from the routes' own
 * descriptions. It promises what a client may rely on: each status, each media type, each member of an answer.
 *
 * https://spec.openapis.org/oas/v3.1.1
 */
import { Hono } from "hono";
import { type ErrorCode, errorMappings } from "../../core/error.ts";
import { tenantPatternText } from "../../core/tenant.ts";
import { version } from "../version.ts";
import { bodySchemaOf, type ParameterSpec, querySchemaOf, readQuery } from "./parameters.ts";
import { answerHeaders, everyRefusal, type Method, type RouteDoc, routeGroups } from "./route.ts";
import {
  anything,
  type JsonSchema,
  mapOf,
  objectOf,
  type SchemaValue,
  shared,
  sharedSchemas,
  text,
} from "./schema.ts";

const path = "/api/v1/openapi.json";

export const openApiDocs: readonly RouteDoc[] = [{
  group: "node",
  methods: ["GET"],
  path,
  summary: "This reference as an OpenAPI 3.1 document, for clients that are made by a generator.",
  parameters: {},
  ofTenant: false,
  answers: {
    "application/json": objectOf({
      openapi: text,
      info: mapOf(anything),
      servers: anything,
      tags: anything,
      paths: mapOf(anything),
      components: mapOf(anything),
    }),
  },
  refusals: [],
  answer: '{"openapi":"3.1.1","info":{"title":"OpenWit","version":"…"},"paths":{…},…}',
  example: "curl -s http://127.0.0.1:6318/api/v1/openapi.json",
}];

/** @param docs of every route; asked when the document is, for this route's own are among them */
export function openApiRoutes(docs: () => readonly RouteDoc[]): Hono {
  const app = new Hono();
  let document: unknown;
  app.get(path, (context) => {
    readQuery(context, {});
    return context.json(document ??= openApiDocument(docs()) as never);
  });
  return app;
}

export function openApiDocument(docs: readonly RouteDoc[]): JsonSchema {
  const paths = new Map<string, Record<string, JsonSchema>>();
  for (const doc of docs) {
    const operations = paths.get(doc.path) ?? {};
    for (const method of doc.methods) operations[method.toLowerCase()] = operationOf(doc, method);
    paths.set(doc.path, operations);
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "OpenWit",
      version,
      summary: "An observability database for logs, traces and metrics.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: Object.entries(routeGroups).map(([name, description]) => ({ name, description })),
    paths: Object.fromEntries(paths),
    components: { schemas: sharedSchemas },
  };
}

function operationOf(doc: RouteDoc, method: Method): JsonSchema {
  const inQuery = method === "GET" || doc.takes === "query";
  const query = inQuery ? Object.entries(doc.parameters) : [];
  const parameters = [
    ...Object.entries(doc.pathParameters ?? {}).map(([name, { doc, schema, example }]) => ({
      name,
      in: "path",
      required: true,
      description: doc,
      schema,
      example,
    })),
    ...query.map(([name, spec]) => ({
      name,
      in: "query",
      required: spec.isRequired ?? false,
      description: spec.doc,
      schema: querySchemaOf(spec),
      ...exampleOf(spec),
    })),
    ...(doc.ofTenant ? [tenantHeader] : []),
  ];
  const body = inQuery ? doc.body : doc.body ?? {
    type: "application/json",
    schema: bodySchemaOf(doc.parameters),
    doc: "The parameters, by name.",
    example: Object.fromEntries(
      Object.entries(doc.parameters).flatMap(([name, spec]) => {
        const { example } = exampleOf(spec);
        return example === undefined ? [] : [[name, example]];
      }),
    ),
  };
  return {
    operationId: operationId(method, doc.path),
    tags: [doc.group],
    summary: doc.summary,
    ...(doc.notes === undefined ? {} : { description: doc.notes }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(method === "GET" || body === undefined ? {} : {
      requestBody: {
        required: true,
        description: body.doc,
        content: {
          [body.type]: {
            schema: body.schema,
            ...(body.example === undefined ? {} : { example: body.example }),
          },
        },
      },
    }),
    responses: responsesOf(doc, method, body !== undefined),
  };
}

const tenantHeader: JsonSchema = {
  name: "X-Scope-OrgID",
  in: "header",
  required: false,
  description: "The tenant; `default` without one.",
  schema: { type: "string", pattern: `${tenantPatternText}|^$` },
};

/** A value that a request can be tried with. */
function exampleOf({ example, default: fallback, type }: ParameterSpec): { readonly example?: SchemaValue } {
  if (example !== undefined) return { example };
  if (fallback === undefined) return type === "time" ? { example: "6h" } : {};
  return { example: type === "number" ? Number(fallback) : fallback };
}

/** `GET /api/v1/traces/{id}` is `get_traces_id`. */
function operationId(method: Method, path: string): string {
  const words = path.replace(/^\/api\/(v1\/)?/, "").split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return [method.toLowerCase(), ...words].join("_");
}

function responsesOf(doc: RouteDoc, method: Method, hasBody: boolean): JsonSchema {
  const content = Object.fromEntries(
    Object.entries(doc.answers).map(([type, schema]) => [type, { schema }]),
  );
  const headers = Object.fromEntries(
    (doc.headers ?? []).map((name) => [name, { description: answerHeaders[name], schema: text }]),
  );
  const others = Object.entries(doc.otherStatuses ?? {}).map(([status, description]) => [
    status,
    { description, headers: Number(status) === 503 ? retryAfter : {}, content },
  ]);
  return {
    200: {
      description: "The answer.",
      ...(Object.keys(headers).length === 0 ? {} : { headers }),
      content,
    },
    ...refusalsOf(doc, method === "POST" && hasBody),
    ...Object.fromEntries(others),
  };
}

const retryAfter: JsonSchema = {
  "Retry-After": { description: "Seconds after which to try again.", schema: { type: "integer" } },
};

function refusalsOf(doc: RouteDoc, hasBody: boolean): JsonSchema {
  const codes = new Set<ErrorCode>([
    ...everyRefusal,
    ...doc.refusals,
    ...(hasBody ? bodyRefusals : []),
  ]);
  const byStatus = Map.groupBy(codes, (code) => errorMappings[code].http);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [status, {
      description: `Refused: ${codes.map((code) => `\`${code}\``).join(", ")}.`,
      ...(codes.some((code) => errorMappings[code].retryable) ? { headers: retryAfter } : {}),
      content: { "application/json": { schema: shared("Error") } },
    }]),
  );
}

const bodyRefusals: readonly ErrorCode[] = ["unsupported_media_type", "too_large"];
