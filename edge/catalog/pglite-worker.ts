/**
 * The thread in which PGlite runs: an entry point of its own. See pglite-protocol.ts for what it is told.
 *
 * PostgreSQL without its background processes: it checkpoints and vacuums only when it is told to, which this does.
 */
import { PGlite } from "@electric-sql/pglite";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CatalogStatement } from "../../core/catalog/database.ts";
import { historyTables } from "../../core/catalog/rows.ts";
import { catalogAssets } from "./assets.ts";
import { DurableFS } from "./durable-fs.ts";
import type { FromWorker, ToWorker } from "./pglite-protocol.ts";
import { startParameters } from "./pglite-settings.ts";
import { makeFolder } from "./template.ts";

// deno-lint-ignore no-explicit-any -- the global of a worker; the checker knows that of a window
const thread = globalThis as any;

/** Statements between checkpoints: what a restart has to replay, and the WAL that it keeps. */
const checkpointEveryRuns = 50;
const checkpointEveryMs = 5 * 60_000;

/** Lines of PostgreSQL's log that are told with a failure. */
const logLinesMax = 8;

let database: PGlite | undefined;
let runsSince = 0;
let checkpointedMs = performance.now();
const lastLog: string[] = [];

const actions: {
  readonly [Kind in ToWorker["kind"]]: (
    message: ToWorker & { kind: Kind },
  ) => Promise<(string | undefined)[]>;
} = {
  open: ({ folder }) => open(folder),
  run: ({ statements }) => run(statements),
  maintain,
  close,
};

thread.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  try {
    send({ kind: "done", values: await actions[data.kind](data as never) });
  } catch (thrown) {
    const { message, code } = thrown as { message: string; code?: string };
    const state = database !== undefined && /^[0-9A-Z]{5}$/.test(code ?? "") ? code : undefined;
    send({
      kind: "failed",
      message: [message, ...lastLog].join(" · "),
      ...(state === undefined ? {} : { state }),
    });
  }
};

async function open(folder: string): Promise<(string | undefined)[]> {
  const { wasm, data, template } = await catalogAssets();
  makeFolder(folder, template);
  // PGlite would take the folder for a new one, and run initdb.
  if (!existsSync(join(folder, "PG_VERSION"))) throw new Error(`there is no PG_VERSION in ${folder}`);
  const module = await WebAssembly.compile(wasm());
  database = await PGlite.create({
    fs: new DurableFS(folder, fail),
    pgliteWasmModule: module,
    fsBundle: new Blob([data()]),
    startParams: startParameters,
    onStderr: (line) => {
      lastLog.push(line);
      if (lastLog.length > logLinesMax) lastLog.shift();
      // It ends itself now, and PGlite would go on calling into what is left of it.
      if (/\bPANIC:/.test(line)) fail(new Error(line));
      return false;
    },
  });
  Bun.gc(true); // the module's bytes and the data's
  return [];
}

async function run(statements: readonly CatalogStatement[]): Promise<(string | undefined)[]> {
  lastLog.length = 0;
  const values = await database!.transaction(async (transaction) => {
    const values: (string | undefined)[] = [];
    for (const { sql, params } of statements) {
      const { rows } = await transaction.query<unknown[]>(sql, [...params ?? []], { rowMode: "array" });
      values.push(rows[0]?.[0] === undefined || rows[0][0] === null ? undefined : String(rows[0][0]));
    }
    return values;
  });
  if (++runsSince >= checkpointEveryRuns || performance.now() - checkpointedMs >= checkpointEveryMs) {
    await checkpoint();
    Bun.gc(true); // what went over the wire is garbage of the WebAssembly boundary, of which the collector learns late
  }
  return values;
}

async function maintain(): Promise<(string | undefined)[]> {
  for (const table of historyTables) await database!.exec(`VACUUM (ANALYZE) openwit.${table}`);
  await checkpoint();
  return [];
}

async function close(): Promise<(string | undefined)[]> {
  if (database !== undefined) {
    await checkpoint();
    await database.close();
  }
  return [];
}

async function checkpoint(): Promise<void> {
  await database!.exec("CHECKPOINT");
  runsSince = 0;
  checkpointedMs = performance.now();
}

/** Told at once: after this the thread may never come to say anything. */
function fail(error: Error): void {
  send({ kind: "failed", message: [error.message, ...lastLog].join(" · ") });
}

function send(message: FromWorker): void {
  thread.postMessage(message);
}
