/** A clock that stands until it is told to move: an hour passes in a microsecond, the same in every run. */
import type { Clock } from "../../core/env/clock.ts";

export class SimClock implements Clock {
  #monotonicMs = 0;
  #wallNs: bigint;
  #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  /** 2026-11-23T20:00:00Z unless said otherwise. */
  constructor(startNs = 1_795_464_000_000_000_000n) {
    this.#wallNs = startNs;
  }

  nowNs(): bigint {
    return this.#wallNs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper = { atMs: this.#monotonicMs + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers = this.#sleepers.filter((each) => each !== sleeper);
        reject(signal.reason);
      }, { once: true });
    });
  }

  /** Lets time pass: both clocks move, and sleepers wake in the order of their times. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    while (true) {
      this.#sleepers.sort((a, b) => a.atMs - b.atMs);
      const [next] = this.#sleepers;
      if (next === undefined || next.atMs > untilMs) break;
      this.#sleepers.shift();
      this.#moveTo(Math.max(next.atMs, this.#monotonicMs));
      next.wake();
      await Promise.resolve();
    }
    this.#moveTo(untilMs);
  }

  /** Sets the wall clock, as NTP or a person does; intervals do not notice. */
  setWall(ns: bigint): void {
    this.#wallNs = ns;
  }

  #moveTo(monotonicMs: number): void {
    this.#wallNs += BigInt(Math.round((monotonicMs - this.#monotonicMs) * 1e6));
    this.#monotonicMs = monotonicMs;
  }
}
