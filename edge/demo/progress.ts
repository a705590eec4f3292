/** The progress of a demo: one line that is rewritten on a terminal, a plain line now and then elsewhere. */
import type { Clock } from "../../core/env/clock.ts";
import type { DemoIo, DemoSummary } from "./demo.ts";

export interface ProgressReporter {
  /** Shows how it stands, when it is time to. */
  tick(): void;
  end(): void;
}

/** @param expected records in all, for the time left; Infinity when there is no end */
export function progressReporter(
  io: DemoIo,
  summary: Readonly<DemoSummary>,
  expected: number,
  clock: Clock,
): ProgressReporter {
  const beganMs = clock.monotonicMs();
  const everyMs = io.isTty ? 200 : 5_000;
  let shownMs = beganMs, shownAcknowledged = 0, rate = 0, width = 0;
  return {
    tick() {
      const nowMs = clock.monotonicMs();
      if (nowMs - shownMs < everyMs) return;
      const current = (summary.acknowledged - shownAcknowledged) / (nowMs - shownMs) * 1_000;
      rate = rate === 0 ? current : rate * 0.8 + current * 0.2;
      [shownMs, shownAcknowledged] = [nowMs, summary.acknowledged];
      const line = describe(summary, rate, expected);
      if (!io.isTty) return io.write(`${line}\n`);
      io.write(`\r${line.padEnd(width)}`);
      width = line.length;
    },
    end() {
      if (io.isTty && width > 0) io.write(`\r${" ".repeat(width)}\r`);
    },
  };
}

/** Digits in groups of three, as people read them. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** `1h 4m`, `3m 20s`, `12s`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  return `${Math.floor(seconds / 3_600)}h ${Math.floor(seconds % 3_600 / 60)}m`;
}

function describe(summary: Readonly<DemoSummary>, rate: number, expected: number): string {
  const bad = summary.failed + summary.rejected;
  const left = Math.max(0, expected - summary.acknowledged) / rate * 1_000;
  return `sent ${count(summary.sent)} · acknowledged ${count(summary.acknowledged)} · ${count(rate)}/s` +
    ` · errors ${count(bad)}${summary.retries > 0 ? ` · retries ${count(summary.retries)}` : ""}` +
    (Number.isFinite(left) ? ` · ${duration(left)} left` : "");
}
