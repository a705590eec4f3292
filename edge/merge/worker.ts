/**
 * The thread in which segments of logs and spans are merged: an entry point of its own. It reads and writes the files
 * itself.
 */
import process from "node:process";
import { timeMerger } from "../../core/compact/time_merger.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { NodeDisk } from "../disk/disk.ts";
import { goBehindOthers } from "../server/thread-priority.ts";
import { collectGarbage } from "./garbage.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

// deno-lint-ignore no-explicit-any -- the global of a worker; the checker knows that of a window
const thread = globalThis as any;

let abort = new AbortController();
let dataDir = "";
let held: Int32Array | undefined;

thread.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "open") {
    ({ dataDir, held } = data);
    return;
  }
  if (data.kind === "go") return goBehindOthers(data.standing);
  if (data.kind === "abort") {
    return abort.abort(new OpenWitError("cancelled", "the merge is not wanted any more"));
  }
  abort = new AbortController();
  tellHeld();
  const telling = setInterval(tellHeld, tellEveryMs);
  let answer: FromWorker;
  try {
    const merger = timeMerger(new NodeDisk(dataDir), { collect: collectGarbage() });
    const { signal } = abort;
    if (data.kind === "merge") {
      await merger.merge({ ...data.request, abort: signal });
      answer = { kind: "done" };
    } else answer = { kind: "done", measure: await merger.measure({ ...data.request, abort: signal }) };
  } catch (thrown) {
    const { code, message, hint } = toOpenWitError(thrown);
    answer = { kind: "error", code, message, hint };
  }
  clearInterval(telling);
  Bun.gc(true); // the thread may be idle for long
  thread.postMessage(answer);
};

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
