/** How many statements use the engine at once; the others wait in order. */
import { OpenWitError } from "../../core/error.ts";

export interface Slots {
  /**
   * Waits for a slot; call what it resolves with to give the slot back.
   * @param waitingMax how many may wait already.
   * @throws OpenWitError `overloaded` when more wait; the signal's reason when it aborts.
   */
  take(signal: AbortSignal, waitingMax?: number): Promise<() => void>;
}

export function openSlots(count: number): Slots {
  const waiting: (() => void)[] = [];
  let free = count;
  const release = () => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  const once = () => {
    let isHeld = true;
    return () => {
      if (isHeld) release();
      isHeld = false;
    };
  };
  return {
    take(signal, waitingMax = Infinity) {
      if (signal.aborted) return Promise.reject(signal.reason);
      if (free > 0) {
        free--;
        return Promise.resolve(once());
      }
      if (waiting.length >= waitingMax) {
        return Promise.reject(
          new OpenWitError(
            "overloaded",
            `${count} statements run and ${waiting.length} wait, which is the limit`,
            {
              hint: "try again shortly",
            },
          ),
        );
      }
      return new Promise((resolve, reject) => {
        const onAbort = () => {
          waiting.splice(waiting.indexOf(start), 1);
          reject(signal.reason);
        };
        const start = () => {
          signal.removeEventListener("abort", onAbort);
          resolve(once());
        };
        signal.addEventListener("abort", onAbort, { once: true });
        waiting.push(start);
      });
    },
  };
}

/**
 * How many statements may run at once beside everything else.
 *
 * A running statement holds a thread of the runtime's pool, which also serves file reads and syncs: with both of two
 * threads taken, a `stat` waited 1.7 s and an ingest's fsync would too. The pool has as many threads as there are
 * processors, at least two, or as many as `UV_THREADPOOL_SIZE` said when the process began.
 */
export function statementsAtOnce(poolSize: string | undefined, processors: number): number {
  const threads = Number(poolSize) > 0 ? Number(poolSize) : Math.max(2, processors);
  return Math.max(1, Math.min(8, Math.floor(threads / 2)));
}
