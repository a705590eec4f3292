/** What of a configuration the parts of a node are given, at the start and again when it changes. */
import type { StoreOptions } from "../../core/store/store.ts";
import type { EngineLimits } from "../../core/query/engine.ts";
import type { Config } from "../config/config.ts";
import { defaultEngineOptions } from "../duckdb/engine.ts";
import type { ReceiverLimits } from "../otlp/receiver.ts";
import { requestTimeoutMs } from "./listeners.ts";
import type { MaintenanceSettings } from "./maintenance.ts";

/** Share of the memory limit that memtables and requests may take; the rest is the encoder's and the engine's. */
const memtableShare = 0.35;

/** @param budgetBytes of the disk: on a small volume the WAL must leave room for segments */
export function storeOptionsOf(
  config: Config,
  memoryBytesMax: number,
  budgetBytes: number,
): Omit<StoreOptions, "streamsMax"> {
  return {
    wal: {
      ...config.wal,
      fileBytesMax: Math.floor(Math.min(config.wal.fileBytesMax, budgetBytes / 16)),
    },
    flushAgeMs: config.flushAgeMs,
    flushBytes: Math.min(config.flushBytes, memoryBytesMax * memtableShare / 3),
    memoryBytesMax: memoryBytesMax * memtableShare,
    manifestBytesMax: config.manifestBytesMax,
  };
}

export function engineLimitsOf(config: Config): EngineLimits {
  return {
    concurrency: Math.min(config.searchConcurrency, defaultEngineOptions.concurrency),
    waitingMax: config.searchQueueMax,
    tenantWaitingMax: config.searchTenantQueueMax,
  };
}

export function receiverLimitsOf(config: Config): ReceiverLimits {
  return {
    wireBytesMax: config.bodyBytesMax,
    bodyBytesMax: config.decodedBytesMax,
    bodyTimeoutMs: requestTimeoutMs,
  };
}

export function maintenanceSettingsOf(config: Config): MaintenanceSettings {
  return {
    compactionEveryMs: config.compactionEveryMs,
    flushAgeMs: config.flushAgeMs,
    evictFirst: config.evictFirst,
  };
}
