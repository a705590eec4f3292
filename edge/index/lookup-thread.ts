/**
 * The indexes of a server's data folder, asked in a thread of its own: a statement may have to look into hundreds of
 * files, which would take this thread's time from the requests, and ten times as long through the thread pool.
 *
 * Questions that are asked in one turn with one predicate travel together. The thread starts with the first question
 * and ends when it was idle. Should it die, segments are scanned, and the next question starts another.
 */
import type { Log } from "../../core/env/log.ts";
import { BlockSet } from "../../core/index/blocks.ts";
import type { BlockTimes, IndexedSegment, StoreIndexes } from "../../core/index/indexes.ts";
import type { IndexPredicate } from "../../core/index/predicate.ts";
import type { FromLookup, ToLookup } from "./lookup-protocol.ts";

/** People who ask come back after a while; the thread takes some 30 MB meanwhile. */
const idleMs = 5 * 60_000;

interface Question {
  readonly segment: IndexedSegment;
  readonly resolve: (blocks: BlockSet | undefined) => void;
}

/** @param dataDir absolute */
export function lookupThread(dataDir: string, log: Log): StoreIndexes {
  const unusable = new Map<string, string>();
  /** Questions of this turn. */
  const gathered = new Map<IndexPredicate, Question[]>();
  const waiting = new Map<number, (answer: FromLookup | undefined) => void>();
  let worker: Worker | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let asked = 0;

  const stop = () => {
    clearTimeout(idle);
    worker?.terminate();
    worker = undefined;
    for (const answer of waiting.values()) answer(undefined);
    waiting.clear();
  };

  const open = (): Worker => {
    const thread = new Worker(new URL("./lookup-worker.ts", import.meta.url));
    thread.onmessage = ({ data }: MessageEvent<FromLookup>) => {
      for (const [id, why] of data.unusable) unusable.set(id, why);
      for (const { message, fields } of data.warnings) log("warn", message, fields);
      waiting.get(data.ask)?.(data);
      waiting.delete(data.ask);
    };
    thread.onerror = ({ message }) => {
      log("error", "the thread that looks into indexes died; segments are scanned until it is back", {
        message,
      });
      stop();
    };
    thread.postMessage(dataDir);
    return thread;
  };

  const send = (message: (ask: number) => ToLookup): Promise<FromLookup | undefined> => {
    const ask = ++asked;
    const { promise, resolve } = Promise.withResolvers<FromLookup | undefined>();
    waiting.set(ask, resolve);
    (worker ??= open()).postMessage(message(ask));
    clearTimeout(idle);
    idle = setTimeout(() => waiting.size === 0 && stop(), idleMs);
    idle.unref?.();
    return promise;
  };

  const flush = async (predicate: IndexPredicate) => {
    const questions = gathered.get(predicate)!;
    gathered.delete(predicate);
    const segments = questions.map(({ segment: { id, signal, path, rows } }) => ({ id, signal, path, rows }));
    const answer = await send((ask) => ({ kind: "candidates", ask, segments, predicate }));
    for (const [at, { resolve }] of questions.entries()) {
      const blocks = answer?.blocks?.[at];
      resolve(
        blocks === undefined || blocks === null ? undefined : BlockSet.from(blocks.count, blocks.words),
      );
    }
  };

  return {
    unusable,
    candidates(segment, predicate) {
      if (unusable.has(segment.id)) return Promise.resolve(undefined);
      const { promise, resolve } = Promise.withResolvers<BlockSet | undefined>();
      const questions = gathered.get(predicate);
      if (questions !== undefined) questions.push({ segment, resolve });
      else {
        gathered.set(predicate, [{ segment, resolve }]);
        queueMicrotask(() => void flush(predicate));
      }
      return promise;
    },
    async blockTimes({ id, signal, path, rows }): Promise<BlockTimes | undefined> {
      if (unusable.has(id)) return undefined;
      const answer = await send((ask) => ({ kind: "times", ask, segment: { id, signal, path, rows } }));
      return answer?.times ?? undefined;
    },
    forget(id) {
      unusable.delete(id);
      worker?.postMessage({ kind: "forget", id } satisfies ToLookup);
    },
    close: stop,
  };
}
