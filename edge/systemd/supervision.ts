/**
 * What a node tells the systemd that supervises it, and when: ready, once it is; more time, while recovery gets on; a
 * line of how it is, every ten seconds; a sign of life at half of the watchdog's time, for as long as it is healthy.
 *
 * Healthy is a node whose event loop runs (else this timer does not) and whose way of a record does not stand still
 * (edge/server/ingest-watch.ts). A disk that is full or memory that is short is no reason: it refuses, says so, and a
 * restart would mend nothing.
 */
import { bytes } from "../cli/status.ts";
import type { Phase } from "../server/facts.ts";
import { monotonicUsec, type Notice, type Notifier, notifierTo } from "./notify.ts";

/** What supervision reads of a node. */
export interface Supervised {
  readonly phase: Phase;
  readonly reason: string | undefined;
  /** How far the rows of the last run are brought back, while the node takes records already. */
  readonly recovery: string | undefined;
  readonly ingest: { readonly rows: number; readonly stuckMs: number };
  /** What stands in the way of taking records. */
  readonly refusal: string | undefined;
  /** Absent before it was measured. */
  readonly usage: { readonly budgetBytes: number; readonly usedBytes: number } | undefined;
}

export interface SupervisionOptions {
  readonly notifier: Notifier;
  readonly monotonicMs: () => number;
  /** Time after which systemd takes the service for dead; `undefined` without a watchdog. */
  readonly watchdogMs: number | undefined;
  /** Told once when the sign of life is withheld, and when it is given again. */
  readonly onHealth: (isHealthy: boolean, stuckMs: number) => void;
}

export const statusEveryMs = 10_000;

/** Beyond the time in which a client gives up, and what a dying SD card takes for a write. */
export const stuckMsMax = 60_000;

/** A start that gets on may take this much longer than systemd would wait. */
export const extensionMs = 120_000;

/** Recovery is looked at this often. */
const startingEveryMs = 2_000;

export class Supervision {
  #timer: ReturnType<typeof setInterval> | undefined;
  #statusMs = -Infinity;
  #rows = 0;
  #rowsMs = 0;
  #lastRowMs: number | undefined;
  #progress: string | undefined;
  #isHealthy = true;

  constructor(readonly node: Supervised, readonly options: SupervisionOptions) {
    this.#rowsMs = options.monotonicMs();
  }

  /** Speaks from now on, until `stop`. */
  start(): void {
    if (this.options.notifier.by === "nobody") return;
    const { watchdogMs = Infinity } = this.options;
    this.look();
    this.#timer = setInterval(() => this.look(), Math.min(watchdogMs / 2, startingEveryMs));
    this.#timer.unref(); // it speaks of a node, and keeps none alive
  }

  /** What there is to say now. Called by the timer; a test calls it with a clock of its own. */
  look(): void {
    const { notifier, monotonicMs } = this.options;
    const nowMs = monotonicMs();
    const notice: { -readonly [Name in keyof Notice]: Notice[Name] } = {};
    if (this.node.phase === "starting" && this.node.reason !== this.#progress) {
      // The reason tells how far the replay is: it is another one for as long as it gets on.
      this.#progress = this.node.reason;
      notice.EXTEND_TIMEOUT_USEC = extensionMs * 1_000;
      this.#statusMs = -Infinity;
    }
    if (this.options.watchdogMs !== undefined && this.#looksHealthy()) notice.WATCHDOG = 1;
    if (nowMs - this.#statusMs >= statusEveryMs) {
      this.#statusMs = nowMs;
      notice.STATUS = this.#status(nowMs);
    }
    if (Object.keys(notice).length > 0) notifier.notify(notice);
  }

  /** The node takes records and answers. */
  ready(): void {
    this.#say({ READY: 1 });
  }

  /** A reload begins; `ready` ends it, whatever came of it. */
  reloading(): void {
    const MONOTONIC_USEC = monotonicUsec();
    this.#say({ RELOADING: 1, ...(MONOTONIC_USEC === undefined ? {} : { MONOTONIC_USEC }) });
  }

  /** The node begins to stop. Signs of life go on: closing takes its time. */
  stopping(): void {
    this.#say({ STOPPING: 1 });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #say(notice: Notice): void {
    const nowMs = this.options.monotonicMs();
    this.#statusMs = nowMs;
    this.options.notifier.notify({ ...notice, STATUS: this.#status(nowMs) });
  }

  #looksHealthy(): boolean {
    const { stuckMs } = this.node.ingest;
    const isHealthy = stuckMs < stuckMsMax;
    if (isHealthy !== this.#isHealthy) this.options.onHealth(isHealthy, stuckMs);
    this.#isHealthy = isHealthy;
    return isHealthy;
  }

  /** `ready, 1204 rows/s, 3.1 GiB of 40.0 GiB (8%) used`; `ready, last record 40 s ago, …`; `starting: recovering …`. */
  #status(nowMs: number): string {
    const { phase, reason, recovery, refusal, usage } = this.node;
    const parts = [reason === undefined ? phase : `${phase}: ${reason}`];
    if (phase === "ready" && recovery !== undefined) parts.push(recovery);
    if (phase === "ready") parts.push(this.#rate(nowMs));
    if (usage !== undefined) {
      const { usedBytes, budgetBytes } = usage;
      const percent = budgetBytes === 0 ? "" : ` (${Math.round(100 * usedBytes / budgetBytes)}%)`;
      parts.push(`${bytes(usedBytes)} of ${bytes(budgetBytes)}${percent} used`);
    }
    if (refusal !== undefined) parts.push(`refusing records: ${refusal}`);
    return parts.join(", ");
  }

  #rate(nowMs: number): string {
    const { rows } = this.node.ingest;
    const came = rows - this.#rows;
    const perSecond = came / Math.max(0.001, (nowMs - this.#rowsMs) / 1_000);
    this.#rows = rows;
    this.#rowsMs = nowMs;
    if (came > 0) {
      this.#lastRowMs = nowMs;
      return `${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)} rows/s`;
    }
    return this.#lastRowMs === undefined
      ? "no record yet"
      : `last record ${Math.round((nowMs - this.#lastRowMs) / 1_000)} s ago`;
  }
}

/**
 * What systemd asked of this process in its environment (sd_watchdog_enabled(3)).
 * @returns a time-out of the watchdog only when it is meant for this process
 */
export function supervisionOf(
  node: Supervised,
  environment: Readonly<Record<string, string | undefined>>,
  rest: { pid: number; monotonicMs: () => number; onHealth: SupervisionOptions["onHealth"] },
): Supervision {
  const usec = Number(environment.WATCHDOG_USEC);
  const isOurs = environment.WATCHDOG_PID === undefined || Number(environment.WATCHDOG_PID) === rest.pid;
  return new Supervision(node, {
    notifier: notifierTo(environment.NOTIFY_SOCKET),
    monotonicMs: rest.monotonicMs,
    onHealth: rest.onHealth,
    watchdogMs: usec > 0 && isOurs ? usec / 1_000 : undefined,
  });
}
