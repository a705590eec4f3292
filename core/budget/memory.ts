/**
 * The ceiling over the memory of the whole process: what memtables, requests, queries, merges and the runtimes under
 * them take together is seen in one figure only, the resident memory.
 *
 * Over the soft mark memory is given back early: a flush, and the garbage of the runtime, collected when it sees fit.
 * Over the urgent mark that would come too late, and requests stand still until the garbage is gone. Over
 * the hard mark requests are refused, retryable, until resident memory has fallen somewhat. Each part also has a
 * bound of its own; this one holds when they add up badly. All marks are lower by what a merge or a heavy statement was
 * promised and may still take any moment. Why so: docs/decisions/005-acknowledgement.md.
 */
import type { Clock } from "../env/clock.ts";
import type { Log } from "../env/log.ts";
import { OpenWitError } from "../error.ts";
import type { StoreGuard } from "../store/store.ts";

export type Relief = "gently" | "at-once";

export interface MemoryEnv {
  readonly clock: Clock;
  readonly log: Log;
  /** Resident memory of the process now. */
  residentBytes(): number;
  /** What records and requests have of it: what refusing keeps from growing, and a flush gives back. */
  heldBytes(): number;
  /** What merges and heavy statements have been promised and have not taken yet (memory-share.ts). */
  owedBytes?(): number;
  /**
   * Gives back what can be given back; called some times a second at most.
   * @param how `gently` as soon as the runtime sees fit: memory falls some time later; `at-once` before it returns
   */
  relieve(how: Relief): void;
}

export class MemoryCeiling implements StoreGuard {
  #residentBytes = 0;
  #sampledMs = -Infinity;
  readonly #last: Record<Relief, ReliefDone> = {
    "gently": { ms: -Infinity, bytes: 0 },
    "at-once": { ms: -Infinity, bytes: 0 },
  };
  #refusal: string | undefined;

  constructor(readonly env: MemoryEnv, readonly limitBytes: number) {}

  /** Why requests are refused; `undefined` while they are taken. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** @throws OpenWitError `overloaded` while there is too little memory */
  admit(): void {
    this.look();
    if (this.#refusal === undefined) return;
    throw new OpenWitError("overloaded", this.#refusal, {
      hint: "send it again: memory is being given back; memory.limit sets the ceiling",
      retryAfterMs: 1_000,
    });
  }

  /** Samples when the last sample is old; to be called now and then also when no request comes. */
  look(): void {
    const nowMs = this.env.clock.monotonicMs();
    if (nowMs - this.#sampledMs < sampleEveryMs) return;
    this.#sampledMs = nowMs;
    this.#residentBytes = this.env.residentBytes();
    const owed = Math.min(this.env.owedBytes?.() ?? 0, this.limitBytes * owedShareMax);
    const share = this.#refusal === undefined ? hardShare : resumedShare;
    const mark = this.limitBytes * share - owed;
    if (this.#residentBytes >= this.limitBytes * softShare - owed) {
      const isUrgent = this.#residentBytes >= this.limitBytes * urgentShare - owed;
      const isLast = this.#refusal === undefined && this.#residentBytes >= mark;
      this.#relieve(isUrgent ? "at-once" : "gently", nowMs, isLast);
    }
    const before = this.#refusal;
    // When records hold next to nothing, refusing them gives nothing back: they are taken a little at a time then,
    // or a limit below what the process needs by itself would refuse for ever.
    const isOver = this.#residentBytes >= mark && this.env.heldBytes() >= this.limitBytes * heldShareMin;
    this.#refusal = isOver ? this.#explain() : undefined;
    if (before === undefined && this.#refusal !== undefined) {
      this.env.log("warn", "requests are refused", { reason: this.#refusal });
    } else if (before !== undefined && this.#refusal === undefined) {
      this.env.log("info", "memory has been given back: requests are taken");
    }
  }

  /**
   * Dropped buffers of requests pile up faster than the runtime collects them: what has grown since is garbage mostly.
   * @param isLast whether requests are refused otherwise
   */
  #relieve(how: Relief, nowMs: number, isLast: boolean): void {
    const last = this.#last[how];
    const sinceMs = nowMs - last.ms;
    const grownBytes = this.#residentBytes - last.bytes;
    const isWorthIt = sinceMs >= relieveEveryMs ||
      sinceMs >= relieveLeastMs && (isLast || grownBytes >= this.limitBytes * growthShare);
    if (!isWorthIt) return;
    this.env.relieve(how);
    this.#residentBytes = this.env.residentBytes();
    const done = { ms: nowMs, bytes: this.#residentBytes };
    this.#last.gently = done;
    if (how === "at-once") this.#last[how] = done; // a gentle one that is too slow puts off no other
  }

  #explain(): string {
    const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
    return `memory is used up: the process has ${mebibytes(this.#residentBytes)} of ${
      mebibytes(this.limitBytes)
    }`;
  }
}

interface ReliefDone {
  readonly ms: number;
  /** Resident memory right after. */
  readonly bytes: number;
}

/** Reading it costs some microseconds, and at full load memory grows by some MiB in this time. */
const sampleEveryMs = 10;
/** A collection of all garbage at once stops requests for 35 to 95 ms at full load, and gave back 150 to 240 MiB of 550. */
const relieveEveryMs = 1_000;
const relieveLeastMs = 250;
const growthShare = 0.1;
const softShare = 0.7;
const urgentShare = 0.8;
/** Requests under way still grow: up to 15% of the limit were seen. */
const hardShare = 0.86;
const resumedShare = 0.82;
const heldShareMin = 0.05;
/** The rest may pass the limit: all of it would keep requests out whenever a large sort begins. */
const owedShareMax = 0.15;
