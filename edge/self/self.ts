/**
 * What a node says of itself, stored as tenant `_system`: its log as it comes, its metrics every so often, so that a
 * box explains what happened to it without anything beside it.
 *
 * It goes the way of every request, through the WAL and the budgets, and is bounded by a retention and bytes of its
 * own (core/budget/eviction.ts).
 *
 * Invariants: (1) nothing waits for it, and nothing of it fails the node. (2) What is refused is dropped and counted:
 * samples at once, for the next one says as much; lines of the log when newer ones need their room. (3) Taking it logs
 * nothing; where a failed write is logged by others, it is not tried again before the next interval.
 */
import type { Clock } from "../../core/env/clock.ts";
import { toOpenWitError } from "../../core/error.ts";
import type { Ingest } from "../../core/ingest/request.ts";
import type { Metrics } from "../../core/metrics/metrics.ts";
import { systemTenant } from "../../core/tenant.ts";
import type { LogEvent } from "../log/format.ts";
import { logsRequest, metricsRequest, type Resource, type SelfRequest } from "./otlp.ts";

export interface SelfEnv {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly ingest: Ingest;
  readonly resource: () => Resource;
}

/** Lines that wait for the store: what a start with a large WAL may say, and some minutes of a full disk. */
export const waitingLinesMax = 2_000;

/** A warning is stored soon: what comes after it may be the end. */
const urgentMs = 5_000;

/** A node that stops waits no longer for its last words. */
const stopMsMax = 2_000;

export class SelfTelemetry {
  readonly #startMs: number;
  #waiting: LogEvent[] = [];
  #sampleDueMs = Infinity;
  #logsDueMs = Infinity;
  #isFailing = false;
  #intervalMs = 0;
  #wake: (() => void) | undefined;
  #stopping: AbortController | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(readonly env: SelfEnv, intervalMs: number) {
    this.#startMs = this.#wallMs();
    this.intervalMs = intervalMs;
  }

  /** Between samples; 0: nothing is stored. May be set at any time. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  set intervalMs(ms: number) {
    if (ms === this.#intervalMs) return;
    this.#intervalMs = ms;
    const isOn = ms > 0;
    if (!isOn) this.#waiting = [];
    this.#sampleDueMs = isOn ? this.env.clock.monotonicMs() + ms : Infinity;
    this.#logsDueMs = this.#sampleDueMs;
    this.#wake?.();
  }

  /** What has become of it since the start. */
  status(): { interval_seconds: number; logs: number; points: number; dropped: number } {
    const { metrics } = this.env;
    return {
      interval_seconds: this.#intervalMs / 1_000,
      logs: metrics.total("openwit_self_records_total", { signal: "logs" }),
      points: metrics.total("openwit_self_records_total", { signal: "metrics" }),
      dropped: metrics.total("openwit_self_dropped_total"),
    };
  }

  /** Takes a line of the log; it is stored later. */
  readonly hear = (event: LogEvent): void => {
    if (this.#intervalMs === 0) return;
    this.#waiting.push(event);
    if (this.#waiting.length > waitingLinesMax) {
      this.#waiting.shift();
      this.#dropped("logs", 1, "waiting");
    }
    if (this.#isFailing || event.level === "info" || event.level === "debug") return;
    const dueMs = this.env.clock.monotonicMs() + urgentMs;
    if (dueMs >= this.#logsDueMs) return;
    this.#logsDueMs = dueMs;
    this.#wake?.();
  };

  /** Stores in the background until `stop`. */
  start(): void {
    this.#stopping = new AbortController();
    this.#loop = this.#run(this.#stopping.signal);
  }

  /** Stores what was said last, if that takes no time. */
  async stop(): Promise<void> {
    this.#stopping?.abort();
    this.#wake?.();
    const last = this.#loop.then(() => this.#storeLogs());
    const given = new AbortController();
    const tooLong = this.env.clock.sleep(stopMsMax, given.signal).catch(() => {}); // aborted: it was stored in time
    await Promise.race([last, tooLong]);
    given.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.env;
    while (!signal.aborted) {
      const nowMs = clock.monotonicMs();
      if (nowMs >= this.#logsDueMs) await this.#storeLogs();
      if (nowMs >= this.#sampleDueMs) {
        this.#sampleDueMs += Math.ceil((nowMs - this.#sampleDueMs + 1) / this.#intervalMs) * this.#intervalMs;
        await this.#storeSample();
      }
      await this.#sleep(Math.min(this.#sampleDueMs, this.#logsDueMs) - clock.monotonicMs(), signal);
    }
  }

  /** Until then, or until woken. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || signal.aborted) return;
    const stop = new AbortController();
    const woken = new Promise<void>((resolve) => this.#wake = resolve);
    const asleep = ms === Infinity ? [] : [
      this.env.clock.sleep(ms, AbortSignal.any([signal, stop.signal])).catch(() => {}), // woken or stopping
    ];
    await Promise.race([woken, ...asleep]);
    this.#wake = undefined;
    stop.abort();
  }

  async #storeLogs(): Promise<void> {
    const lines = this.#waiting;
    this.#logsDueMs = this.#intervalMs === 0 ? Infinity : this.env.clock.monotonicMs() + this.#intervalMs;
    if (lines.length === 0) return;
    this.#waiting = [];
    const refused = await this.#store(() => logsRequest(this.env.resource(), lines));
    if (refused === undefined) return;
    const kept = refused.isRetryable ? [...lines, ...this.#waiting].slice(-waitingLinesMax) : this.#waiting;
    this.#dropped("logs", lines.length + this.#waiting.length - kept.length, refused.reason);
    this.#waiting = kept;
  }

  async #storeSample(): Promise<void> {
    const { metrics, resource } = this.env;
    let records = 0;
    const refused = await this.#store(() => {
      const request = metricsRequest(resource(), metrics, this.#wallMs(), this.#startMs);
      records = request.records;
      return request;
    });
    if (refused !== undefined) this.#dropped("metrics", records, refused.reason);
  }

  /** Why it was refused; `undefined` when it was taken. */
  async #store(make: () => SelfRequest): Promise<{ reason: string; isRetryable: boolean } | undefined> {
    try {
      const { signal, records, body } = make();
      await this.env.ingest({
        tenant: systemTenant,
        signal,
        protocol: "otlp-http",
        encoding: "protobuf",
        body,
        wire: body,
        compression: "identity",
      });
      this.#isFailing = false;
      this.env.metrics.add("openwit_self_records_total", records, { signal });
    } catch (thrown) {
      const { code, retryable } = toOpenWitError(thrown);
      this.#isFailing = true;
      return { reason: code, isRetryable: retryable };
    }
  }

  #dropped(signal: "logs" | "metrics", records: number, reason: string): void {
    if (records > 0) this.env.metrics.add("openwit_self_dropped_total", records, { signal, reason });
  }

  #wallMs(): number {
    return Number(this.env.clock.nowNs() / 1_000_000n);
  }
}
