/**
 * Tells the log of evictions and refusals: a box that is overrun evicts and refuses several times a second, which is
 * said once in a while, and summed up.
 */
import type { Clock } from "../env/clock.ts";
import type { Log } from "../env/log.ts";
import { allocatedBytesOf, type Eviction } from "./eviction.ts";

export class BudgetTeller {
  #untold: Eviction[] = [];
  #evictionsDueMs = -Infinity;
  #isRefusing = false;
  #refusalDueMs = -Infinity;

  constructor(readonly env: { readonly clock: Clock; readonly log: Log }) {}

  evicted(plan: readonly Eviction[]): void {
    const { clock, log } = this.env;
    this.#untold.push(...plan);
    if (clock.monotonicMs() < this.#evictionsDueMs) return;
    this.#evictionsDueMs = clock.monotonicMs() + tellEveryMs;
    for (const reason of new Set(this.#untold.map((each) => each.reason))) {
      const of = this.#untold.filter((each) => each.reason === reason).map(({ segment }) => segment);
      const hours = of.map(({ hour }) => hour).sort((a, b) => a - b);
      log(reason === "budget" ? "warn" : "info", "segments were evicted", {
        reason,
        segments: of.length,
        rows: of.reduce((sum, { rows }) => sum + rows, 0),
        bytes: of.reduce((sum, segment) => sum + allocatedBytesOf(segment), 0),
        hours: `${hourText(hours[0])} to ${hourText(hours.at(-1)!)}`,
      });
    }
    this.#untold = [];
  }

  /** @param refusal why requests are refused now; `undefined` while they are taken */
  refusing(refusal: string | undefined): void {
    const { clock, log } = this.env;
    const isRefusing = refusal !== undefined;
    if (isRefusing === this.#isRefusing || clock.monotonicMs() < this.#refusalDueMs) return;
    this.#isRefusing = isRefusing;
    this.#refusalDueMs = clock.monotonicMs() + tellEveryMs;
    if (isRefusing) log("warn", "requests are refused", { reason: refusal });
    else log("info", "there is room again: requests are taken");
  }
}

const tellEveryMs = 10_000;

function hourText(hour: number): string {
  return `${new Date(hour * 3_600_000).toISOString().slice(0, 13)}Z`;
}
