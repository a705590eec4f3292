/** What is known of a node's components at one moment: gathered from its parts, judged by health.ts. */
import process from "node:process";
import type { DiskBudget } from "../../core/budget/budget.ts";
import type { MemoryCeiling } from "../../core/budget/memory.ts";
import { isTimeSynced } from "../../core/budget/wall-clock.ts";
import type { Janitor } from "../../core/janitor/janitor.ts";
import type { EngineLoad } from "../../core/query/engine.ts";
import type { Store } from "../../core/store/store.ts";

export type Phase = "starting" | "ready" | "draining" | "failed";

export const componentNames = [
  "wal",
  "store",
  "disk",
  "memory",
  "clock",
  "engine",
  "janitor",
  "catalog",
  "encoder",
  "indexer",
  "listeners",
  "config",
] as const;
export type ComponentName = (typeof componentNames)[number];

export interface WalFact {
  /** Why the last write was refused; absent once one went well. */
  readonly trouble?: { readonly message: string; readonly agoMs: number };
  /** How long the write under way has taken until now; 0 when there is none. */
  readonly writingMs: number;
  /** What an fsync takes of late. */
  readonly syncMs: number;
}

export interface CatalogFact {
  /** Why it is not written. */
  readonly error?: string;
}

/** Parts that are absent have not been opened yet. */
export interface NodeFacts {
  readonly phase: Phase;
  /** Why the phase is not ready. */
  readonly reason?: string;
  /** Why it takes no records although it could: it was drained. */
  readonly drained?: string;
  readonly wal?: WalFact;
  readonly store?: {
    readonly flushTroubles: readonly {
      readonly stream: string;
      readonly failures: number;
      readonly message: string;
    }[];
    /** How far it has brought back the rows of its last run, when they are not all back. */
    readonly recovery?: string;
    readonly damagedSegments: number;
    readonly oldestUnflushedMs: number;
    readonly flushAgeMs: number;
  };
  readonly disk?: {
    readonly refusal?: string;
    /** Nothing is evicted, and no room is left but what is kept free. */
    readonly isNearlyFull: boolean;
  };
  readonly memory: {
    readonly refusal?: string;
    readonly residentBytes: number;
    readonly limitBytes: number;
  };
  readonly isTimeSynced: boolean;
  readonly engine?: { readonly waiting: number; readonly waitingMax: number };
  readonly tasks: readonly {
    readonly name: string;
    /** Of its last run. */
    readonly error?: string;
    /** 0 while it does not run. */
    readonly runningMs: number;
  }[];
  readonly catalog?: CatalogFact;
  /** Of the last segment, when it failed for the thread's sake. */
  readonly encoderFailure?: string;
  readonly indexerFailure?: string;
  readonly listeners: { readonly open: number; readonly wanted: number };
  /** What a person should know of the configuration that runs. */
  readonly configTrouble?: string;
}

/** The parts of a node that facts are of; those that are not open yet are absent. */
export interface NodeParts {
  readonly phase: Phase;
  readonly reason: string | undefined;
  readonly drained: string | undefined;
  readonly recovery: string | undefined;
  readonly store: Store | undefined;
  readonly budget: DiskBudget | undefined;
  readonly memory: MemoryCeiling;
  readonly engineLoad: EngineLoad | undefined;
  readonly engineWaitingMax: number;
  readonly janitor: Janitor | undefined;
  readonly catalogError: string | undefined;
  readonly encoderFailure: string | undefined;
  readonly indexerFailure: string | undefined;
  readonly listeners: NodeFacts["listeners"];
  readonly configTrouble: string | undefined;
}

export function factsOf(parts: NodeParts): NodeFacts {
  const { store, budget, memory, engineLoad } = parts;
  return {
    phase: parts.phase,
    reason: parts.reason,
    drained: parts.drained,
    ...(store === undefined ? {} : { ...walFact(store), store: storeFact(store, parts.recovery) }),
    ...(budget === undefined ? {} : {
      disk: {
        refusal: budget.refusal,
        isNearlyFull: budget.options.whenFull === "refuse" && store !== undefined && budget.spareBytes === 0,
      },
    }),
    memory: {
      refusal: memory.refusal,
      residentBytes: process.memoryUsage.rss(),
      limitBytes: memory.limitBytes,
    },
    isTimeSynced: store === undefined ||
      isTimeSynced(store.env.clock.nowNs(), store.manifest.state.newestIngestNs),
    ...(engineLoad === undefined
      ? {}
      : { engine: { waiting: engineLoad.waiting, waitingMax: parts.engineWaitingMax } }),
    tasks: (parts.janitor?.tasks() ?? []).map(({ name, last, runningMs }) => ({
      name,
      error: last?.outcome === "failed" ? last.error?.message : undefined,
      runningMs,
    })),
    catalog: { error: parts.catalogError },
    encoderFailure: parts.encoderFailure,
    indexerFailure: parts.indexerFailure,
    listeners: parts.listeners,
    configTrouble: parts.configTrouble,
  };
}

/** Nothing while recovery has not come to the WAL. */
function walFact(store: Store): { wal?: WalFact } {
  const condition = store.walCondition();
  return condition === undefined ? {} : { wal: condition };
}

function storeFact(store: Store, recovery: string | undefined): NonNullable<NodeFacts["store"]> {
  return {
    recovery,
    flushTroubles: store.batches.troubles().map(({ tenant, signal, failures, error }) => ({
      stream: `${tenant}/${signal}`,
      failures,
      message: error.message,
    })),
    damagedSegments: store.damaged.size,
    oldestUnflushedMs: Math.max(...store.memtableStats().map(({ oldestAgeMs }) => oldestAgeMs)),
    flushAgeMs: store.options.flushAgeMs,
  };
}
