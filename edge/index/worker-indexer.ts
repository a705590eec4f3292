/**
 * The indexer of the server: a thread of its own, so that building an index stops no request. It starts with the
 * first segment, and ends when it was idle, for its heap goes with it, and when a build is aborted or fails.
 */
import { OpenWitError } from "../../core/error.ts";
import type { IndexSource } from "../../core/index/build.ts";
import type { SegmentIndexer } from "../../core/index/indexer.ts";
import { canGo, type Standing } from "../server/thread-priority.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

export interface WorkerIndexer extends SegmentIndexer {
  /** Why the last build failed; `undefined` once one did not. */
  readonly failure: string | undefined;
  /** Ends the thread; a build under way fails with `unavailable`. */
  close(): void;
}

const idleMs = 30_000;

/**
 * Segments are indexed one after another.
 * @param dataDir absolute
 * @param standing where the thread stands in the build that begins
 */
export function workerIndexer(dataDir: string, standing: () => Standing): WorkerIndexer {
  let worker: Worker | undefined;
  let stands: Standing | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  let failure: string | undefined;
  let fail: ((reason: unknown) => void) | undefined;

  const stop = () => {
    clearTimeout(idle);
    worker?.terminate();
    worker = undefined;
    stands = undefined;
  };

  const build = async (segment: IndexSource, abort?: AbortSignal): Promise<number> => {
    abort?.throwIfAborted();
    if (isClosed) throw closed();
    clearTimeout(idle);
    const wanted = standing();
    if (stands !== undefined && !canGo(stands, wanted)) stop(); // another takes its place
    stands = wanted;
    const thread = worker ??= new Worker(new URL("./worker.ts", import.meta.url));
    const { promise, resolve, reject } = Promise.withResolvers<FromWorker>();
    fail = reject;
    const onAbort = () => reject(abort!.reason);
    abort?.addEventListener("abort", onAbort, { once: true });
    thread.onmessage = ({ data }: MessageEvent<FromWorker>) => resolve(data);
    thread.onerror = ({ message }) => reject(new OpenWitError("internal", `the indexer died: ${message}`));
    try {
      thread.postMessage(
        {
          dataDir,
          segment: { id: segment.id, signal: segment.signal, path: segment.path },
          standing: wanted,
        } satisfies ToWorker,
      );
      const answer = await promise;
      if (answer.kind === "error") throw new OpenWitError(answer.code, answer.message, { hint: answer.hint });
      idle = setTimeout(stop, idleMs);
      idle.unref?.();
      failure = undefined;
      return answer.bytes;
    } catch (error) {
      if (!abort?.aborted) failure = (error as Error).message;
      stop(); // what it was at is not known
      throw error;
    } finally {
      fail = undefined;
      abort?.removeEventListener("abort", onAbort);
    }
  };

  return {
    get failure() {
      return failure;
    },
    build(segment, abort) {
      const run = last.then(() => build(segment, abort));
      last = run.catch(() => {}); // the caller gets the error; the next one is built all the same
      return run;
    },
    close() {
      isClosed = true;
      fail?.(closed());
      stop();
    },
  };
}

function closed(): OpenWitError {
  return new OpenWitError("unavailable", "the indexer is closed", { hint: "the server is shutting down" });
}
