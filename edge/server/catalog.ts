/**
 * The catalog of a node, from configuration: which database, when it stays closed, and what is told of it. Nothing of
 * it is loaded before it is wanted, and nothing waits for it but a query of the history itself.
 */
import { boundedDatabase, type CallLimits, defaultCallLimits } from "../../core/catalog/bounded.ts";
import { Catalog } from "../../core/catalog/catalog.ts";
import type { CatalogDatabase } from "../../core/catalog/database.ts";
import { CatalogProjector, defaultProjectorOptions } from "../../core/catalog/projector.ts";
import type { HistoryRow, HistoryTable } from "../../core/catalog/rows.ts";
import { OpenWitError } from "../../core/error.ts";
import type { TaskRun } from "../../core/janitor/janitor.ts";
import type { Store } from "../../core/store/store.ts";
import type { BatchListener } from "../../core/system/batches.ts";
import { systemTenant } from "../../core/tenant.ts";
import { type MetastoreConfig, pgliteMemoryBytesMin } from "../config/config.ts";

export interface CatalogOptions {
  readonly config: MetastoreConfig;
  readonly dataDir: string;
  /** Of the whole node. */
  readonly memoryBytesMax: number;
  readonly mayWrite: () => boolean;
}

/**
 * Rows of each table: a default box with one tenant stores some 26,000 batches in the 30 days of its history. To read as
 * many took 150 MB for a moment.
 */
const historyRowsMax = 30_000;

const connectionIdleMs = 10 * 60_000;

export class NodeCatalog {
  readonly #projector: CatalogProjector | undefined;
  readonly #closedFor: string | undefined;

  /** @param open a database for tests, in place of the configured one */
  constructor(store: Store, readonly options: CatalogOptions, open = databaseOf) {
    const { config, memoryBytesMax, mayWrite } = options;
    this.#closedFor = reasonToStayClosed(config, memoryBytesMax);
    store.env.metrics.gauge("openwit_catalog_pending", () => this.#projector?.status().pending ?? 0);
    if (this.#closedFor !== undefined) return;
    const { clock, log } = store.env;
    const database = boundedDatabase(lazyDatabase(() => open(options, store)), clock, limitsOf(config));
    const projector = new CatalogProjector(new Catalog(database, store.manifest.state.nodeId), store.env, {
      ...defaultProjectorOptions,
      writeEveryMs: config.writeEveryMs,
      retention: { ageMs: config.retentionMs, rowsMax: historyRowsMax },
      mayWrite,
    });
    log("info", "a catalog is kept", { kind: config.kind });
    store.batches.listener = withoutOwn(projector);
    projector.start(() => [...store.manifest.state.segments.values()].filter(isOfOthers));
    this.#projector = projector;
  }

  /** Takes the times of another configuration of the same database. */
  configure({ writeEveryMs, retentionMs }: MetastoreConfig): void {
    this.#projector?.configure({ writeEveryMs, retention: { ageMs: retentionMs, rowsMax: historyRowsMax } });
  }

  ran(run: TaskRun): void {
    this.#projector?.ran(run);
  }

  /** @throws OpenWitError `unsupported` when there is none; what the catalog says */
  async history(table: HistoryTable, tenant: string, signal: AbortSignal): Promise<readonly HistoryRow[]> {
    if (this.#projector !== undefined) return await this.#projector.read(table, tenant, signal);
    throw new OpenWitError("unsupported", `there is no system.${table}: ${this.#closedFor}`, {
      hint:
        "metastore.kind says where history is kept; system.batches, system.tasks and system.segments answer from " +
        "manifest and memory",
    });
  }

  status(): Record<string, unknown> {
    const { kind } = this.options.config;
    const status = this.#projector?.status();
    if (status === undefined) {
      return { kind, state: kind === "none" ? "off" : "closed", reason: this.#closedFor };
    }
    const { pending, dropped, written, error } = status;
    return {
      kind,
      state: error === undefined ? "written" : "failing",
      pending,
      dropped,
      written,
      error: error?.message,
    };
  }

  async stop(): Promise<void> {
    await this.#projector?.stop();
  }
}

/**
 * What a node says of itself is no history to keep: some 600 batches a day, which would push those of the records that
 * it was sent out of the rows that history may have.
 */
export function withoutOwn(listener: BatchListener): BatchListener {
  return {
    batch: (record) => isOfOthers(record) ? listener.batch(record) : undefined,
    added: (segments) => listener.added(segments.filter(isOfOthers)),
    retired(ids, successors) {
      const isOwnMerge = successors.length > 0 && !successors.some(isOfOthers);
      if (!isOwnMerge) listener.retired(ids, successors.filter(isOfOthers));
    },
  };
}

function isOfOthers({ tenant }: { readonly tenant: string }): boolean {
  return tenant !== systemTenant;
}

function reasonToStayClosed({ kind }: MetastoreConfig, memoryBytesMax: number): string | undefined {
  if (kind === "none") return "metastore.kind is none";
  if (kind === "pglite" && memoryBytesMax < pgliteMemoryBytesMin) {
    return `PGlite stays closed while memory.limit (here ${memoryBytesMax} bytes) is below 1GiB`;
  }
}

/**
 * After a crash PostgreSQL syncs every file and folder of its own before it recovers, 814 calls: 4 s where one takes 5 ms,
 * as on flash, and 54 s were measured on a disk with much else to do. Nothing waits for it but questions of history.
 */
const pgliteOpenMsMax = 10 * 60_000;

function limitsOf({ kind }: MetastoreConfig): CallLimits {
  return kind === "pglite" ? { ...defaultCallLimits, openMsMax: pgliteOpenMsMax } : defaultCallLimits;
}

async function databaseOf({ config, dataDir }: CatalogOptions, { env }: Store): Promise<CatalogDatabase> {
  if (config.kind === "postgres") {
    const { PostgresDatabase } = await import("../catalog/postgres.ts");
    return new PostgresDatabase({ url: config.url, idleMs: connectionIdleMs });
  }
  const { defaultIdleMs, PGliteDatabase } = await import("../catalog/pglite.ts");
  return new PGliteDatabase({ dataDir, log: env.log, idleMs: defaultIdleMs });
}

/** Not even its module is there before the first call. */
function lazyDatabase(open: () => Promise<CatalogDatabase>): CatalogDatabase {
  let opened: CatalogDatabase | undefined;
  const get = async () => opened ??= await open();
  return {
    run: async (statements) => await (await get()).run(statements),
    maintain: async () => await (await get()).maintain(),
    get isOpen() {
      return opened?.isOpen ?? false;
    },
    get timesRenewed() {
      return opened?.timesRenewed ?? 0;
    },
    close: async () => await opened?.close(),
  };
}
