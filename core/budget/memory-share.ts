/**
 * Memory that merges and heavy statements share: who needs much takes its bytes before it begins and waits until
 * they are free, so that a merge and a large sort do not peak together.
 *
 * What was promised and taken is resident memory already. So of each kind of holder a meter says what it has, and what
 * it may still grow by is the rest (`owedBytes`).
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

/** What holders of one kind, who share an allocator or a thread, have of the process's resident memory. */
export interface MemoryMeter {
  /** In use now. What is in use when none of the kind holds anything is not of what they are promised. */
  usedBytes(): number;
  /** Resident now: what is in use, and what is kept of what was freed, which is used again before anything grows. */
  residentBytes(): number;
}

interface Waiter {
  readonly bytes: number;
  readonly start: () => void;
}

interface Metered {
  heldBytes: number;
  /** Of the kind, when the first of those who hold now began. */
  readonly usedBefore: number;
}

export class MemoryShare {
  readonly #waiters: Waiter[] = [];
  readonly #metered = new Map<MemoryMeter, Metered>();
  #heldBytes = 0;

  /** @param waitingMax how many may wait: beyond it one is refused */
  constructor(readonly capacityBytes: number, public waitingMax = Infinity) {}

  get stats(): MemoryShareStats {
    return { heldBytes: this.#heldBytes, waiting: this.#waiters.length };
  }

  /** What those who hold some may still grow by; who has no meter may by all of it. Cheap. */
  get owedBytes(): number {
    let bytes = this.#heldBytes;
    for (const [meter, { heldBytes, usedBefore }] of this.#metered) {
      bytes -= Math.min(heldBytes, Math.max(0, meter.residentBytes() - usedBefore));
    }
    return bytes;
  }

  /**
   * Waits for bytes; call what it resolves with to give them back.
   * @param meter of the one who asks, and of all others of its kind
   * @throws OpenWitError `overloaded` when too many wait; the signal's reason
   */
  async take(bytes: number, signal: AbortSignal, meter?: MemoryMeter): Promise<() => void> {
    signal.throwIfAborted();
    const wanted = Math.min(bytes, this.capacityBytes);
    if (this.#waiters.length === 0 && this.#fits(wanted)) return this.#hold(wanted, meter);
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
    const waiter = { bytes: wanted, start: () => resolve(this.#hold(wanted, meter)) };
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

  #hold(bytes: number, meter?: MemoryMeter): () => void {
    this.#count(bytes, meter);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#count(-bytes, meter);
      this.#serve();
    };
  }

  #count(bytes: number, meter?: MemoryMeter): void {
    this.#heldBytes += bytes;
    if (meter === undefined) return;
    const metered = this.#metered.get(meter) ?? { heldBytes: 0, usedBefore: meter.usedBytes() };
    metered.heldBytes += bytes;
    if (metered.heldBytes > 0) this.#metered.set(meter, metered);
    else this.#metered.delete(meter);
  }

  #serve(): void {
    while (this.#waiters.length > 0 && this.#fits(this.#waiters[0].bytes)) this.#waiters.shift()!.start();
  }
}
