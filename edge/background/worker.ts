/**
 * The thread in which segments are indexed, and those of logs and spans merged: an entry point of its own. It reads and
 * writes the files itself.
 *
 * What is urgent has the thread: the other jobs stand still, before their next column or row group, until it is done.
 */
import process from "node:process";
import { timeMerger } from "../../core/compact/time_merger.ts";
import { systemRandom } from "../../core/env/random.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import { NodeDisk } from "../disk/disk.ts";
import { collectGarbage } from "./garbage.ts";
import type { Done, FromWorker, Job, ToWorker } from "./protocol.ts";
import { goBehindOthers } from "./standing.ts";

// deno-lint-ignore no-explicit-any -- the global of a worker; the checker knows that of a window
const thread = globalThis as any;

const aborts = new Map<number, AbortController>();
let dataDir = "";
let held: Int32Array | undefined;
let telling: ReturnType<typeof setInterval> | undefined;
/** Urgent jobs under way, and who waits for their end. */
let urgent = 0;
const waiting: (() => void)[] = [];

thread.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  switch (data.kind) {
    case "open":
      ({ dataDir, held } = data);
      return;
    case "go":
      return goBehindOthers(data.standing);
    case "abort":
      return aborts.get(data.id)?.abort(new OpenWitError("cancelled", "the job is not wanted any more"));
    case "job":
      thread.postMessage(await answerOf(data.id, data.isUrgent, data.job));
  }
};

async function answerOf(id: number, isUrgent: boolean, job: Job): Promise<FromWorker> {
  const abort = new AbortController();
  aborts.set(id, abort);
  tellHeld();
  telling ??= setInterval(tellHeld, tellEveryMs);
  if (isUrgent) urgent++;
  try {
    return { kind: "done", id, result: await run(job, abort.signal, isUrgent ? undefined : ownTurn) };
  } catch (thrown) {
    const { code, message, hint } = toOpenWitError(thrown);
    return { kind: "error", id, code, message, hint };
  } finally {
    if (isUrgent && --urgent === 0) { for (const resolve of waiting.splice(0)) resolve(); }
    aborts.delete(id);
    if (aborts.size === 0) {
      clearInterval(telling);
      telling = undefined;
      collect(); // the thread may be idle for long
    }
  }
}

async function run(job: Job, abort: AbortSignal, turn: (() => Promise<void>) | undefined): Promise<Done> {
  const disk = new NodeDisk(dataDir);
  switch (job.kind) {
    case "index":
      return { bytes: await directIndexer(disk, systemRandom, { collect, turn }).build(job.segment, abort) };
    case "merge":
      return {
        merged: await timeMerger(disk, { random: systemRandom, collect: collectGarbage(), turn })
          .merge({ ...job.request, abort }),
      };
    case "measure":
      return { measure: await timeMerger(disk).measure({ ...job.request, abort }) };
  }
}

/** Resolves when nothing that is urgent is under way. */
async function ownTurn(): Promise<void> {
  while (urgent > 0) await new Promise<void>((resolve) => waiting.push(resolve));
}

/**
 * The collector learns late of what buffers take: an index of 200,000 log records took 97 MiB, and with a collection
 * after each row group 52, in the same time.
 */
function collect(): void {
  Bun.gc(true);
}

/** A row group takes some 100 ms, and memory rises and falls with each. */
const tellEveryMs = 50;

/**
 * What the process had more of than the heap says, at the least: the runtime of the thread, compiled code, compressors,
 * and what the allocator keeps (36 to 65 MiB over a merge, docs/decisions/004-compaction.md).
 */
const besideHeapBytes = 36 * 1024 * 1024;

function tellHeld(): void {
  const { heapUsed, external } = process.memoryUsage();
  Atomics.store(held!, 0, (besideHeapBytes + Math.max(heapUsed, external)) / 1024);
}
