/**
 * The ceiling over the memory of the whole process: what memtables, requests, queries, merges and the runtimes under
 * them take together is seen in one figure only, the resident memory.
 *
 * Over the soft mark memory is given back early: a flush, and the garbage of the runtime. Over the hard mark requests
 * are refused, retryable, until resident memory has fallen to `resumeShare` of it. Each part also has a bound of its
 * own; this one holds when they add up badly.
 */
import type { Clock } from "../env/clock.ts";
import type { Log } from "../env/log.ts";
import { OpenWitError } from "../error.ts";
import type { StoreGuard } from "../store/store.ts";

export interface MemoryEnv {
  readonly clock: Clock;
  readonly log: Log;
  /** Resident memory of the process now. */
  residentBytes(): number;
  /** Gives back what can be given back; called at most once a second. */
  relieve(): void;
}

export class MemoryCeiling implements StoreGuard {
  #residentBytes = 0;
  #sampledMs = -Infinity;
  #relievedMs = -Infinity;
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
    if (this.#residentBytes >= this.limitBytes * softShare && nowMs - this.#relievedMs >= relieveEveryMs) {
      this.#relievedMs = nowMs;
      this.env.relieve();
      this.#residentBytes = this.env.residentBytes();
    }
    const mark = this.limitBytes * (this.#refusal === undefined ? 1 : resumeShare);
    const before = this.#refusal;
    this.#refusal = this.#residentBytes >= mark ? this.#explain() : undefined;
    if (before === undefined && this.#refusal !== undefined) {
      this.env.log("warn", "requests are refused", { reason: this.#refusal });
    } else if (before !== undefined && this.#refusal === undefined) {
      this.env.log("info", "memory has been given back: requests are taken");
    }
  }

  #explain(): string {
    const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
    return `memory is used up: the process has ${mebibytes(this.#residentBytes)} of ${
      mebibytes(this.limitBytes)
    }`;
  }
}

/** Reading it costs some microseconds, and at full load memory grows by tens of MiB in this time. */
const sampleEveryMs = 50;
const relieveEveryMs = 1_000;
const softShare = 0.8;
const resumeShare = 0.95;
