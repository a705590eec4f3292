/** Instants as people write them: `15m` ago, `2026-11-23`, `2026-11-23T20:00:00.5Z`, Unix seconds. */
import { OpenWitError } from "../../core/error.ts";
import { parseDuration } from "./parse.ts";

/**
 * Nanoseconds since 1970, exact. A time without a zone is UTC, as all times here are.
 * @param name what to call the value in an error: a flag or a parameter
 * @param nowNs the time that durations count back from
 */
export function parseInstant(text: string, name: string, nowNs: bigint): bigint {
  if (text === "now") return nowNs;
  if (/^[\d.]+(ms|s|m|h|d|w)/.test(text)) {
    return nowNs - BigInt(Math.round(parseDuration(text, name) * 1_000_000));
  }
  if (/^\d{9,10}$/.test(text)) return BigInt(text) * 1_000_000_000n;
  const match = isoPattern.exec(text);
  const ms = match === null ? NaN : Date.parse(`${match[1]}T${match[2] ?? "00:00:00"}${match[4] ?? "Z"}`);
  if (Number.isNaN(ms)) {
    throw new OpenWitError("invalid_argument", `${name} is ${JSON.stringify(text.slice(0, 100))}`, {
      hint: "a duration back such as 15m or 7d, or a time such as 2026-11-23T20:00:00Z",
    });
  }
  return BigInt(ms) * 1_000_000n + BigInt((match![3] ?? "").padEnd(9, "0").slice(0, 9));
}

/** Date, time, fraction, zone: RFC 3339, with a space for the T, seconds and zone optional. */
const isoPattern =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?\s?(Z|[+-]\d\d:?\d\d)?)?$/i;
