/** Looks at a node's health when it is asked for and every few seconds, and tells the log of what has changed. */
import { systemClock } from "../../core/env/clock.ts";
import type { Log } from "../../core/env/log.ts";
import { factsOf, type NodeParts } from "./facts.ts";
import { HealthBook, type NodeHealth } from "./health.ts";

const everyMs = 5_000;

export class HealthWatch {
  readonly #book = new HealthBook();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(readonly log: Log, readonly parts: () => NodeParts) {}

  look(): NodeHealth {
    return this.#book.look(factsOf(this.parts()), systemClock.nowNs(), (component, { status, reason }) => {
      this.log(status === "ok" ? "info" : "warn", `component ${component}: ${status}`, {
        component,
        status,
        reason,
      });
    });
  }

  /** Looks from now on, until `stop`. */
  start(): void {
    this.look();
    this.#timer = setInterval(() => this.look(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
