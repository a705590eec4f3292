/**
 * The merger of the server: core/compact/time_merger.ts in a thread of its own, so that a merge stops no request. It
 * starts with the first merge, and ends when it was idle, for its heap goes with it.
 *
 * A merge that is aborted is over when the thread has closed its files: what it wrote can be removed then.
 */
import type { MergeMeasure, SegmentMerger } from "../../core/compact/merger.ts";
import { OpenWitError } from "../../core/error.ts";
import { canGo, type Standing } from "../server/thread-priority.ts";
import type { FromWorker, Question, ToWorker } from "./protocol.ts";

export interface WorkerMergerOptions {
  /** Absolute path of the data folder. */
  readonly dataDir: string;
  /** Waits for the memory of one merge, which tells what it has taken; call what it resolves with to give it back. */
  readonly takeMemory?: (
    bytes: number,
    signal: AbortSignal,
    takenBytes: () => number,
  ) => Promise<() => void>;
  /** Where the thread stands in the merge that begins. */
  readonly standing?: () => Standing;
}

export interface WorkerMerger extends SegmentMerger {
  /** Ends the thread; what is under way fails with `unavailable`. */
  close(): void;
}

/** The process grows by 85 MiB, and by 108 where bodies are of 64 KB (docs/decisions/018-collections.md). */
export const workerMergeBytes = 96 * 1024 * 1024;

const idleMs = 30_000;

interface MergeThread {
  readonly worker: Worker;
  /** What it says it has, in KiB. */
  readonly held: Int32Array;
  standing: Standing | undefined;
}

/** Merges run one after another. */
export function workerMerger(options: WorkerMergerOptions): WorkerMerger {
  const { dataDir, takeMemory, standing = () => "behind" } = options;
  let thread: MergeThread | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  let fail: ((reason: unknown) => void) | undefined;
  /** All that the thread has is its merge's, also what an earlier one has left in it. */
  const takenBytes = () => thread === undefined ? 0 : Atomics.load(thread.held, 0) * 1024;

  const open = (): MergeThread => {
    const held = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const worker = new Worker(new URL("./worker.ts", import.meta.url));
    worker.postMessage({ kind: "open", dataDir, held } satisfies ToWorker);
    return { worker, held, standing: undefined };
  };

  /** A thread that stands where it is to; where it stands too far back another takes its place. */
  const threadAt = (wanted: Standing): Worker => {
    if (thread?.standing !== undefined && !canGo(thread.standing, wanted)) stop();
    thread ??= open();
    if (thread.standing !== wanted) {
      thread.worker.postMessage({ kind: "go", standing: wanted } satisfies ToWorker);
      thread.standing = wanted;
    }
    return thread.worker;
  };

  const stop = () => {
    clearTimeout(idle);
    thread?.worker.terminate();
    thread = undefined;
  };

  const ask = async (question: Question, abort: AbortSignal): Promise<MergeMeasure | undefined> => {
    abort.throwIfAborted();
    const giveBack = await takeMemory?.(workerMergeBytes, abort, takenBytes);
    let isOver = false;
    const onAbort = () => thread?.worker.postMessage({ kind: "abort" } satisfies ToWorker);
    try {
      if (isClosed) throw closed();
      clearTimeout(idle);
      const worker = threadAt(standing());
      const { promise, resolve, reject } = Promise.withResolvers<FromWorker>();
      fail = reject;
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => resolve(data);
      worker.onerror = ({ message }) => reject(new OpenWitError("internal", `the merger died: ${message}`));
      abort.addEventListener("abort", onAbort, { once: true });
      worker.postMessage(question satisfies ToWorker);
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
      await inTurn(() => ask({ kind: "merge", request }, abort));
    },
    async measure({ abort, signal, inputs, severityAbove }) {
      const request = { signal, inputs, ...(severityAbove === undefined ? {} : { severityAbove }) };
      return (await inTurn(() => ask({ kind: "measure", request }, abort)))!;
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
