/**
 * The routes of a node over a real store in a temporary folder, without sockets: records come in as OTLP, some are
 * flushed to segments and some stay in memory, and requests are made with `app.request()`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { systemClock } from "../../core/env/clock.ts";
import { systemRandom } from "../../core/env/random.ts";
import { toOpenWitError } from "../../core/error.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import type { Signal } from "../../core/model/columns.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { levelOf } from "../../core/search/severity.ts";
import { askRoutes, errorResponse } from "../../edge/api/app.ts";
import { tailRoutes } from "../../edge/api/tail.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { defaultEngineOptions, duckDBEngine } from "../../edge/duckdb/engine.ts";
import { nodeIndexFiles } from "../../edge/index/files.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { PreparedStatements } from "../../core/query/prepared.ts";

export interface ApiFixture extends AsyncDisposable {
  readonly app: Hono;
  readonly store: Store;
  readonly stopping: AbortController;
  ingest(signal: Signal, body: unknown, tenant?: string): Promise<void>;
  /** The JSON of an answer, whatever its status. */
  // deno-lint-ignore no-explicit-any -- what a client gets
  get(path: string, headers?: Record<string, string>): Promise<any>;
  // deno-lint-ignore no-explicit-any -- as above
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<any>;
}

/** @param limits of the node, where they are not the usual ones */
export async function openApi(
  limits: { searchRowsMax?: number; searchBytesMax?: number } = {},
): Promise<ApiFixture> {
  const folder = mkdtempSync(join(tmpdir(), "openwit-api-"));
  const metrics = new Metrics();
  const stopping = new AbortController();
  const store = await openStore({
    disk: new NodeDisk(folder),
    clock: systemClock,
    random: systemRandom,
    log: () => {},
    encoder: inProcessEncoder(),
    indexes: new SidecarIndexes(nodeIndexFiles(folder), () => {}),
    metrics,
  }, defaultStoreOptions);
  const engine = duckDBEngine({ ...defaultEngineOptions, dataDir: folder });
  const host = {
    dataDir: folder,
    metrics,
    searchTimeoutMs: 30_000,
    searchRowsMax: 1_000_000,
    searchBytesMax: 256 * 1024 * 1024,
    sqlBytesMax: 1024 * 1024,
    ...limits,
    store: () => store,
    engine: () => engine,
    statements: new PreparedStatements(),
    stopping: stopping.signal,
  };
  const app = new Hono();
  app.onError((error) => errorResponse(toOpenWitError(error)));
  app.route("/", askRoutes(host));
  app.route("/", tailRoutes(host));
  return {
    app,
    store,
    stopping,
    async ingest(signal, body, tenant = "default") {
      const bytes = new TextEncoder().encode(JSON.stringify(body));
      const { rejected } = await store.ingest({
        tenant,
        signal,
        protocol: "otlp-http",
        encoding: "json",
        body: bytes,
        wire: bytes,
        compression: "identity",
      });
      if (rejected > 0) throw new Error(`${rejected} records were rejected`);
    },
    async get(path, headers = {}) {
      const response = await app.request(path, { headers });
      return { status: response.status, headers: response.headers, ...await response.json() };
    },
    async post(path, body, headers = {}) {
      const response = await app.request(path, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(body),
      });
      return { status: response.status, headers: response.headers, ...await response.json() };
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await engine.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface LogRecord {
  readonly timeNs: bigint;
  readonly body: string;
  readonly severity?: number;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  readonly traceId?: string;
  readonly spanId?: string;
}

/** A request of one resource. */
export function logsOf(resource: Record<string, string>, records: readonly LogRecord[]): unknown {
  return {
    resourceLogs: [{
      resource: { attributes: attributesOf(resource) },
      scopeLogs: [{
        logRecords: records.map(({ timeNs, body, severity = 9, attributes = {}, traceId, spanId }) => ({
          timeUnixNano: String(timeNs),
          severityNumber: severity,
          severityText: levelOf(severity).toUpperCase(),
          body: { stringValue: body },
          attributes: attributesOf(attributes),
          ...(traceId === undefined ? {} : { traceId, spanId }),
        })),
      }],
    }],
  };
}

export interface SpanRecord {
  readonly id: string;
  readonly parent?: string;
  readonly name: string;
  readonly startNs: bigint;
  readonly durationNs: bigint;
  readonly isError?: boolean;
}

export function spansOf(
  resource: Record<string, string>,
  traceId: string,
  spans: readonly SpanRecord[],
): unknown {
  return {
    resourceSpans: [{
      resource: { attributes: attributesOf(resource) },
      scopeSpans: [{
        spans: spans.map(({ id, parent, name, startNs, durationNs, isError }) => ({
          traceId,
          spanId: id,
          ...(parent === undefined ? {} : { parentSpanId: parent }),
          name,
          kind: 2,
          startTimeUnixNano: String(startNs),
          endTimeUnixNano: String(startNs + durationNs),
          status: isError === true ? { code: 2, message: `${name} failed` } : {},
          events: isError === true
            ? [{
              timeUnixNano: String(startNs + 1n),
              name: "exception",
              attributes: attributesOf({ type: "Bad" }),
            }]
            : [],
        })),
      }],
    }],
  };
}

function attributesOf(attributes: Readonly<Record<string, string | number | boolean>>): unknown[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "string"
      ? { stringValue: value }
      : typeof value === "boolean"
      ? { boolValue: value }
      : Number.isInteger(value)
      ? { intValue: String(value) }
      : { doubleValue: value },
  }));
}
