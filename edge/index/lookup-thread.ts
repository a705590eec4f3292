/**
 * The indexes of a server's data folder, asked in a thread of its own: a statement may have to look into hundreds of
 * files, which would take this thread's time from the requests.
 *
 * The thread starts with the first question and ends when it was idle. Should it die, segments are scanned, and the
 * next question starts another.
 */
import type { Log } from "../../core/env/log.ts";
import type { IndexedSegment, StoreIndexes } from "../../core/index/indexes.ts";
import { decodeBlocks, type FromLookup, type Told, type ToLookup } from "./lookup-protocol.ts";

/** People who ask come back after a while; the thread takes some 30 MB meanwhile. */
const idleMs = 5 * 60_000;

/** @param dataDir absolute */
export function lookupThread(dataDir: string, log: Log): StoreIndexes {
  const unusable = new Map<string, string>();
  /** Numbers of the segments that the thread knows, by their ids. */
  const numbers = new Map<string, number>();
  const waiting = new Map<number, (answer: FromLookup | undefined) => void>();
  let worker: Worker | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let asked = 0, numbered = 0;

  const stop = () => {
    clearTimeout(idle);
    worker?.terminate();
    worker = undefined;
    numbers.clear();
    for (const answer of waiting.values()) answer(undefined);
    waiting.clear();
  };

  const open = (): Worker => {
    const thread = new Worker(new URL("./lookup-worker.ts", import.meta.url));
    thread.onmessage = ({ data }: MessageEvent<FromLookup>) => {
      for (const [id, why] of data.unusable) unusable.set(id, why);
      for (const { level, message, fields } of data.lines) log(level, message, fields);
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

  const send = (question: (ask: number) => ToLookup): Promise<FromLookup | undefined> => {
    const ask = ++asked;
    const { promise, resolve } = Promise.withResolvers<FromLookup | undefined>();
    waiting.set(ask, resolve);
    (worker ??= open()).postMessage(question(ask));
    clearTimeout(idle);
    idle = setTimeout(() => waiting.size === 0 && stop(), idleMs);
    idle.unref?.();
    return promise;
  };

  const numberOf = ({ id, signal, path, rows }: IndexedSegment, told: Told["told"][number][]): number => {
    const known = numbers.get(id);
    if (known !== undefined) return known;
    numbers.set(id, ++numbered);
    told.push([numbered, { id, signal, path, rows }]);
    return numbered;
  };

  return {
    unusable,
    async candidatesOf(segments, predicate) {
      const usable = segments.filter(({ id }) => !unusable.has(id));
      if (usable.length === 0) return segments.map(() => undefined);
      const told: Told["told"][number][] = [];
      const answer = await send((ask) => ({
        kind: "candidates",
        ask,
        segments: Uint32Array.from(usable, (segment) => numberOf(segment, told)),
        told,
        predicate,
      }));
      const { blocks } = answer ?? {};
      if (blocks === undefined) return segments.map(() => undefined);
      // `unusable` may have grown since; `usable` is in the order of the segments.
      let at = 0;
      return segments.map((segment) =>
        segment === usable[at] ? decodeBlocks(blocks, at++, segment.rows) : undefined
      );
    },
    async blockTimes(segment) {
      if (unusable.has(segment.id)) return undefined;
      const told: Told["told"][number][] = [];
      const answer = await send((ask) => ({ kind: "times", ask, segment: numberOf(segment, told), told }));
      return answer?.times ?? undefined;
    },
    forget(id) {
      unusable.delete(id);
      const segment = numbers.get(id);
      if (segment === undefined) return;
      numbers.delete(id);
      worker?.postMessage({ kind: "forget", segment } satisfies ToLookup);
    },
    close: stop,
  };
}
