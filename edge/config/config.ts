/** The configuration of a node, composed from the values of its keys (settings.ts) and checked as a whole. */
import { OpenWitError } from "../../core/error.ts";
import type { BudgetOptions } from "../../core/budget/budget.ts";
import type { SeverityClass } from "../../core/compact/shed.ts";
import { systemTenant } from "../../core/tenant.ts";
import type { WalSync } from "../../core/wal/wal.ts";
import type { LogOptions } from "../log/log.ts";
import type { ConfigKeyName } from "./keys.ts";
import { isLoopback, type Listen } from "./parse.ts";
import type { ConfigValues, Share } from "./values.ts";

export interface Config {
  readonly dataDir: string;
  readonly http: Listen;
  readonly otlpHttp: Listen;
  readonly otlpGrpc: Listen;
  readonly insecure: boolean;
  readonly bodyBytesMax: number;
  readonly decodedBytesMax: number;
  readonly wal: { sync: WalSync; intervalMs: number; fileBytesMax: number; fileAgeMsMax: number };
  readonly budget: BudgetOptions;
  /** Log records of this severity and below go before whole hours do. */
  readonly evictFirst: SeverityClass | "none";
  readonly manifestBytesMax: number;
  readonly flushAgeMs: number;
  readonly flushBytes: number;
  readonly compactionEveryMs: number;
  readonly memoryBytesMax: number;
  readonly searchTimeoutMs: number;
  readonly searchRowsMax: number;
  readonly searchBytesMax: number;
  readonly sqlBytesMax: number;
  readonly searchConcurrency: number;
  readonly searchQueueMax: number;
  readonly searchTenantQueueMax: number;
  readonly searchThreads: number;
  readonly searchMemory: Share;
  readonly spillBytesMax: number;
  readonly logging: LogOptions;
  /** Between samples of the node's own metrics; 0: nothing of it is stored. */
  readonly selfIntervalMs: number;
  readonly metastore: MetastoreConfig;
  /** Time that a new configuration is on trial; 0 when none ever is. */
  readonly trialMs: number;
}

export interface MetastoreConfig {
  readonly kind: "none" | "pglite" | "postgres";
  /** May hold a password: never shown. */
  readonly url: string;
  readonly writeEveryMs: number;
  readonly retentionMs: number;
}

/** Below this limit PGlite stays closed: it takes about 100 MB while it is open, and twice that at its peaks. */
export const pgliteMemoryBytesMin = 1024 ** 3;

export function configOf(values: ConfigValues): Config {
  return {
    dataDir: values["storage.data_dir"],
    http: values["networking.http"],
    otlpHttp: values["networking.otlp_http"],
    otlpGrpc: values["networking.otlp_grpc"],
    insecure: values["networking.insecure"],
    bodyBytesMax: values["ingestion.body_max"],
    decodedBytesMax: values["ingestion.decoded_max"],
    wal: {
      sync: values["wal.sync"],
      intervalMs: values["wal.interval"],
      fileBytesMax: values["wal.file_size"],
      fileAgeMsMax: values["wal.file_age"],
    },
    budget: {
      budget: values["storage.budget"],
      whenFull: values["storage.when_full"],
      retentionMs: values["storage.retention"] || undefined,
      retentionMsOf: {
        logs: values["storage.retention_logs"] || undefined,
        spans: values["storage.retention_spans"] || undefined,
        metrics: values["storage.retention_metrics"] || undefined,
      },
      streamBytesMax: values["storage.stream_max"] || undefined,
      tenants: {
        [systemTenant]: {
          retentionMs: values["control_plane.self_retention"] || undefined,
          streamBytesMax: values["control_plane.self_max"],
        },
      },
    },
    evictFirst: values["storage.evict_first"],
    manifestBytesMax: values["storage.manifest_size"],
    flushAgeMs: values["processing.flush_age"],
    flushBytes: values["processing.flush_size"],
    compactionEveryMs: values["processing.compaction_interval"],
    memoryBytesMax: values["memory.limit"],
    searchTimeoutMs: values["search.timeout"],
    searchRowsMax: values["search.rows_max"],
    searchBytesMax: values["search.result_max"],
    sqlBytesMax: values["search.sql_max"],
    searchConcurrency: values["search.concurrency"],
    searchQueueMax: values["search.queue_max"],
    searchTenantQueueMax: values["search.queue_tenant_max"],
    searchThreads: values["search.threads"],
    searchMemory: values["search.memory_max"],
    spillBytesMax: values["search.spill_max"],
    logging: { level: values["logging.level"], format: values["logging.format"] },
    selfIntervalMs: values["control_plane.self_interval"],
    metastore: {
      kind: values["metastore.kind"],
      url: values["metastore.url"],
      writeEveryMs: values["metastore.write_interval"],
      retentionMs: values["metastore.retention"],
    },
    trialMs: values["control_plane.trial"],
  };
}

/** Says where a key was set: a flag, a variable, a file with its line. */
export type Where = (key: ConfigKeyName) => string;

/** What is wrong with keys taken together; each alone is well. */
export function configProblems(config: Config, where: Where): OpenWitError[] {
  return [
    ...metastoreProblems(config.metastore, where),
    ...exposureProblems(config, where),
    ...portProblems(config, where),
    ...evictionProblems(config, where),
  ];
}

function metastoreProblems({ kind, url }: MetastoreConfig, where: Where): OpenWitError[] {
  const isOfPostgres = /^postgres(ql)?:\/\//.test(url) && URL.canParse(url);
  if (kind === "postgres" ? isOfPostgres : url === "") return [];
  return [
    invalid(
      kind === "postgres"
        ? `${where("metastore.url")} is no URL of a PostgreSQL server`
        : `${where("metastore.url")} is set, and ${where("metastore.kind")} is ${kind}`,
      "metastore.kind postgres goes with a metastore.url such as postgres://user:password@host:5432/database",
    ),
  ];
}

type ListenKey = "networking.http" | "networking.otlp_http" | "networking.otlp_grpc";

function listenersOf(config: Config): [ListenKey, Listen][] {
  return [
    ["networking.http", config.http],
    ["networking.otlp_http", config.otlpHttp],
    ["networking.otlp_grpc", config.otlpGrpc],
  ];
}

/** Whoever opens a port to other machines must say so: there is no login yet, and no default password ever. */
function exposureProblems(config: Config, where: Where): OpenWitError[] {
  if (config.insecure) return [];
  return listenersOf(config).filter(([, { host }]) => !isLoopback(host)).map(([key, { host }]) =>
    invalid(
      `${where(key)} ${host} can be reached by other machines without a login`,
      "bind it to 127.0.0.1, or say --insecure if the network is yours alone",
    )
  );
}

function portProblems(config: Config, where: Where): OpenWitError[] {
  const listeners = listenersOf(config).filter(([, { port }]) => port !== 0);
  return listeners.flatMap(([key, { host, port }], index) =>
    listeners.slice(0, index).filter(([, other]) => other.port === port && mayMeet(other.host, host))
      .map(([other]) =>
        invalid(
          `${where(key)} and ${where(other)} are both port ${port}`,
          "give each listener a port of its own",
        )
      )
  );
}

function mayMeet(a: string, b: string): boolean {
  return a === b || [a, b].some((host) => host === "0.0.0.0" || host === "::" || host === "localhost");
}

function evictionProblems({ evictFirst, budget }: Config, where: Where): OpenWitError[] {
  if (evictFirst === "none" || budget.whenFull === "evict-oldest") return [];
  return [
    invalid(
      `${where("storage.evict_first")} is ${evictFirst}, but with ${
        where("storage.when_full")
      }: ${budget.whenFull} nothing is evicted`,
      "leave one of them out",
    ),
  ];
}

function invalid(message: string, hint: string): OpenWitError {
  return new OpenWitError("invalid_argument", message, { hint });
}
