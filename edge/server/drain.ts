/**
 * Draining a node that goes on running: it takes no more records, refusing them as retryable, answers queries, and
 * puts what it has into segments, so that the box can be moved, copied or cut off. It lasts until `end` or a restart.
 *
 * Invariant: once `begin` resolves everything that was ever acknowledged is in segments, unless `end` came first.
 */
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError } from "../../core/error.ts";
import type { Store } from "../../core/store/store.ts";

export type DrainState = "off" | "draining" | "drained";

export class Drain {
  /** While it is drained, or is being. */
  #period: { readonly sinceNs: bigint; isDone: boolean } | undefined;
  #underWay = 0;
  #onIdle: (() => void) | undefined;
  #last: Promise<void> = Promise.resolve();

  /** @param store must throw while the node is not ready */
  constructor(readonly store: () => Store) {}

  get state(): DrainState {
    if (this.#period === undefined) return "off";
    return this.#period.isDone ? "drained" : "draining";
  }

  get sinceNs(): bigint | undefined {
    return this.#period?.sinceNs;
  }

  /** Why records are refused; `undefined` while they are taken. */
  get refusal(): string | undefined {
    return this.#period === undefined
      ? undefined
      : "this node was drained by its operator; openwit drain --resume ends that";
  }

  /** Passes on what would bring in records. @throws OpenWitError `unavailable` while drained, else what the work throws */
  async admit<Result>(work: () => Promise<Result>): Promise<Result> {
    const { refusal } = this;
    if (refusal !== undefined) {
      throw new OpenWitError("unavailable", refusal, { retryAfterMs });
    }
    this.#underWay++;
    try {
      return await work();
    } finally {
      if (--this.#underWay === 0) this.#onIdle?.();
    }
  }

  /** Refuses from now on; resolves when all that was taken is in segments. @throws OpenWitError and goes on refusing */
  async begin(): Promise<void> {
    const store = this.store();
    this.#period ??= { sinceNs: systemClock.nowNs(), isDone: false };
    const period = this.#period;
    this.#last = this.#last.catch(() => {}).then(async () => { // whoever asked for the one before was told
      if (period.isDone || period !== this.#period) return;
      await this.#untilIdle();
      await store.flush();
      period.isDone = true;
    });
    await this.#last;
  }

  /** Takes records again. */
  end(): void {
    this.#period = undefined;
  }

  async #untilIdle(): Promise<void> {
    if (this.#underWay === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    await promise;
    this.#onIdle = undefined;
  }
}

/** Nobody knows how long it will be: not so short that the agents of a fleet ask all the time. */
const retryAfterMs = 5_000;
