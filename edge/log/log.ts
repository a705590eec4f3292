/**
 * The log of a node: events go to stderr as lines, and the last ones are kept in memory.
 *
 *   log(level, message, fields) ─▶ level ─▶ repeats.ts ─▶ redact.ts ─▶ format.ts ─▶ stderr
 *                                                             ├─▶ the last lines, for a support bundle
 *                                                             └─▶ listeners (tenant _system)
 *
 * Invariants: (1) no secret passes the redactor, and nothing goes round it. (2) Lines leave in the order of the calls.
 * (3) Logging never throws, and never waits: who logs has other things to do.
 */
import { fstatSync } from "node:fs";
import process from "node:process";
import type { Clock } from "../../core/env/clock.ts";
import { systemClock } from "../../core/env/clock.ts";
import type { Log, LogLevel } from "../../core/env/log.ts";
import { formatEvent, type LogEvent, type LogFormat, plainValue } from "./format.ts";
import { Redactor } from "./redact.ts";
import { type Repeated, Repeats } from "./repeats.ts";

export const logLevels = ["error", "warn", "info", "debug"] as const satisfies readonly LogLevel[];
export const logFormats = ["auto", "text", "json"] as const satisfies readonly LogFormat[];

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

export interface LogEnv {
  readonly write: (line: string) => void;
  readonly clock: Clock;
  /** Whether journald reads what is written. */
  readonly isJournald: boolean;
}

/** Lines that are kept in memory. */
export const recentLinesMax = 1_000;

/** Of a message or a field: a stack or a statement may be long, and a thousand of them are kept. */
const textLengthMax = 4_096;

export class NodeLog {
  /** Events below it are dropped; may be set at any time. */
  level: LogLevel;
  format: LogFormat;
  readonly redactor = new Redactor();
  /** Told of each event that was written; must not throw, and must not log. */
  readonly listeners = new Set<(event: LogEvent) => void>();
  /** Lines by level, and those that were only counted because they had come again and again. */
  readonly counts = { error: 0, warn: 0, info: 0, debug: 0, repeated: 0 };
  readonly #repeats = new Repeats();
  readonly #recent: LogEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ level, format }: LogOptions, readonly env: LogEnv = stderrEnv()) {
    this.level = level;
    this.format = format;
  }

  readonly log: Log = (level, message, fields = {}) => {
    if (logLevels.indexOf(level) > logLevels.indexOf(this.level)) return;
    const nowMs = this.env.clock.monotonicMs();
    this.#tellOf(this.#repeats.over(nowMs));
    if (this.#repeats.admits(level, message, nowMs)) return this.#emit(level, message, fields);
    this.counts.repeated++;
    this.#timer ??= this.#tellLater();
  };

  /** Whether people read stderr as it is: a program that reads it wants one line an event and nothing else. */
  get isForPeople(): boolean {
    return this.format !== "json" && !this.env.isJournald;
  }

  /** The last lines, oldest first, without secrets. */
  recent(): readonly LogEvent[] {
    return [...this.#recent];
  }

  /** Tells of what was held back until now. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tellOf(this.#repeats.over(Infinity));
  }

  #emit(level: LogLevel, message: string, fields: Record<string, unknown>): void {
    const event: LogEvent = {
      timeMs: Number(this.env.clock.nowNs() / 1_000_000n),
      level,
      message: cut(this.redactor.text(bounded(message))),
      fields: Object.fromEntries(
        Object.entries(fields).filter(([, value]) => value !== undefined)
          .map(([name, value]) => [name, this.#field(name, value)]),
      ),
    };
    this.counts[level]++;
    this.#recent.push(event);
    if (this.#recent.length > recentLinesMax) this.#recent.shift();
    this.env.write(formatEvent(event, this.format, this.env.isJournald));
    for (const listener of this.listeners) listener(event);
  }

  #field(name: string, value: unknown): LogEvent["fields"][string] {
    const isPlainObject = typeof value === "object" && value !== null && !(value instanceof Error);
    const plain = plainValue(isPlainObject ? this.redactor.value(name, value) : value);
    const shown = this.redactor.value(name, typeof plain === "string" ? bounded(plain) : plain);
    return typeof shown === "string" ? cut(shown) : shown as LogEvent["fields"][string];
  }

  #tellOf(repeated: readonly Repeated[]): void {
    for (const { level, message, times, windowMs } of repeated) {
      this.#emit(level, `repeated ${times.toLocaleString("en")} more times: ${message}`, {
        repeated: times,
        within_seconds: windowMs / 1_000,
      });
    }
  }

  /** For when nothing is logged afterwards. */
  #tellLater(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.#timer = undefined;
      this.#tellOf(this.#repeats.over(this.env.clock.monotonicMs()));
    }, this.#repeats.limits.windowMs + 1);
    timer.unref?.();
    return timer;
  }
}

/** What commands other than `serve` say of their work. */
export function stderrLog(): Log {
  return new NodeLog({ level: "info", format: "auto" }).log;
}

function stderrEnv(): LogEnv {
  // Whoever read it has gone (openwit serve 2>&1 | head): the lines are lost, and the server lives on.
  process.stderr.on("error", () => {});
  return {
    write: (line) => void process.stderr.write(line),
    clock: systemClock,
    isJournald: isJournal(process.env.JOURNAL_STREAM, fstatSync),
  };
}

/** Whether stderr is the stream that systemd says goes to the journal: a redirected one inherits the variable too. */
export function isJournal(
  stream: string | undefined,
  stat: (descriptor: number) => { dev: number; ino: number },
): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = stat(2);
    return stream === `${dev}:${ino}`;
  } catch {
    return false; // stderr is closed: nobody reads
  }
}

/** Before the redactor, for its time's sake; twice as long as what is shown, so that no secret is cut in half. */
function bounded(text: string): string {
  return text.slice(0, 2 * textLengthMax);
}

function cut(text: string): string {
  return text.length <= textLengthMax ? text : `${text.slice(0, textLengthMax)}…`;
}
