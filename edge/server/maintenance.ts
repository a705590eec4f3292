/**
 * What a node does by itself besides taking, flushing and answering: the tasks of its janitor
 * (core/janitor/janitor.ts), composed from configuration.
 */
import { type CompactionReport, Compactor, defaultDutyCycle } from "../../core/compact/compact.ts";
import { type CompactionPolicy, defaultCompactionPolicy } from "../../core/compact/plan.ts";
import { Janitor, type MaintenanceTask } from "../../core/janitor/janitor.ts";
import type { Store } from "../../core/store/store.ts";
import { duckDBMerger } from "../duckdb/merge.ts";

export interface MaintenanceOptions {
  readonly dataDir: string;
  /** Of the whole node. */
  readonly memoryBytesMax: number;
  readonly spillBytes: number;
  readonly compactionEveryMs: number;
  /** Longest that a row waits for its flush: an hour is not closed before. */
  readonly flushAgeMs: number;
  /** Bytes that may still be written, by budget and volume. */
  readonly roomBytes: () => number;
  /** More tasks of the janitor. */
  readonly tasks?: readonly MaintenanceTask[];
}

export interface Maintenance {
  readonly janitor: Janitor;
  /** Merges what is due, and what need not wait, as soon as nothing else runs. @throws OpenWitError */
  compact(): Promise<CompactionReport>;
  /** Runs work of another kind while no task runs, and tells of it as of one. @throws what it throws */
  exclusively<Result>(
    name: string,
    work: () => Promise<Result>,
    describe: (result: Result) => string,
  ): Promise<Result>;
}

/** Share of the memory limit that the engine of a merge may take: docs/decisions/004-compaction.md. */
const mergeShare = 0.25;

/** Below this DuckDB fails to sort what a merge takes, whatever it spills. */
const mergeBytesMin = 128 * 1024 * 1024;

/** Beyond the time that a row may wait for its flush. */
const closeGraceMs = 5 * 60_000;

const sweepEveryMs = 15_000;

export function maintenanceOf(store: Store, options: MaintenanceOptions): Maintenance {
  const { dataDir, memoryBytesMax, spillBytes, flushAgeMs, roomBytes } = options;
  const memoryBytes = Math.max(mergeBytesMin, Math.floor(memoryBytesMax * mergeShare));
  const policy: CompactionPolicy = {
    ...defaultCompactionPolicy,
    closeAfterMs: flushAgeMs + closeGraceMs,
  };
  const compactor = new Compactor(store, duckDBMerger({ dataDir, memoryBytes, spillBytes }), {
    policy,
    dutyCycle: defaultDutyCycle,
    roomBytes,
  });
  const compaction = {
    name: "compaction",
    everyMs: options.compactionEveryMs,
    run: async (signal: AbortSignal) => describeCompaction(await compactor.run(signal)),
  };
  const sweep = {
    name: "sweep",
    everyMs: sweepEveryMs,
    async run() {
      const swept = await store.retired.sweep();
      return swept === 0 ? "" : `${swept} files of merged or evicted segments removed`;
    },
  };
  const janitor = new Janitor(store.env, [compaction, sweep, ...options.tasks ?? []]);
  return {
    janitor,
    async compact() {
      let report: CompactionReport | undefined;
      await janitor.runNow(compaction.name, async (signal) => {
        report = await compactor.run(signal, { eager: true });
        return describeCompaction(report);
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
export function describeCompaction(
  { merges, inputs, rows, bytesRead, bytesWritten, postponed }: CompactionReport,
): string {
  const did = merges === 0 ? [] : [
    `${inputs} segments became ${merges}, ${rows} rows, ${bytesRead} bytes became ${bytesWritten}`,
  ];
  return [...did, ...postponed].join("; ");
}
