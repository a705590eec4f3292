/**
 * A data folder at rest, asked by this process: the store opened to read, with the server's own routes on top.
 * Nothing is written into the folder; what must be written goes to a private temporary one.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { Hono } from "hono";
import { systemClock } from "../../core/env/clock.ts";
import type { Log } from "../../core/env/log.ts";
import { systemRandom } from "../../core/env/random.ts";
import { toOpenWitError } from "../../core/error.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import { PreparedStatements } from "../../core/query/prepared.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStoreReadOnly } from "../../core/store/open.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { askRoutes, errorResponse } from "../api/app.ts";
import { exportRoutes } from "../api/admin/archive.ts";
import { NodeDisk } from "../disk/disk.ts";
import { defaultEngineOptions, duckDBEngine } from "../duckdb/engine.ts";
import { nodeIndexFiles } from "../index/files.ts";
import { inProcessEncoder } from "../parquet/in-process.ts";
import type { Target } from "./target.ts";

/** Statements of a person at a terminal may take their time. */
const timeoutMs = 600_000;

const sqlBytesMax = 1024 * 1024;

/** @throws OpenWitError when the folder cannot be read */
export async function openOffline(dataDir: string): Promise<Target> {
  const folder = resolve(dataDir);
  const scratch = await mkdtemp(join(tmpdir(), "openwit-"));
  const scratchDisk = new NodeDisk(scratch);
  const remove = () => rm(scratch, { recursive: true, force: true });
  try {
    const metrics = new Metrics();
    const log: Log = (level, message, fields) => {
      if (level !== "error") return;
      const { error } = fields as { error?: unknown };
      process.stderr.write(
        `openwit: ${message}${error === undefined ? "" : `: ${toOpenWitError(error).message}`}\n`,
      );
    };
    const store = await openStoreReadOnly(
      {
        disk: new NodeDisk(folder),
        clock: systemClock,
        random: systemRandom,
        log,
        encoder: inProcessEncoder(),
        indexes: new SidecarIndexes(nodeIndexFiles(folder), log),
        metrics,
      },
      defaultStoreOptions,
      { disk: scratchDisk, path: scratch },
    );
    const engine = duckDBEngine({
      ...defaultEngineOptions,
      dataDir: folder,
      spillDir: join(scratch, "query"),
      alsoRead: [scratch],
    });
    const app = new Hono();
    app.onError((error) => errorResponse(toOpenWitError(error)));
    app.route("/", exportRoutes({ store: () => store, scratch: { disk: scratchDisk, path: scratch } }));
    app.route(
      "/",
      askRoutes({
        dataDir: folder,
        metrics,
        searchTimeoutMs: timeoutMs,
        searchRowsMax: Number.MAX_SAFE_INTEGER,
        searchBytesMax: Number.MAX_SAFE_INTEGER,
        sqlBytesMax,
        store: () => store,
        engine: () => engine,
        statements: new PreparedStatements(),
      }),
    );
    return {
      name: folder,
      fetch: async (path, init) => await app.request(path, init),
      close: async () => {
        await engine.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
