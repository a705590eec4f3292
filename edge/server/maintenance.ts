/**
 * What a node does by itself besides taking, flushing and answering: the tasks of its janitor
 * (core/janitor/janitor.ts), composed from configuration.
 */
import process from "node:process";
import { MemoryShare } from "../../core/budget/memory-share.ts";
import { type CompactionReport, Compactor, defaultDutyCycle } from "../../core/compact/compact.ts";
import { orElse } from "../../core/compact/fallback.ts";
import { defaultCompactionPolicy } from "../../core/compact/plan.ts";
import { type SeverityClass, severityClasses } from "../../core/compact/shed.ts";
import { type IndexingReport, IndexUpkeep } from "../../core/index/upkeep.ts";
import { Janitor, type MaintenanceTask, type TaskRun } from "../../core/janitor/janitor.ts";
import type { Store } from "../../core/store/store.ts";
import { backgroundMerger } from "../background/merger.ts";
import { duckDBMerger } from "../duckdb/merge.ts";
import { allocatorTrim } from "../duckdb/trim.ts";
import type { NodeIndexing } from "./indexing.ts";
import { awaitCalm, makeMergeRoom } from "./merge-room.ts";

export interface MaintenanceOptions {
  readonly dataDir: string;
  /** Its backlog is told of the merges that are due. */
  readonly indexing: Pick<NodeIndexing, "thread" | "indexer" | "demand" | "backlog">;
  /** Of the whole node. */
  readonly memoryBytesMax: number;
  /** What merges take their memory from, as heavy statements do. */
  readonly shared: MemoryShare;
  readonly spillBytes: number;
  readonly settings: MaintenanceSettings;
  /** Bytes that may still be written, by budget and volume. */
  readonly roomBytes: () => number;
  /** Whether room is so short that something should go, measured anew. */
  readonly isShort: () => Promise<boolean>;
  /** Told of each run that did something or failed. */
  readonly onRun?: (run: TaskRun) => void;
  /** More tasks of the janitor. */
  readonly tasks?: readonly MaintenanceTask[];
}

/** What may be another one while a node runs. */
export interface MaintenanceSettings {
  readonly compactionEveryMs: number;
  /** Longest that a row waits for its flush: an hour is not closed before. */
  readonly flushAgeMs: number;
  /** Log records that go before whole hours do. */
  readonly evictFirst: SeverityClass | "none";
}

export interface Maintenance {
  readonly janitor: Janitor;
  configure(settings: MaintenanceSettings): void;
  /** Ends what runs, and begins nothing more. */
  stop(): Promise<void>;
  /** Has what may go before whole hours go now; whether there is any, as far as is known. */
  hurryShed(): boolean;
  /** Merges what is due, and what need not wait, as soon as nothing else runs. @throws OpenWitError */
  compact(): Promise<CompactionReport>;
  /** Indexes merged segments that lack an index, or every one anew. @throws OpenWitError */
  index(every: boolean): Promise<IndexingReport>;
  /** Runs work of another kind while no task runs, and tells of it as of one. @throws what it throws */
  exclusively<Result>(
    name: string,
    work: () => Promise<Result>,
    describe: (result: Result) => string,
  ): Promise<Result>;
}

/** Share of the memory limit that the engine of a merge may take: docs/decisions/004-compaction.md. */
const mergeShare = 0.25;

/** What the process grows by beyond the limit of a merge's engine (docs/decisions/004-compaction.md). */
const beyondEngineBytes = 100 * 1024 * 1024;

/** Below this DuckDB fails to sort what a merge takes, whatever it spills. */
const mergeBytesMin = 128 * 1024 * 1024;

/**
 * What merges and heavy statements take their memory from: as much as the larger of the two, so that a merge runs beside
 * small sorts alone, and a large one has its turn before or after.
 */
export function sharedMemory(memoryBytesMax: number, engineBytes: number, waitingMax: number): MemoryShare {
  return new MemoryShare(Math.max(engineBytes, mergeBytes(memoryBytesMax)), waitingMax);
}

function mergeBytes(memoryBytesMax: number): number {
  return Math.max(mergeBytesMin, Math.floor(memoryBytesMax * mergeShare));
}

/** Shorter waits are not told of. */
const waitedMsMin = 100;

/** Beyond the time that a row may wait for its flush. */
const closeGraceMs = 5 * 60_000;

/** A merge indexes what it gives; this finds what was left out. */
const indexEveryMs = 5 * 60_000;

/** Some ten seconds of one core: after an upgrade the indexes of a month may all be of an older format. */
const indexesRenewedMax = 24;

const sweepEveryMs = 15_000;

/** While there is room this is a comparison of numbers. */
const shedEveryMs = 5_000;

export function maintenanceOf(store: Store, options: MaintenanceOptions): Maintenance {
  const { dataDir, memoryBytesMax, spillBytes, roomBytes, isShort } = options;
  let { settings } = options;
  const memoryBytes = mergeBytes(memoryBytesMax);
  const trim = allocatorTrim();
  let waitedMs = 0;
  /** Whether what merges can wait: nobody asked for it, and it makes no room on the disk. */
  let isPatient = false;
  const { backlog, demand, thread } = options.indexing;
  const residentBytes = () => process.memoryUsage.rss();
  const calm = {
    clock: store.env.clock,
    residentBytes,
    isInTheWay: async () =>
      isPatient && backlog.standing === "far-behind" && demand.isAnySearched && !await isShort(),
  };
  /** @param beyondBytes what the process grows by that a merge does not count */
  const takeMemory =
    (beyondBytes: number) => async (bytes: number, signal: AbortSignal, takenBytes?: () => number) => {
      const askedMs = store.env.clock.monotonicMs();
      await awaitCalm(calm, memoryBytesMax, signal);
      const giveBack = await options.shared.take(bytes, signal, takenBytes);
      const { clock } = store.env;
      const relieve = () => {
        store.hurryFlush();
        Bun.gc(true);
        trim();
      };
      const env = { clock, residentBytes, relieve };
      try {
        await makeMergeRoom(env, memoryBytesMax, bytes + beyondBytes, signal);
      } catch (error) {
        giveBack();
        throw error;
      }
      waitedMs += store.env.clock.monotonicMs() - askedMs;
      return giveBack;
    };
  /** What a run did, and for how long it waited for statements to end. */
  const told = (report: CompactionReport) => {
    const did = describeCompaction(report);
    const waited = waitedMs < waitedMsMin ? "" : `waited ${Math.round(waitedMs)} ms for memory`;
    waitedMs = 0;
    return [did, waited].filter((text) => text !== "").join("; ");
  };
  const own = backgroundMerger(thread, takeMemory(0));
  const engine = duckDBMerger({
    dataDir,
    memoryBytes,
    spillBytes,
    takeMemory: takeMemory(beyondEngineBytes),
  });
  const compactor = new Compactor(store, orElse(store.env.disk, own, engine), {
    get policy() {
      return { ...defaultCompactionPolicy, closeAfterMs: settings.flushAgeMs + closeGraceMs };
    },
    dutyCycle: defaultDutyCycle,
    indexer: options.indexing.indexer,
    roomBytes,
    onPlan: (due) => backlog.segments = due,
  });
  const upkeep = new IndexUpkeep(store, options.indexing.indexer);
  const compaction = {
    name: "compaction",
    everyMs: settings.compactionEveryMs,
    async run(signal: AbortSignal) {
      isPatient = true;
      try {
        return told(await compactor.run(signal));
      } finally {
        isPatient = false;
      }
    },
  };
  const shed: MaintenanceTask = {
    name: "shed",
    everyMs: shedEveryMs,
    async run(signal) {
      const severityClass = settings.evictFirst;
      if (severityClass === "none") return "";
      const { segments, rows, bytes } = await compactor.shed(signal, severityClasses[severityClass], isShort);
      return segments === 0
        ? ""
        : `${rows} log records up to ${severityClass} evicted from ${segments} segments, ${bytes} bytes less`;
    },
  };
  const indexing = {
    name: "indexing",
    everyMs: indexEveryMs,
    run: async (signal: AbortSignal) =>
      describeIndexing(await upkeep.run(signal, { renewedMax: indexesRenewedMax })),
  };
  const indexingWanted = {
    name: "indexing-wanted",
    everyMs: indexEveryMs,
    run: async (signal: AbortSignal) => describeIndexing(await upkeep.runWanted(demand, signal)),
  };
  const sweep = {
    name: "sweep",
    everyMs: sweepEveryMs,
    async run() {
      const swept = await store.retired.sweep();
      return swept === 0 ? "" : `${swept} files of merged or evicted segments removed`;
    },
  };
  const janitor = new Janitor({ ...store.env, onRun: options.onRun }, [
    compaction,
    shed,
    indexing,
    sweep,
    ...options.tasks ?? [],
  ], [indexingWanted]);
  demand.onDemand = () => janitor.hurry(indexingWanted.name);
  return {
    janitor,
    stop: () => janitor.stop(),
    configure(changed) {
      settings = changed;
      janitor.reschedule(compaction.name, changed.compactionEveryMs);
    },
    hurryShed() {
      const { evictFirst } = settings;
      if (evictFirst === "none" || !compactor.mayShed(severityClasses[evictFirst])) return false;
      janitor.hurry(shed.name);
      return true;
    },
    async compact() {
      isPatient = false; // a run under way goes on as well
      let report: CompactionReport | undefined;
      await janitor.runNow(compaction.name, async (signal) => {
        report = await compactor.run(signal, { eager: true });
        return told(report);
      });
      return report!;
    },
    async index(every) {
      let report: IndexingReport | undefined;
      await janitor.runNow(indexing.name, async (signal) => {
        report = await upkeep.run(signal, { every });
        return describeIndexing(report);
      });
      return report!;
    },
    async exclusively<Result>(
      name: string,
      work: () => Promise<Result>,
      describe: (result: Result) => string,
    ) {
      let result: Result | undefined;
      await janitor.runOnce(name, async () => describe(result = await work()));
      return result!;
    },
  };
}

/** Empty when nothing was done. */
export function describeIndexing({ segments, rows, indexBytes, failed }: IndexingReport): string {
  return [
    ...segments === 0 ? [] : [`${segments} segments of ${rows} rows indexed in ${indexBytes} bytes`],
    ...failed.map(({ path, why }) => `${path} could not be indexed: ${why}`),
  ].join("; ");
}

/** Empty when nothing was done. */
export function describeCompaction(
  { merges, inputs, rows, bytesRead, bytesWritten, postponed }: CompactionReport,
): string {
  const did = merges === 0 ? [] : [
    `${inputs} segments became ${merges}, ${rows} rows, ${bytesRead} bytes became ${bytesWritten}`,
  ];
  return [...did, ...postponed].join("; ");
}
