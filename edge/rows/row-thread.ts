/** A thread that reads rows of segments (row-reader.ts). Where it has too much to do, the engine reads them. */
import type { Log } from "../../core/env/log.ts";
import { type AskedThread, askedThread } from "../server/asked-thread.ts";
import type { FromRows, ToRows } from "./protocol.ts";

/** Who would wait for more questions than these is served by the engine, which has more threads. */
const waitingMax = 4;

export type RowThread = Pick<AskedThread<ToRows, FromRows>, "ask" | "waiting" | "close">;

/** @param dataDir absolute */
export function rowThread(dataDir: string, log: Log): RowThread {
  const thread = askedThread<ToRows, FromRows>({
    dataDir,
    open: () => new Worker(new URL("./row-worker.ts", import.meta.url)),
    onDied: (message) =>
      log("error", "the thread that reads rows died; the engine reads them until it is back", { message }),
  });
  return {
    ask: async (question) => thread.waiting < waitingMax ? await thread.ask(question) : undefined,
    get waiting() {
      return thread.waiting;
    },
    close: () => thread.close(),
  };
}
