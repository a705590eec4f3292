/**
 * A thread that reads rows of segments (row-reader.ts): it starts with the first question and ends when it was idle.
 * Should it die, or have too much to do, it answers nothing, and the next question starts another.
 */
import type { Log } from "../../core/env/log.ts";
import type { FromRows, ToRows } from "./protocol.ts";

/** People who ask come back after a while; the thread takes some 30 MB meanwhile. */
const idleMs = 5 * 60_000;

/** Who would wait for more questions than these is served by the engine, which has more threads. */
const waitingMax = 4;

export interface RowThread {
  /** `undefined` where the thread cannot answer. @param question with its number */
  ask(question: (ask: number) => ToRows): Promise<FromRows | undefined>;
  /** Questions that have no answer yet. */
  readonly waiting: number;
  /** Ends it; what it was asked has no answer. */
  close(): void;
}

/** @param dataDir absolute */
export function rowThread(dataDir: string, log: Log): RowThread {
  const waiting = new Map<number, (answer: FromRows | undefined) => void>();
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
    const thread = new Worker(new URL("./row-worker.ts", import.meta.url));
    thread.onmessage = ({ data }: MessageEvent<FromRows>) => {
      waiting.get(data.ask)?.(data);
      waiting.delete(data.ask);
    };
    thread.onerror = ({ message }) => {
      log("error", "the thread that reads rows died; the engine reads them until it is back", { message });
      stop();
    };
    thread.postMessage(dataDir);
    return thread;
  };

  return {
    ask(question) {
      if (waiting.size >= waitingMax) return Promise.resolve(undefined);
      const ask = ++asked;
      const { promise, resolve } = Promise.withResolvers<FromRows | undefined>();
      waiting.set(ask, resolve);
      (worker ??= open()).postMessage(question(ask));
      clearTimeout(idle);
      idle = setTimeout(() => waiting.size === 0 && stop(), idleMs);
      idle.unref?.();
      return promise;
    },
    get waiting() {
      return waiting.size;
    },
    close: stop,
  };
}
