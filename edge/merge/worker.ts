/**
 * The thread in which segments of logs and spans are merged: an entry point of its own. It reads and writes the files
 * itself.
 */
import { timeMerger } from "../../core/compact/time_merger.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { NodeDisk } from "../disk/disk.ts";
import { goBehindOthers } from "../server/thread-priority.ts";
import { collectGarbage } from "./garbage.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

// deno-lint-ignore no-explicit-any -- the global of a worker; the checker knows that of a window
const thread = globalThis as any;

goBehindOthers();

let abort = new AbortController();

thread.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "abort") {
    return abort.abort(new OpenWitError("cancelled", "the merge is not wanted any more"));
  }
  abort = new AbortController();
  let answer: FromWorker;
  try {
    const merger = timeMerger(new NodeDisk(data.dataDir), { collect: collectGarbage() });
    const { signal } = abort;
    if (data.kind === "merge") {
      await merger.merge({ ...data.request, abort: signal });
      answer = { kind: "done" };
    } else answer = { kind: "done", measure: await merger.measure({ ...data.request, abort: signal }) };
  } catch (thrown) {
    const { code, message, hint } = toOpenWitError(thrown);
    answer = { kind: "error", code, message, hint };
  }
  Bun.gc(true); // the thread may be idle for long
  thread.postMessage(answer);
};
