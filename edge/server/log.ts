/** The node's own log: one line of text an event on stderr, with journald's priority where journald reads it. */
import process from "node:process";
import type { Log, LogLevel } from "../../core/env/log.ts";
import { OpenWitError } from "../../core/error.ts";

/** syslog priorities, which journald takes from a "<n>" prefix (systemd, sd-daemon(3)). */
const priorities: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

export function stderrLog(stream: NodeJS.WritableStream): Log {
  const journald = process.env.JOURNAL_STREAM !== undefined;
  return (level, message, fields = {}) => {
    if (level === "debug") return;
    const prefix = journald ? `<${priorities[level]}>` : `${new Date().toISOString()} ${level.padEnd(5)} `;
    const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${text(value)}`).join("");
    stream.write(`${prefix}${message}${rest}\n`);
  };
}

function text(value: unknown): string {
  if (value instanceof OpenWitError) {
    const cause = value.code === "internal" && value.cause instanceof Error ? ` (${value.cause.stack})` : "";
    return JSON.stringify(`${value.code}: ${value.message}${value.hint ? ` · ${value.hint}` : ""}${cause}`);
  }
  if (value instanceof Error) return JSON.stringify(value.stack ?? value.message);
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
