/**
 * The bytes that requests in flight may hold at once, over all receivers of a process. What does not fit is
 * refused, retryable: the client has the data and the disk for it, we are the ones short of memory.
 *
 * Invariant: the sum of all reservations is at most the budget, or there is exactly one reservation that
 * holds anything: a message within the size limits but over the budget passes alone, else it never would.
 */
import { OpenWitError } from "../../core/error.ts";
import { BufferPool } from "../http/buffers.ts";

export class InflightBudget {
  used = 0;
  /** What large bodies are read into, for all receivers. */
  readonly buffers = new BufferPool();

  constructor(readonly bytesMax: number) {}

  /** Whether a new request of `bytes` would be refused now; nothing is reserved. */
  isOver(bytes: number): boolean {
    return this.used > 0 && this.used + bytes > this.bytesMax;
  }

  /** An empty reservation, to grow as bytes arrive and to be disposed when the request is answered. */
  open(): Reservation {
    return new Reservation(this);
  }
}

/** What one request holds. */
export class Reservation implements Disposable {
  bytes = 0;

  constructor(readonly budget: InflightBudget) {}

  /** Takes `bytes` more. @throws OpenWitError `overloaded` */
  grow(bytes: number): void {
    const others = this.budget.used - this.bytes;
    if (others > 0 && this.budget.used + bytes > this.budget.bytesMax) throw overloaded(this.budget);
    this.budget.used += bytes;
    this.bytes += bytes;
  }

  shrink(bytes: number): void {
    this.bytes -= bytes;
    this.budget.used -= bytes;
  }

  [Symbol.dispose](): void {
    this.shrink(this.bytes);
  }
}

export function overloaded(budget: InflightBudget): OpenWitError {
  return new OpenWitError(
    "overloaded",
    `requests in flight hold ${budget.used} of ${budget.bytesMax} bytes: no room for this one`,
    { hint: "send again after the delay that this answer names", retryAfterMs: 1_000 },
  );
}
