/**
 * How many statements use the engine at once, and in what order the others follow.
 *
 * Each tenant has a queue of its own and the tenants take turns, so that one who sends a hundred statements delays
 * the single one of another by one place. The last slot is never given to a tenant that holds all others: somebody
 * else's statement may come, and a running one cannot be put aside for it.
 *
 * Invariants: (1) a slot that is free while somebody waits who may have it is given at once. (2) Reading the rows of
 * a statement that has run goes before starting another one of the same tenant, for it ends and gives memory back.
 * (3) A refusal says which bound it met, and is retryable.
 */
import { OpenWitError } from "../../core/error.ts";

export interface Slots {
  /**
   * Waits for a slot; call what it resolves with to give the slot back.
   * @param isContinuing whether what it is for has begun: it is then never refused.
   * @throws OpenWitError `overloaded` when too many wait; the signal's reason when it aborts.
   */
  take(tenant: string, signal: AbortSignal, isContinuing?: boolean): Promise<() => void>;
  /** Other limits: those that run go on, and those that wait keep their places. */
  resize(limits: SlotLimits): void;
  readonly stats: SlotStats;
}

export interface SlotLimits {
  /** Slots. */
  readonly count: number;
  /** Statements of all tenants that may wait to begin. */
  readonly waitingMax: number;
  /** The same of one tenant. */
  readonly tenantWaitingMax: number;
}

export interface SlotStats {
  readonly running: number;
  readonly waiting: number;
  /** How often one was refused because too many waited, of its tenant or in all. */
  readonly refused: { readonly tenant: number; readonly all: number };
}

interface Waiter {
  readonly start: () => void;
  readonly isContinuing: boolean;
}

export function openSlots(limits: SlotLimits): Slots {
  let { count, waitingMax, tenantWaitingMax } = limits;
  /** Tenants with waiters, in the order of their turns. */
  const queues = new Map<string, Waiter[]>();
  const held = new Map<string, number>();
  const heldMax = () => Math.max(1, count - 1);
  const refused = { tenant: 0, all: 0 };
  let free = count;
  /** Waiters that have not begun; only they count against the bounds. */
  let starting = 0;

  const heldBy = (tenant: string) => held.get(tenant) ?? 0;
  const leave = (tenant: string, waiter: Waiter) => {
    const queue = queues.get(tenant)!;
    queue.splice(queue.indexOf(waiter), 1);
    if (queue.length === 0) queues.delete(tenant);
    if (!waiter.isContinuing) starting--;
  };
  const occupy = (tenant: string): () => void => {
    free--;
    held.set(tenant, heldBy(tenant) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      free++;
      if (heldBy(tenant) === 1) held.delete(tenant);
      else held.set(tenant, heldBy(tenant) - 1);
      serve();
    };
  };
  /** Gives free slots away, a turn a tenant. */
  const serve = () => {
    while (free > 0) {
      const next = [...queues].find(([tenant]) => heldBy(tenant) < heldMax());
      if (next === undefined) return;
      const [tenant, queue] = next;
      const waiter = queue[0];
      leave(tenant, waiter);
      if (queues.delete(tenant)) queues.set(tenant, queue); // to the end of the turns
      waiter.start();
    }
  };
  const refuse = (bound: keyof typeof refused, message: string): OpenWitError => {
    refused[bound]++;
    return new OpenWitError("overloaded", message, {
      hint: "send it again shortly; search.concurrency and search.queue_max set how many run and wait",
      retryAfterMs: 1_000,
    });
  };

  return {
    take(tenant, signal, isContinuing = false) {
      if (signal.aborted) return Promise.reject(signal.reason);
      const queue = queues.get(tenant) ?? [];
      if (free > 0 && heldBy(tenant) < heldMax() && queue.length === 0) {
        return Promise.resolve(occupy(tenant));
      }
      if (!isContinuing) {
        const own = queue.filter((each) => !each.isContinuing).length;
        if (own >= tenantWaitingMax) {
          return Promise.reject(
            refuse("tenant", `${own} statements of this tenant wait already, which is its limit`),
          );
        }
        if (starting >= waitingMax) {
          return Promise.reject(
            refuse("all", `${count - free} statements run and ${starting} wait, which is the limit`),
          );
        }
      }
      return new Promise((resolve, reject) => {
        const onAbort = () => {
          leave(tenant, waiter);
          reject(signal.reason);
        };
        const waiter: Waiter = {
          isContinuing,
          start: () => {
            signal.removeEventListener("abort", onAbort);
            resolve(occupy(tenant));
          },
        };
        signal.addEventListener("abort", onAbort, { once: true });
        const before = isContinuing ? queue.findIndex((each) => !each.isContinuing) : -1;
        queue.splice(before < 0 ? queue.length : before, 0, waiter);
        queues.set(tenant, queue);
        if (!isContinuing) starting++;
      });
    },
    resize(limits) {
      free += limits.count - count; // below 0 until enough of those that run have ended
      ({ count, waitingMax, tenantWaitingMax } = limits);
      serve();
    },
    get stats() {
      let waiting = 0;
      for (const queue of queues.values()) waiting += queue.length;
      return { running: count - free, waiting, refused: { ...refused } };
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
