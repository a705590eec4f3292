/**
 * Measures the box that it runs on, in a scratch folder on the volume of the data, and removes the folder whatever
 * happens. `npm run bench` is another thing: it measures OpenWit on a machine that developers know.
 */
import { existsSync } from "node:fs";
import { mkdir, rm, statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { folderUsage } from "../../core/system/usage.ts";
import { bytes } from "../cli/status.ts";
import type { Config } from "../config/config.ts";
import { NodeDisk } from "../disk/disk.ts";
import { controlGroupCores } from "../server/cpu.ts";
import { controlGroupBytes, memoryLimit } from "../server/memory.ts";
import { measureSync, measureWriting, type SyncTimes } from "./disk.ts";
import { type Acknowledgements, type Intake, measureAcknowledgements, measureIntake } from "./load.ts";
import { startPrivateNode } from "./private-node.ts";
import { measureQueries, type QueryTimes } from "./queries.ts";
import type { Configured, Measured } from "./recommend.ts";

export interface BenchOptions {
  readonly config: Config;
  /** Absolute; need not be there. */
  readonly dataDir: string;
  readonly isQuick: boolean;
  readonly abort: AbortSignal;
  /** Told what is measured now. */
  readonly onStep: (what: string) => void;
}

export interface BenchReport {
  readonly measured: Measured;
  readonly configured: Configured;
  readonly sync: SyncTimes;
  readonly acknowledgements: Acknowledgements;
  readonly intake: Intake;
  /** What the records take once they are in segments. */
  readonly storedBytes: number;
  readonly queries: readonly QueryTimes[];
  /** Of the server, after all that. */
  readonly residentBytes: number;
}

interface Extent {
  readonly syncMs: number;
  readonly stretchBytes: number;
  readonly ackMs: number;
  readonly intakeMs: number;
  readonly queriesMs: number;
  /** Written at the most, with the WAL, the segments and what a merge needs. */
  readonly roomBytes: number;
}

const mebibyte = 1024 ** 2;
const whole: Extent = {
  syncMs: 5_000,
  stretchBytes: 256 * mebibyte,
  ackMs: 5_000,
  intakeMs: 10_000,
  queriesMs: 10_000,
  roomBytes: 2_048 * mebibyte,
};
const quick: Extent = {
  syncMs: 1_000,
  stretchBytes: 64 * mebibyte,
  ackMs: 1_500,
  intakeMs: 2_500,
  queriesMs: 2_000,
  roomBytes: 768 * mebibyte,
};

/** @throws OpenWitError `disk_full` when there is not enough room; `cancelled` when it is stopped */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const { config, dataDir, abort, onStep } = options;
  const extent = options.isQuick ? quick : whole;
  const place = existingParent(dataDir);
  const volume = await statfs(place);
  const [freeBytes, totalBytes] = [volume.bavail * volume.bsize, volume.blocks * volume.bsize];
  if (freeBytes < extent.roomBytes) {
    throw new OpenWitError(
      "disk_full",
      `measuring needs ${bytes(extent.roomBytes)} for a moment, and ${
        bytes(freeBytes)
      } are free beside ${dataDir}`,
      { hint: options.isQuick ? "free some space" : "--quick needs less" },
    );
  }
  const folder = await makeScratch(place);
  try {
    onStep("fsync");
    const sync = await measureSync(folder, extent.syncMs, abort);
    onStep("writing at a stretch");
    const writeBytesPerSecond = await measureWriting(folder, extent.stretchBytes, abort);
    onStep("a server to measure with");
    const memoryBytes = memoryLimit(config.memoryBytesMax);
    const node = await startPrivateNode(folder, memoryBytes, abort);
    try {
      onStep("acknowledgements");
      const acknowledgements = await measureAcknowledgements(node.endpoints.otlp_grpc, extent.ackMs, abort);
      onStep("records");
      const intake = await measureIntake(node.endpoints.otlp_grpc, extent.intakeMs, abort);
      onStep("flush and merge");
      for (const work of ["flush", "compact"]) {
        await fetch(`${node.endpoints.http}/api/v1/admin/${work}`, { method: "POST", signal: abort });
      }
      const status = await (await fetch(`${node.endpoints.http}/api/v1/status`, { signal: abort })).json();
      onStep("questions");
      const queries = await measureQueries(node.endpoints.http, extent.queriesMs, abort);
      return {
        measured: {
          cores: Math.max(1, Math.ceil(Math.min(availableParallelism(), controlGroupCores()))),
          memoryBytes: Math.min(totalmem(), controlGroupBytes()),
          sync,
          writeBytesPerSecond,
          freeBytes,
          totalBytes,
          usedBytes: existsSync(dataDir) ? (await folderUsage(new NodeDisk(dataDir))).bytes : 0,
        },
        configured: configuredOf(config, totalBytes),
        sync,
        acknowledgements,
        intake,
        storedBytes: segmentBytesOf(status),
        queries,
        residentBytes: await node.residentBytes(),
      };
    } finally {
      await node.stop();
    }
  } catch (error) {
    if (abort.aborted) {
      throw new OpenWitError("cancelled", "stopped; nothing is left behind", { cause: error });
    }
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The folder, or the nearest above it that is there: on the same volume, for whoever makes one makes it there. */
function existingParent(path: string): string {
  for (let at = path;; at = dirname(at)) if (existsSync(at) || at === dirname(at)) return at;
}

/** Within tmp/ of a data folder, which a start clears when we are ended without a word. @throws OpenWitError `io` */
async function makeScratch(place: string): Promise<string> {
  const isDataFolder = existsSync(join(place, "manifest"));
  const folder = join(place, isDataFolder ? "tmp" : ".", `openwit-bench-${process.pid}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  } catch (cause) {
    throw new OpenWitError("io", `cannot make ${folder}: ${(cause as Error).message}`, {
      hint: "run it as the user of the server, or name another place with --data-dir",
      cause,
    });
  }
}

function configuredOf(config: Config, totalBytes: number): Configured {
  const { budget } = config.budget;
  return {
    walSync: config.wal.sync,
    walIntervalMs: config.wal.intervalMs,
    memoryBytes: config.memoryBytesMax,
    searchThreads: config.searchThreads,
    flushBytes: config.flushBytes,
    flushAgeMs: config.flushAgeMs,
    budgetBytes: "bytes" in budget ? budget.bytes : Math.floor(totalBytes * budget.percent / 100),
  };
}

// deno-lint-ignore no-explicit-any -- the document of /api/v1/status
function segmentBytesOf({ signals }: any): number {
  return Object.values(signals as Record<string, { segment_bytes: number }>)
    .reduce((sum, { segment_bytes }) => sum + segment_bytes, 0);
}
