/**
 * A data folder without a server, opened by this process to import into it: with the folder's lock, by the same
 * recovery as a server's start, and under the same budget.
 */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import process from "node:process";
import { Hono } from "hono";
import { DiskBudget } from "../../core/budget/budget.ts";
import { systemClock } from "../../core/env/clock.ts";
import { systemRandom } from "../../core/env/random.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { errorResponse } from "../api/app.ts";
import { importRoutes } from "../api/admin/archive.ts";
import type { Config } from "../config/config.ts";
import { NodeDisk } from "../disk/disk.ts";
import { lockDataFolder } from "../disk/lock.ts";
import { inProcessEncoder } from "../parquet/in-process.ts";
import { importerOf } from "../server/importer.ts";
import type { Target } from "./target.ts";

/** @throws OpenWitError `conflict` when a process has the folder; what opening it says */
export async function openOfflineImport(dataDir: string, config: Config): Promise<Target> {
  const folder = resolve(dataDir);
  await makeFolder(folder);
  const lock = lockDataFolder(folder);
  try {
    const env = {
      disk: new NodeDisk(folder),
      clock: systemClock,
      random: systemRandom,
      log: warn,
      encoder: inProcessEncoder(),
      metrics: new Metrics(),
    };
    const budget = await DiskBudget.open(env, config.budget);
    const store = await openStore(env, defaultStoreOptions);
    budget.attach(store);
    const importer = importerOf(store, {
      dataDir: folder,
      roomBytes: () => budget.spareBytes,
      exclusively: (work) => work(),
    });
    const app = new Hono();
    app.onError((error) => errorResponse(toOpenWitError(error)));
    app.route(
      "/",
      importRoutes({ importer: () => importer, budget, stopping: new AbortController().signal }),
    );
    return {
      name: folder,
      fetch: async (path, init) => await app.request(path, init),
      close: async () => {
        await store.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new OpenWitError("io", `cannot make the data folder ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Recovery tells a server's log of much; here only what went wrong is of interest. */
function warn(level: string, message: string, fields: Record<string, unknown> = {}): void {
  if (level !== "error" && level !== "warn") return;
  const { error } = fields;
  process.stderr.write(
    `openwit: ${message}${error === undefined ? "" : `: ${toOpenWitError(error).message}`}\n`,
  );
}
