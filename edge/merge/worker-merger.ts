/**
 * The merger of the server: core/compact/time_merger.ts in a thread of its own, so that a merge stops no request. It
 * starts with the first merge, and ends when it was idle, for its heap goes with it.
 *
 * A merge that is aborted is over when the thread has closed its files: what it wrote can be removed then.
 */
import type { MergeMeasure, SegmentMerger } from "../../core/compact/merger.ts";
import { OpenWitError } from "../../core/error.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

export interface WorkerMergerOptions {
  /** Absolute path of the data folder. */
  readonly dataDir: string;
  /** Waits for the memory of one merge; call what it resolves with to give it back. */
  readonly takeMemory?: (bytes: number, signal: AbortSignal) => Promise<() => void>;
}

export interface WorkerMerger extends SegmentMerger {
  /** Ends the thread; what is under way fails with `unavailable`. */
  close(): void;
}

/** What the process grows by at most (docs/decisions/004-compaction.md). */
export const workerMergeBytes = 128 * 1024 * 1024;

const idleMs = 30_000;

/** Merges run one after another. */
export function workerMerger({ dataDir, takeMemory }: WorkerMergerOptions): WorkerMerger {
  let worker: Worker | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  let fail: ((reason: unknown) => void) | undefined;

  const stop = () => {
    clearTimeout(idle);
    worker?.terminate();
    worker = undefined;
  };

  const ask = async (
    question: Exclude<ToWorker, { kind: "abort" }>,
    abort: AbortSignal,
  ): Promise<MergeMeasure | undefined> => {
    abort.throwIfAborted();
    const giveBack = await takeMemory?.(workerMergeBytes, abort);
    let isOver = false;
    const onAbort = () => worker?.postMessage({ kind: "abort" } satisfies ToWorker);
    try {
      if (isClosed) throw closed();
      clearTimeout(idle);
      const thread = worker ??= new Worker(new URL("./worker.ts", import.meta.url));
      const { promise, resolve, reject } = Promise.withResolvers<FromWorker>();
      fail = reject;
      thread.onmessage = ({ data }: MessageEvent<FromWorker>) => resolve(data);
      thread.onerror = ({ message }) => reject(new OpenWitError("internal", `the merger died: ${message}`));
      abort.addEventListener("abort", onAbort, { once: true });
      thread.postMessage(question);
      const answer = await promise;
      isOver = true;
      abort.throwIfAborted();
      if (answer.kind === "error") throw new OpenWitError(answer.code, answer.message, { hint: answer.hint });
      return answer.measure;
    } finally {
      fail = undefined;
      abort.removeEventListener("abort", onAbort);
      if (isOver && !isClosed) {
        idle = setTimeout(stop, idleMs);
        idle.unref?.();
      } else stop(); // what it was at is not known
      giveBack?.();
    }
  };

  const inTurn = <Result>(run: () => Promise<Result>): Promise<Result> => {
    const result = last.then(run);
    last = result.catch(() => {}); // the caller gets the error; the next one runs all the same
    return result;
  };

  return {
    async merge({ abort, ...request }) {
      await inTurn(() => ask({ kind: "merge", dataDir, request }, abort));
    },
    async measure({ abort, signal, inputs, severityAbove }) {
      const request = { signal, inputs, ...(severityAbove === undefined ? {} : { severityAbove }) };
      return (await inTurn(() => ask({ kind: "measure", dataDir, request }, abort)))!;
    },
    close() {
      isClosed = true;
      fail?.(closed());
      stop();
    },
  };
}

function closed(): OpenWitError {
  return new OpenWitError("unavailable", "the merger is closed", { hint: "the server is shutting down" });
}
