/** An event of the log as one line: text for people, JSON for programs, each with journald's priority where it reads. */
import type { LogLevel } from "../../core/env/log.ts";
import { OpenWitError } from "../../core/error.ts";

/** Redacted, and made of JSON's types alone. */
export interface LogEvent {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

export type LogFormat = "auto" | "text" | "json";

/** syslog priorities, which journald takes from a "<n>" prefix (systemd, sd-daemon(3)). */
const priorities: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** @param isJournald whether journald reads: it wants the priority, and has a time of its own */
export function formatEvent(event: LogEvent, format: LogFormat, isJournald: boolean): string {
  const { timeMs, level, message, fields } = event;
  const priority = isJournald ? `<${priorities[level]}>` : "";
  const time = new Date(timeMs).toISOString();
  if (format === "json") {
    const own = { time, level, message };
    const others = Object.entries(fields).map((
      [name, value],
    ) => [name in own ? `${name}_field` : name, value]);
    return `${priority}${JSON.stringify({ ...own, ...Object.fromEntries(others) })}\n`;
  }
  const head = isJournald && format === "auto" ? "" : `${time} ${level.padEnd(5)} `;
  const rest = Object.entries(fields).map(([name, value]) =>
    ` ${name}=${typeof value === "string" ? JSON.stringify(value) : value}`
  ).join("");
  // One event is one line, whatever a message holds: nobody else's text begins a line of ours.
  return `${priority}${head}${message.replaceAll(/[\r\n]+/g, " ")}${rest}\n`;
}

/** A field's value in JSON's types; errors by what they say. */
export function plainValue(value: unknown): string | number | boolean | null {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return String(value);
    case "undefined":
      return null;
  }
  if (value === null) return null;
  if (value instanceof OpenWitError) {
    const cause = value.code === "internal" && value.cause instanceof Error ? ` (${value.cause.stack})` : "";
    return `${value.code}: ${value.message}${value.hint ? ` · ${value.hint}` : ""}${cause}`;
  }
  if (value instanceof Error) return value.stack ?? value.message;
  return JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? String(inner) : inner) ??
    String(value);
}
