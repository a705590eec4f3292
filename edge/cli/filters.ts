/** Flags that say which records, the same for every command that looks for some. */
import { systemClock } from "../../core/env/clock.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import { parseFieldValue, type RecordFilter } from "../../core/search/filter.ts";
import { parseSeverity } from "../../core/search/severity.ts";
import { parseInstant } from "../config/instant.ts";
import type { ParsedFlags } from "./flags.ts";

export const filterFlags = {
  service: { type: "string", multiple: true },
  severity: { type: "string" },
  field: { type: "string", multiple: true },
  grep: { type: "string" },
} as const;

export const filterUsage = `  --service NAME         only this service (may be repeated: any of them)
  --severity LEVEL       at least this level (warn) or number (13); =warn for exactly it
  --field KEY=VALUE      a column or an attribute has this value (may be repeated: all of them)
  --grep TEXT            the text contains TEXT exactly as it is, inside of words too`;

export const timeFlags = { since: { type: "string" }, until: { type: "string" } } as const;

export const timeUsage =
  `  --since TIME           only records at or after: a duration back (15m, 7d) or a time (2026-11-23T20:00:00Z)
  --until TIME           only records before`;

/** What the flags and the text say; wrong values are refused before anybody is asked. */
export function filterOf(values: ParsedFlags["values"], query: string): RecordFilter {
  const { service, severity, field, grep } = values as Record<string, string | string[] | undefined>;
  return {
    query: query.trim() === "" ? undefined : query,
    grep: grep as string | undefined,
    services: service as string[] | undefined ?? [],
    severity: severity === undefined ? undefined : parseSeverity(String(severity), "--severity"),
    fields: (field as string[] | undefined ?? []).map((each) => parseFieldValue(each, "--field")),
  };
}

/** The same as the parameters of an API's request. */
export function filterParametersOf(
  values: ParsedFlags["values"],
  query: string,
): Record<string, string | string[]> {
  filterOf(values, query);
  const { service, severity, field, grep } = values as Record<string, string | string[] | undefined>;
  const given = { query: query.trim() === "" ? undefined : query, service, severity, field, grep };
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => value === undefined ? [] : [[name, value]]),
  );
}

/** `since` and `until` as exact times. */
export function timeParametersOf(values: ParsedFlags["values"]): { since?: string; until?: string } {
  const nowNs = systemClock.nowNs();
  const instant = (name: "since" | "until") =>
    values[name] === undefined
      ? undefined
      : isoTimestamp(parseInstant(String(values[name]), `--${name}`, nowNs));
  return { since: instant("since"), until: instant("until") };
}
