/**
 * Keeps a message that comes again and again from filling the disk of whoever keeps the log: in each window the first
 * few are let through, and when it ends the others are told of by their number.
 */
import type { LogLevel } from "../../core/env/log.ts";

/** What was held back in a window that is over. */
export interface Repeated {
  readonly level: LogLevel;
  readonly message: string;
  readonly times: number;
  readonly windowMs: number;
}

interface Window {
  readonly level: LogLevel;
  readonly message: string;
  readonly endsMs: number;
  passed: number;
  held: number;
}

export interface RepeatLimits {
  readonly windowMs: number;
  /** Of one message and level in a window. */
  readonly linesMax: number;
}

export const defaultRepeatLimits: RepeatLimits = { windowMs: 10_000, linesMax: 10 };

export class Repeats {
  readonly #windows = new Map<string, Window>();

  constructor(readonly limits: RepeatLimits = defaultRepeatLimits) {}

  /** Whether this one is let through. Ask `over` first. */
  admits(level: LogLevel, message: string, nowMs: number): boolean {
    const key = `${level} ${message}`;
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = { level, message, endsMs: nowMs + this.limits.windowMs, passed: 0, held: 0 };
      this.#windows.set(key, window);
    }
    if (window.passed < this.limits.linesMax) {
      window.passed++;
      return true;
    }
    window.held++;
    return false;
  }

  /** Ends the windows whose time is over, or all; returns what they held back. */
  over(nowMs: number): Repeated[] {
    const repeated: Repeated[] = [];
    for (const [key, { level, message, endsMs, held }] of this.#windows) {
      if (endsMs > nowMs) continue;
      this.#windows.delete(key);
      if (held > 0) repeated.push({ level, message, times: held, windowMs: this.limits.windowMs });
    }
    return repeated;
  }
}
