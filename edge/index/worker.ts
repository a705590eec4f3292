/** The thread in which segments are indexed: an entry point of its own. It reads and writes the files itself. */
import { systemRandom } from "../../core/env/random.ts";
import { toOpenWitError } from "../../core/error.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import { NodeDisk } from "../disk/disk.ts";
import { goBehindOthers } from "../server/thread-priority.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

// deno-lint-ignore no-explicit-any -- the global of a worker; the checker knows that of a window
const thread = globalThis as any;

thread.onmessage = async ({ data: { dataDir, segment, standing } }: MessageEvent<ToWorker>) => {
  goBehindOthers(standing);
  let answer: FromWorker;
  try {
    const bytes = await directIndexer(new NodeDisk(dataDir), systemRandom, collect).build(segment);
    answer = { kind: "done", bytes };
  } catch (thrown) {
    const { code, message, hint } = toOpenWitError(thrown);
    answer = { kind: "error", code, message, hint };
  }
  collect(); // the thread may be idle for long
  thread.postMessage(answer);
};

/**
 * The collector learns late of what buffers take: an index of 200,000 log records took 97 MiB, and with a collection
 * after each row group 52, in the same time.
 */
function collect(): void {
  Bun.gc(true);
}
