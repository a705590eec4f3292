/**
 * Memory that merges and heavy statements share: who needs much takes its bytes before it begins and waits until
 * they are free, so that a merge and a large sort do not peak together.
 *
 * Invariants: (1) what is held is never more than the capacity; who asks for more than that gets all of it, alone.
 * (2) Turns go by order of asking, so that neither kind starves the other. (3) Nobody waits for it while holding some.
 */
import { OpenWitError } from "../error.ts";

export interface MemoryShareStats {
  readonly heldBytes: number;
  readonly waiting: number;
}

interface Waiter {
  readonly bytes: number;
  readonly start: () => void;
}

export class MemoryShare {
  readonly #waiters: Waiter[] = [];
  #heldBytes = 0;

  /** @param waitingMax how many may wait: beyond it one is refused */
  constructor(readonly capacityBytes: number, public waitingMax = Infinity) {}

  get stats(): MemoryShareStats {
    return { heldBytes: this.#heldBytes, waiting: this.#waiters.length };
  }

  /**
   * Waits for bytes; call what it resolves with to give them back.
   * @throws OpenWitError `overloaded` when too many wait; the signal's reason
   */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const wanted = Math.min(bytes, this.capacityBytes);
    if (this.#waiters.length === 0 && this.#fits(wanted)) return this.#hold(wanted);
    if (this.#waiters.length >= this.waitingMax) {
      throw new OpenWitError(
        "overloaded",
        `${this.#waiters.length} wait for memory already, which is the limit`,
        {
          hint: "try again shortly, or read less: a narrower time range, a LIMIT",
        },
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const waiter = { bytes: wanted, start: () => resolve(this.#hold(wanted)) };
    const leave = () => {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      reject(signal.reason);
      this.#serve(); // those behind it may fit
    };
    this.#waiters.push(waiter);
    signal.addEventListener("abort", leave, { once: true });
    return await promise.finally(() => signal.removeEventListener("abort", leave));
  }

  #fits(bytes: number): boolean {
    return this.#heldBytes + bytes <= this.capacityBytes;
  }

  #hold(bytes: number): () => void {
    this.#heldBytes += bytes;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#heldBytes -= bytes;
      this.#serve();
    };
  }

  #serve(): void {
    while (this.#waiters.length > 0 && this.#fits(this.#waiters[0].bytes)) this.#waiters.shift()!.start();
  }
}
