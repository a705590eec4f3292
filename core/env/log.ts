/** What the database says of itself, as events with fields; where it goes is the caller's choice. */
export interface Log {
  (level: LogLevel, message: string, fields?: Record<string, unknown>): void;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

export const silentLog: Log = () => {};
