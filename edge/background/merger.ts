/** The merger of the server: core/compact/time_merger.ts in the background thread, so that a merge stops no request. */
import type { SegmentMerger } from "../../core/compact/merger.ts";
import type { Done, Job } from "./protocol.ts";
import type { BackgroundThread } from "./thread.ts";

/** Waits for the memory of one merge, which tells what it has taken; call what it resolves with to give it back. */
export type TakeMemory = (
  bytes: number,
  signal: AbortSignal,
  takenBytes: () => number,
) => Promise<() => void>;

/** The process grows by 85 to 98 MiB, and by 108 where bodies are of 64 KB (docs/decisions/018-collections.md, 022-fewer-calls.md). */
export const backgroundMergeBytes = 96 * 1024 * 1024;

/** Merges run one after another. */
export function backgroundMerger(thread: BackgroundThread, takeMemory?: TakeMemory): SegmentMerger {
  let last: Promise<unknown> = Promise.resolve();

  const run = async (job: Job, abort: AbortSignal): Promise<Done> => {
    abort.throwIfAborted();
    const giveBack = await takeMemory?.(backgroundMergeBytes, abort, () => thread.heldBytes);
    try {
      return await thread.run(job, { abort });
    } finally {
      giveBack?.();
    }
  };

  const inTurn = (job: Job, abort: AbortSignal): Promise<Done> => {
    const result = last.then(() => run(job, abort));
    last = result.catch(() => {}); // the caller gets the error; the next one runs all the same
    return result;
  };

  return {
    async merge({ abort, ...request }) {
      return (await inTurn({ kind: "merge", request }, abort)).merged!;
    },
    async measure({ abort, signal, inputs, severityAbove }) {
      const request = { signal, inputs, ...(severityAbove === undefined ? {} : { severityAbove }) };
      return (await inTurn({ kind: "measure", request }, abort)).measure!;
    },
  };
}
