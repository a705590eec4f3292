/** Reads the configuration of a node from flags, environment and file, and checks all of it before anything opens. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { OpenWitError } from "../../core/error.ts";
import type { BudgetOptions } from "../../core/budget/budget.ts";
import type { SeverityClass } from "../../core/compact/shed.ts";
import type { WalSync } from "../../core/wal/wal.ts";
import type { LogOptions } from "../log/log.ts";
import { type ConfigKey, type ConfigKeyName, configKeys } from "./keys.ts";
import {
  isLoopback,
  type Listen,
  nearestWord,
  parseBoolean,
  parseDuration,
  parseInteger,
  parseListen,
  parseShare,
  parseSize,
} from "./parse.ts";

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
  readonly searchMemory: { readonly bytes: number } | { readonly percent: number };
  readonly spillBytesMax: number;
  readonly logging: LogOptions;
  readonly metastore: MetastoreConfig;
}

export interface MetastoreConfig {
  readonly kind: "none" | "pglite" | "postgres";
  /** May hold a password: never shown. */
  readonly url: string;
  readonly writeEveryMs: number;
  readonly retentionMs: number;
}

export interface ConfigInputs {
  /** By flag name, without dashes. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The YAML file's text, and its name for errors. */
  readonly file?: { readonly path: string; readonly text: string };
}

/** @throws OpenWitError `invalid_argument`, naming the flag, variable, or file and key at fault */
export async function loadConfig(inputs: ConfigInputs): Promise<Config> {
  const fromFile = inputs.file === undefined
    ? new Map<string, string>()
    : await readYaml(inputs.file, inputs.environment);
  checkEnvironment(inputs.environment);
  const read = <Value>(key: ConfigKeyName, parse: (text: string, name: string) => Value): Value => {
    const { flag, default: fallback } = configKeys[key] as ConfigKey;
    const flagged = flag === undefined ? undefined : inputs.flags[flag];
    if (flagged !== undefined) return parse(String(flagged), `--${flag}`);
    const variable = environmentName(key);
    const fromEnvironment = inputs.environment[variable];
    if (fromEnvironment !== undefined) return parse(fromEnvironment, variable);
    const text = fromFile.get(key);
    if (text !== undefined) return parse(text, `${inputs.file!.path}: ${key}`);
    return parse(fallback, key);
  };
  const config: Config = {
    dataDir: read("storage.data_dir", (text) => text),
    http: read("networking.http", parseListen),
    otlpHttp: read("networking.otlp_http", parseListen),
    otlpGrpc: read("networking.otlp_grpc", parseListen),
    insecure: read("networking.insecure", parseBoolean),
    bodyBytesMax: read("ingestion.body_max", parseSize),
    decodedBytesMax: read("ingestion.decoded_max", parseSize),
    wal: {
      sync: read("wal.sync", oneOf(configKeys["wal.sync"].type)),
      intervalMs: read("wal.interval", parseDuration),
      fileBytesMax: read("wal.file_size", parseSize),
      fileAgeMsMax: read("wal.file_age", parseDuration),
    },
    budget: {
      budget: read("storage.budget", parseShare),
      whenFull: read("storage.when_full", oneOf(configKeys["storage.when_full"].type)),
      retentionMs: read("storage.retention", parseDuration) || undefined,
      retentionMsOf: {
        logs: read("storage.retention_logs", parseDuration) || undefined,
        spans: read("storage.retention_spans", parseDuration) || undefined,
        metrics: read("storage.retention_metrics", parseDuration) || undefined,
      },
      streamBytesMax: read("storage.stream_max", parseSize) || undefined,
    },
    evictFirst: read("storage.evict_first", oneOf(configKeys["storage.evict_first"].type)),
    manifestBytesMax: read("storage.manifest_size", parseSize),
    flushAgeMs: read("processing.flush_age", parseDuration),
    flushBytes: read("processing.flush_size", parseSize),
    compactionEveryMs: read("processing.compaction_interval", parseDuration),
    memoryBytesMax: read("memory.limit", parseSize),
    searchTimeoutMs: read("search.timeout", parseDuration),
    searchRowsMax: read("search.rows_max", parseInteger),
    searchBytesMax: read("search.result_max", parseSize),
    sqlBytesMax: read("search.sql_max", parseSize),
    searchConcurrency: read("search.concurrency", atLeastOne),
    searchQueueMax: read("search.queue_max", parseInteger),
    searchTenantQueueMax: read("search.queue_tenant_max", parseInteger),
    searchThreads: read("search.threads", atLeastOne),
    searchMemory: read("search.memory_max", parseShare),
    spillBytesMax: read("search.spill_max", parseSize),
    logging: {
      level: read("logging.level", oneOf(configKeys["logging.level"].type)),
      format: read("logging.format", oneOf(configKeys["logging.format"].type)),
    },
    metastore: {
      kind: read("metastore.kind", oneOf(configKeys["metastore.kind"].type)),
      url: read("metastore.url", parseSecret),
      writeEveryMs: read("metastore.write_interval", parseDuration),
      retentionMs: read("metastore.retention", parseDuration),
    },
  };
  checkMetastore(config.metastore);
  checkExposure(config);
  checkEviction(config);
  return config;
}

/** `storage.data_dir` is `OPENWIT_STORAGE__DATA_DIR`. */
export function environmentName(key: string): string {
  return `OPENWIT_${key.toUpperCase().replaceAll(".", "__")}`;
}

function checkEnvironment(environment: ConfigInputs["environment"]): void {
  const known = Object.keys(configKeys).map(environmentName);
  for (const name of Object.keys(environment)) {
    // Every key has a level, so a name without "__" is none of ours: orchestrators set OPENWIT_PORT and the like.
    if (!/^OPENWIT_.*__/.test(name) || known.includes(name)) continue;
    throw unknownKey(`environment variable ${name}`, name, known);
  }
}

/** Leaves of the YAML document by dotted key, each checked to be known. */
async function readYaml(
  { path, text }: { path: string; text: string },
  environment: ConfigInputs["environment"],
): Promise<Map<string, string>> {
  const { parse } = await import("yaml");
  let document: unknown;
  try {
    document = parse(text);
  } catch (cause) {
    throw new OpenWitError("invalid_argument", `${path} is not valid YAML: ${(cause as Error).message}`, {
      cause,
    });
  }
  const leaves = new Map<string, string>();
  const walk = (value: unknown, key: string) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [name, inner] of Object.entries(value)) walk(inner, key === "" ? name : `${key}.${name}`);
      return;
    }
    if (key === "" && (value === null || value === undefined)) return;
    if (!(key in configKeys)) throw unknownKey(`${path}: key ${key}`, key, Object.keys(configKeys));
    if (value === null || Array.isArray(value)) {
      throw new OpenWitError("invalid_argument", `${path}: ${key} has no single value`, {
        hint: `its default is ${configKeys[key as ConfigKeyName].default}`,
      });
    }
    leaves.set(key, expand(String(value), environment, `${path}: ${key}`));
  };
  walk(document, "");
  return leaves;
}

/** `${VAR}` and `${VAR:-default}`. */
function expand(text: string, environment: ConfigInputs["environment"], name: string): string {
  return text.replaceAll(/\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g, (_, variable: string, fallback?: string) => {
    const value = environment[variable] ?? fallback;
    if (value === undefined) {
      throw new OpenWitError("invalid_argument", `${name}: variable ${variable} is not set`);
    }
    return value;
  });
}

function oneOf<const Words extends readonly string[]>(
  words: Words,
): (text: string, name: string) => Words[number] {
  return (text, name) => {
    if (words.includes(text)) return text;
    throw new OpenWitError(
      "invalid_argument",
      `${name} is ${JSON.stringify(text)}; expected ${words.join(", ")}`,
    );
  };
}

function atLeastOne(text: string, name: string): number {
  const number = parseInteger(text, name);
  if (number > 0) return number;
  throw new OpenWitError("invalid_argument", `${name} is ${JSON.stringify(text)}; expected at least 1`);
}

function unknownKey(what: string, key: string, known: readonly string[]): OpenWitError {
  const near = nearestWord(key, known);
  return new OpenWitError("invalid_argument", `${what} is unknown`, {
    hint: near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`,
  });
}

/** The text itself, or what stands in the file that a `file://` names. Errors do not repeat it. */
function parseSecret(text: string, name: string): string {
  if (!text.startsWith("file://")) return text;
  try {
    return readFileSync(fileURLToPath(text), "utf8").trim();
  } catch (cause) {
    throw new OpenWitError("invalid_argument", `${name} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function checkMetastore({ kind, url }: MetastoreConfig): void {
  const isOfPostgres = /^postgres(ql)?:\/\//.test(url) && URL.canParse(url);
  if (kind === "postgres" ? isOfPostgres : url === "") return;
  throw new OpenWitError(
    "invalid_argument",
    kind === "postgres"
      ? "metastore.url is no URL of a PostgreSQL server"
      : `metastore.url is set, and metastore.kind is ${kind}`,
    {
      hint:
        "metastore.kind postgres goes with a metastore.url such as postgres://user:password@host:5432/database",
    },
  );
}

/** Whoever opens a port to other machines must say so: there is no login yet, and no default password ever. */
function checkExposure(config: Config): void {
  if (config.insecure) return;
  for (
    const [flag, { host }] of Object.entries({
      "http": config.http,
      "otlp-http": config.otlpHttp,
      "otlp-grpc": config.otlpGrpc,
    })
  ) {
    if (!isLoopback(host)) {
      throw new OpenWitError(
        "invalid_argument",
        `--${flag} ${host} can be reached by other machines without a login`,
        {
          hint: "bind it to 127.0.0.1, or say --insecure if the network is yours alone",
        },
      );
    }
  }
}

function checkEviction({ evictFirst, budget }: Config): void {
  if (evictFirst === "none" || budget.whenFull === "evict-oldest") return;
  throw new OpenWitError(
    "invalid_argument",
    `storage.evict_first is ${evictFirst}, but with storage.when_full: ${budget.whenFull} nothing is evicted`,
    { hint: "leave one of them out" },
  );
}
