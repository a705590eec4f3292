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
