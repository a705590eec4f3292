/**
 * OTLP/HTTP: POST /v1/logs, /v1/traces, /v1/metrics, protobuf or JSON, answered in the request's encoding.
 *
 * OTLP 1.11 "OTLP/HTTP": https://opentelemetry.io/docs/specs/otlp/#otlphttp. A refusal carries a
 * google.rpc.Status; 429 and 503 carry Retry-After; nothing else is retried by clients.
 *
 * Invariant: everything that the headers tell is checked before a byte of the body is kept.
 */
import { type Context, Hono } from "hono";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import type { BodyEncoding, IngestResult } from "../../core/ingest/request.ts";
import { readBody, tooLarge } from "../http/body.ts";
import { type Guard, httpGuard } from "../http/guard.ts";
import {
  exportResponse,
  exportResponseJson,
  refusalOf,
  retryAfterSeconds,
  statusJson,
  statusMessage,
} from "./answer.ts";
import { type Coding, codings, parseCoding } from "./decompress.ts";
import {
  drainingError,
  type Export,
  otlpExports,
  type Progress,
  receive,
  type ReceiverDeps,
  tenantOf,
} from "./receiver.ts";

/** @param guard checks Host and Origin; see edge/http/guard.ts. */
export function otlpHttp(deps: ReceiverDeps, guard: Guard): Hono {
  const app = new Hono();
  app.use(httpGuard(guard));
  for (const target of otlpExports) {
    app.post(target.path, (context) => handleExport(deps, target, context));
    app.all(target.path, (context) =>
      refuse(
        deps,
        target,
        context,
        new OpenWitError("method_not_allowed", `${context.req.method} is not served at ${target.path}`, {
          hint: "use POST",
        }),
        { allow: "POST" },
      ));
  }
  app.notFound((context) =>
    refuse(
      deps,
      undefined,
      context,
      new OpenWitError("not_found", `nothing is served at ${context.req.path}`, {
        hint: `the paths of OTLP are ${otlpExports.map((target) => target.path).join(", ")}`,
      }),
    )
  );
  app.onError((error, context) => refuse(deps, undefined, context, toOpenWitError(error)));
  return app;
}

async function handleExport(deps: ReceiverDeps, target: Export, context: Context): Promise<Response> {
  using reservation = deps.budget.open();
  const progress: Progress = { wireBytes: 0, bodyBytes: 0 };
  try {
    const headers = parseHeaders(deps, context);
    const announced = headers.announcedBytes ?? 0;
    reservation.grow(announced); // at once, so that what has begun also comes to its end
    let arrived = 0;
    const wire = await readBody(
      context.req.raw.body,
      { bytesMax: deps.limits.wireBytesMax, timeoutMs: deps.limits.bodyTimeoutMs },
      headers.announcedBytes,
      (bytes) => {
        arrived += bytes;
        if (arrived > reservation.bytes) reservation.grow(arrived - reservation.bytes);
      },
    );
    const result = await receive(
      deps,
      { ...headers, signal: target.signal, protocol: "otlp-http", wire },
      reservation,
      progress,
    );
    deps.onRequest({ protocol: "otlp-http", signal: target.signal, code: "ok", ...progress, ...result });
    return answer(result, headers.encoding, target);
  } catch (error) {
    const extra: Record<string, string> = {};
    const refusal = toOpenWitError(error);
    if (refusal.code === "unsupported_media_type") extra["accept-encoding"] = supportedCodings;
    return refuse(deps, target, context, refusal, extra, progress);
  }
}

const supportedCodings = codings.join(", ");

interface ParsedHeaders {
  readonly tenant: string;
  readonly encoding: BodyEncoding;
  readonly coding: Coding;
  readonly announcedBytes: number | undefined;
}

function parseHeaders(deps: ReceiverDeps, context: Context): ParsedHeaders {
  const header = (name: string) => context.req.header(name);
  if (deps.isDraining()) throw drainingError();
  deps.admit?.();
  const encoding = parseEncoding(header("content-type"));
  if (encoding === undefined) {
    const found = header("content-type");
    throw new OpenWitError(
      "unsupported_media_type",
      found === undefined
        ? "the request has no Content-Type"
        : `Content-Type ${quote(found)} is not supported`,
      { hint: "send application/x-protobuf or application/json" },
    );
  }
  const coding = parseCoding(header("content-encoding"));
  if (coding === undefined) {
    throw new OpenWitError(
      "unsupported_media_type",
      `Content-Encoding ${quote(header("content-encoding")!)} is not supported`,
      { hint: `send one of ${supportedCodings}` },
    );
  }
  const tenant = tenantOf(header("x-scope-orgid"), header("index-id"));
  const length = header("content-length");
  const announcedBytes = length === undefined ? undefined : Number(length);
  if (announcedBytes !== undefined && announcedBytes > deps.limits.wireBytesMax) {
    throw tooLarge(announcedBytes, deps.limits.wireBytesMax);
  }
  return { tenant, encoding, coding, announcedBytes };
}

function parseEncoding(contentType: string | undefined): BodyEncoding | undefined {
  switch (contentType?.split(";", 1)[0].trim().toLowerCase()) {
    case "application/x-protobuf":
      return "protobuf";
    case "application/json":
      return "json";
    default:
      return undefined;
  }
}

function answer(result: IngestResult, encoding: BodyEncoding, target: Export): Response {
  return encoding === "json"
    ? new Response(exportResponseJson(result, target.rejectedField), { headers: jsonHeaders })
    : new Response(exportResponse(result), { headers: protobufHeaders });
}

const protobufHeaders = { "content-type": "application/x-protobuf" };
const jsonHeaders = { "content-type": "application/json" };

function refuse(
  deps: ReceiverDeps,
  target: Export | undefined,
  context: Context,
  error: OpenWitError,
  extraHeaders: Readonly<Record<string, string>> = {},
  progress: Progress = { wireBytes: 0, bodyBytes: 0 },
): Response {
  deps.onRequest({
    protocol: "otlp-http",
    signal: target?.signal,
    code: error.code,
    ...progress,
    rows: 0,
    rejected: 0,
    duplicate: false,
  });
  if (error.code === "internal" || error.code === "corrupt") {
    deps.log("error", "an OTLP/HTTP request failed", { path: context.req.path, error: error.stack });
  }
  const refusal = refusalOf(error);
  const isProtobuf = parseEncoding(context.req.header("content-type")) === "protobuf";
  return new Response(isProtobuf ? statusMessage(refusal) : statusJson(refusal), {
    status: refusal.http,
    headers: {
      ...(isProtobuf ? protobufHeaders : jsonHeaders),
      ...(refusal.retryAfterMs === undefined
        ? {}
        : { "retry-after": retryAfterSeconds(refusal.retryAfterMs) }),
      // Bun reads on and drops the rest of a refused body, so the client gets to hear this; a body that
      // came too slowly is not waited for again.
      ...(error.code === "deadline_exceeded" ? { connection: "close" } : {}),
      ...extraHeaders,
    },
  });
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
