/**
 * Memory that merges and heavy statements share: who needs much takes its bytes before it begins and waits until
 * they are free, so that a merge and a large sort do not peak together.
 *
 * What was promised and taken is resident memory already. Who can tell what it has of it says so, and what it may still
 * grow by is the rest (`owedBytes`).
 *
 * Invariants: (1) what is held is never more than the capacity; who asks for more than that gets all of it, alone.
 * (2) Turns go by order of asking, so that neither kind starves the other. (3) Nobody waits for it while holding some.
 * (4) What is owed is never more than what is held.
 */
import { OpenWitError } from "../error.ts";

export interface MemoryShareStats {
  /** Promised, whether it was taken already or not. */
  readonly heldBytes: number;
  readonly waiting: number;
}

interface Waiter {
  readonly bytes: number;
  readonly start: () => void;
}

interface Holder {
  readonly bytes: number;
  readonly takenBytes: () => number;
}

export class MemoryShare {
  readonly #waiters: Waiter[] = [];
  readonly #holders = new Set<Holder>();
  #heldBytes = 0;

  /** @param waitingMax how many may wait: beyond it one is refused */
  constructor(readonly capacityBytes: number, public waitingMax = Infinity) {}

  get stats(): MemoryShareStats {
    return { heldBytes: this.#heldBytes, waiting: this.#waiters.length };
  }

  /** What those who hold some may still grow by; who cannot tell what it has may by all of it. Cheap. */
  get owedBytes(): number {
    let owed = 0;
    for (const { bytes, takenBytes } of this.#holders) owed += Math.max(0, bytes - takenBytes());
    return owed;
  }

  /**
   * Waits for bytes; call what it resolves with to give them back.
   * @param takenBytes what of the process's resident memory is the asker's now
   * @throws OpenWitError `overloaded` when too many wait; the signal's reason
   */
  async take(bytes: number, signal: AbortSignal, takenBytes = nothing): Promise<() => void> {
    signal.throwIfAborted();
    const wanted = Math.min(bytes, this.capacityBytes);
    if (this.#waiters.length === 0 && this.#fits(wanted)) return this.#hold(wanted, takenBytes);
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
    const waiter = { bytes: wanted, start: () => resolve(this.#hold(wanted, takenBytes)) };
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

  #hold(bytes: number, takenBytes: () => number): () => void {
    const holder = { bytes, takenBytes };
    this.#holders.add(holder);
    this.#heldBytes += bytes;
    return () => {
      if (!this.#holders.delete(holder)) return;
      this.#heldBytes -= bytes;
      this.#serve();
    };
  }

  #serve(): void {
    while (this.#waiters.length > 0 && this.#fits(this.#waiters[0].bytes)) this.#waiters.shift()!.start();
  }
}

const nothing = () => 0;
