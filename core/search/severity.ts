/** Severities as people name them, and the SeverityNumbers that they stand for (OpenTelemetry logs data model). */
import { OpenWitError } from "../error.ts";

/** Each level's four numbers, least first. */
const firstNumbers = { trace: 1, debug: 5, info: 9, warn: 13, error: 17, fatal: 21 } as const;

export type Level = keyof typeof firstNumbers | "unset";

/** Most severe first; `unset` is number 0. */
export const levels: readonly Level[] = ["fatal", "error", "warn", "info", "debug", "trace", "unset"];

const otherNames: Readonly<Record<string, Level>> = { warning: "warn", err: "error", critical: "fatal" };

/** Both ends included. */
export interface SeverityRange {
  readonly min: number;
  readonly max: number;
}

/**
 * `warn` or `13`: at least; `=warn`: that level's four numbers; `=13`: that number.
 * @param name what to call the value in an error
 */
export function parseSeverity(text: string, name: string): SeverityRange {
  const isExact = text.startsWith("=");
  const word = text.replace(/^=/, "").trim().toLowerCase();
  if (/^\d{1,2}$/.test(word) && Number(word) <= 24) {
    return { min: Number(word), max: isExact ? Number(word) : 24 };
  }
  const level = Object.hasOwn(otherNames, word) ? otherNames[word] : word;
  if (level === "unset") return { min: 0, max: isExact ? 0 : 24 };
  if (Object.hasOwn(firstNumbers, level)) {
    const min = firstNumbers[level as keyof typeof firstNumbers];
    return { min, max: isExact ? min + 3 : 24 };
  }
  throw new OpenWitError("invalid_argument", `${name} is ${JSON.stringify(text.slice(0, 60))}`, {
    hint:
      "a level (trace, debug, info, warn, error, fatal) or a number from 0 to 24: at least that; =warn: just that",
  });
}

export function levelOf(number: number): Level {
  if (!(number >= 1 && number <= 24)) return "unset";
  return levels[5 - Math.floor((number - 1) / 4)];
}
