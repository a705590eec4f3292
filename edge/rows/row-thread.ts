/**
 * Rows of segments, read in a thread of their own (core/query/row_reader.ts): decompressing takes milliseconds that the
 * thread which takes requests does not have.
 *
 * The thread starts with the first question and ends when it was idle. Should it die, or have too much to do, the engine
 * reads the rows, and the next question starts another.
 */
import type { Log } from "../../core/env/log.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { columnsOf } from "../../core/model/columns.ts";
import { appendSlices } from "../../core/parquet/vectors.ts";
import type { RowReader } from "../../core/query/row_reader.ts";
import type { FromRows, ToRows } from "./protocol.ts";

/** People who ask come back after a while; the thread takes some 30 MB meanwhile. */
const idleMs = 5 * 60_000;

/** Who would wait for more questions than these is served by the engine, which has more threads. */
const waitingMax = 4;

/** @param dataDir absolute */
export function rowThread(dataDir: string, log: Log): RowReader {
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

  const ask = (question: (ask: number) => ToRows): Promise<FromRows | undefined> => {
    if (waiting.size >= waitingMax) return Promise.resolve(undefined);
    const ask = ++asked;
    const { promise, resolve } = Promise.withResolvers<FromRows | undefined>();
    waiting.set(ask, resolve);
    (worker ??= open()).postMessage(question(ask));
    clearTimeout(idle);
    idle = setTimeout(() => waiting.size === 0 && stop(), idleMs);
    idle.unref?.();
    return promise;
  };

  return {
    async read({ signal, files, columns }) {
      const names = columnsOf[signal].map(({ name }) => name)
        .filter((name) => columns === undefined || columns.has(name));
      const answer = await ask((ask) => ({ kind: "read", ask, signal, files, columns: names }));
      if (answer?.read === undefined) return undefined;
      const { batch: { rows, columns: slices }, inflatedBytes } = answer.read;
      const chunk = new Chunk(signal);
      appendSlices(chunk, rows, new Map(slices.map((slice, at) => [names[at], slice])));
      return { chunk, inflatedBytes };
    },
    find: async (request) => (await ask((ask) => ({ kind: "find", ask, request })))?.found,
    close: stop,
  };
}
