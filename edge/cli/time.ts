/** Instants as people write them: `15m` ago, `2026-11-23`, `2026-11-23T20:00:00Z`, Unix seconds. */
import { OpenWitError } from "../../core/error.ts";
import { parseDuration } from "../config/parse.ts";

/** ISO 8601 in UTC. @param nowMs Unix milliseconds that durations count back from */
export function parseInstant(text: string, flag: string, nowMs: number): string {
  if (/^[\d.]+(ms|s|m|h|d|w)/.test(text)) return new Date(nowMs - parseDuration(text, flag)).toISOString();
  if (/^\d{9,10}$/.test(text)) return new Date(Number(text) * 1_000).toISOString();
  // A time without a zone is UTC, as all times here are.
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text) || /^\d{4}-\d\d-\d\d$/.test(text) ? text : `${text}Z`;
  const ms = Date.parse(zoned.replace(" ", "T"));
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(ms)) return new Date(ms).toISOString();
  throw new OpenWitError("invalid_argument", `${flag} is ${JSON.stringify(text)}`, {
    hint: "a duration back such as 15m or 7d, or a time such as 2026-11-23T20:00:00Z",
  });
}
