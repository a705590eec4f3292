/**
 * Runs the demo: generates the shop's telemetry (shop.ts), first of the past when asked, then live, second by
 * second, and sends it over real OTLP (send.ts).
 *
 * Back-pressure: at most `concurrency` requests are under way, and none is made while they are; live seconds that
 * the server cannot take in time come late, and none is left out.
 */
import process from "node:process";
import { systemClock } from "../../core/env/clock.ts";
import { seededRandom } from "../../core/env/random.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import type { Signal } from "../../core/model/columns.ts";
import { type Incident, incidentsBetween } from "./incidents.ts";
import { progressReporter } from "./progress.ts";
import { isRefused, otlpClient, sendWithRetry } from "./send.ts";
import { type Batch, Shop } from "./shop.ts";

export interface DemoOptions {
  /** `http://host:port`. */
  readonly endpoint: string;
  readonly protocol: "grpc" | "http";
  readonly compression: "none" | "gzip";
  readonly tenant?: string;
  readonly seed: number;
  /** Records a second of generated time. */
  readonly rate: number;
  /** How long to send live; 0 for not at all, Infinity until aborted. */
  readonly durationMs: number;
  /** How much of the past to send first. */
  readonly backfillMs: number;
  readonly signals: readonly Signal[];
  /** Requests under way at once. */
  readonly concurrency: number;
  /** How long one request is tried again while the server cannot be reached or is busy. */
  readonly retryMs: number;
}

/** Where the command line talks; all that the demo says is progress, and goes to stderr. */
export interface DemoIo {
  write(text: string): void;
  /** Whether a line may be rewritten in place. */
  readonly isTty: boolean;
}

export interface DemoSummary {
  /** Records of requests that were begun. */
  sent: number;
  acknowledged: number;
  /** Records refused within requests that were otherwise taken (OTLP's partial success). */
  rejected: number;
  /** Records of requests that failed for good. */
  failed: number;
  requests: number;
  retries: number;
  bytes: number;
  /** By signal, acknowledged. */
  readonly bySignal: Record<Signal, number>;
  /** Unix milliseconds of the first and the end of the last generated second. */
  fromMs: number;
  toMs: number;
  /** Monotonic time that it all took. */
  elapsedMs: number;
  /** Whether it was stopped before it was done. */
  aborted: boolean;
  /** What the last failed request, or a partial success, said. */
  lastError: OpenWitError | undefined;
  readonly incidents: Incident[];
}

/**
 * Sends until it is done or `abort` says stop; what is under way then is still waited for.
 * @throws OpenWitError when nothing at all could be sent
 */
export async function runDemo(options: DemoOptions, io: DemoIo, abort?: AbortSignal): Promise<DemoSummary> {
  const clock = systemClock;
  const client = otlpClient({ ...options, timeoutMs: 30_000 });
  const shop = new Shop(options);
  const random = seededRandom(options.seed ^ 0x7e7c);
  const beganMs = clock.monotonicMs();
  const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
  const summary: DemoSummary = {
    sent: 0,
    acknowledged: 0,
    rejected: 0,
    failed: 0,
    requests: 0,
    retries: 0,
    bytes: 0,
    bySignal: { logs: 0, spans: 0, metrics: 0 },
    fromMs: nowMs - Math.ceil(options.backfillMs / 1_000) * 1_000,
    toMs: nowMs,
    elapsedMs: 0,
    aborted: false,
    lastError: undefined,
    incidents: [],
  };
  const expected = options.rate * (options.backfillMs + options.durationMs) / 1_000;
  const progress = progressReporter(io, summary, expected, clock);
  const underWay = new Set<Promise<void>>();
  let hasWaited = false;
  // a first refusal ends it all: a server that never was there will not come by waiting
  const hopeless = new AbortController();
  const stop = abort === undefined ? hopeless.signal : AbortSignal.any([abort, hopeless.signal]);

  const send = async ({ signal, body, records }: Batch) => {
    summary.requests++;
    summary.sent += records;
    try {
      const { rejected, message } = await sendWithRetry(client, signal, body, {
        maxElapsedMs: options.retryMs,
        clock,
        random,
        abort: stop,
        onRetry: (error) => {
          if (isRefused(error) && summary.acknowledged === 0) hopeless.abort(error);
          summary.retries++;
          if (hasWaited || summary.acknowledged > 0 || clock.monotonicMs() - beganMs < quietMs) return;
          hasWaited = true;
          io.write(`nothing is acknowledged yet: ${error.message}; it is tried again\n`);
        },
      });
      summary.acknowledged += records - rejected;
      summary.rejected += rejected;
      summary.bytes += body.length;
      summary.bySignal[signal] += records - rejected;
      if (rejected > 0) summary.lastError = new OpenWitError("invalid_argument", message);
    } catch (thrown) {
      summary.failed += records;
      if (!stop.aborted) summary.lastError = toOpenWitError(thrown);
      // what cannot be sent once for lack of rights or form will not go through later
      if (summary.acknowledged === 0 && !stop.aborted) hopeless.abort(summary.lastError);
    }
  };

  const sendAll = async (fromMs: number, toMs: number) => {
    for (const batch of shop.generate(fromMs, toMs)) {
      while (underWay.size >= options.concurrency) await Promise.race(underWay);
      if (stop.aborted) return;
      const sending = send(batch).finally(() => underWay.delete(sending));
      underWay.add(sending);
      progress.tick();
    }
    summary.toMs = toMs;
  };

  try {
    await sendAll(summary.fromMs, nowMs);
    const endMs = nowMs + Math.ceil(options.durationMs / 1_000) * 1_000;
    for (let second = nowMs; second < endMs && !stop.aborted; second += 1_000) {
      await sleepUntil(second + 1_000, stop);
      if (!stop.aborted) await sendAll(second, second + 1_000);
      progress.tick();
    }
    await Promise.all(underWay);
  } finally {
    progress.end();
    client.close();
  }
  if (hopeless.signal.aborted) throw hopeless.signal.reason;
  summary.elapsedMs = clock.monotonicMs() - beganMs;
  summary.aborted = abort?.aborted ?? false;
  summary.incidents.push(...incidentsBetween(options.seed, summary.fromMs, summary.toMs));
  return summary;
}

/** Nobody should look at a silent terminal for longer, and wonder. */
const quietMs = 3_000;

async function sleepUntil(wallMs: number, abort: AbortSignal): Promise<void> {
  const waitMs = wallMs - Date.now();
  if (waitMs <= 0 || abort.aborted) return;
  await systemClock.sleep(waitMs, abort).catch(() => {}); // stopped: the caller looks at the signal
}

/** The terminal of this process, on the side where progress belongs. */
export const stderrIo: DemoIo = {
  write: (text) => void process.stderr.write(text),
  get isTty() {
    return process.stderr.isTTY === true;
  },
};
