/** What differs between two configurations, by value and not by how it is written: `60s` is `1m`. */
import { type ConfigKey, type ConfigKeyName, configKeyNames, configKeys } from "./keys.ts";
import type { Setting, Settings } from "./settings.ts";

export interface Change {
  readonly key: ConfigKeyName;
  readonly from: string;
  readonly to: string;
  /** What a reload does with it. */
  readonly applied: "live" | "restart_needed";
}

export function diffSettings(from: Settings, to: Settings): Change[] {
  return configKeyNames.filter((key) => !isSame(from[key], to[key])).map((key) => ({
    key,
    from: shown(key, from[key]),
    to: from[key].text === to[key].text
      ? `${shown(key, to[key])} (it holds another one)`
      : shown(key, to[key]),
    applied: (configKeys[key] as ConfigKey).reload === "live" ? "live" : "restart_needed",
  }));
}

export function isSame(a: Setting, b: Setting): boolean {
  return JSON.stringify(a.value) === JSON.stringify(b.value);
}

/** A value as it may be shown: of a secret only that there is one, or the file that holds it. */
export function shown(key: ConfigKeyName, { text }: Pick<Setting, "text">): string {
  const { secret } = configKeys[key] as ConfigKey;
  return secret && text !== "" && !text.startsWith("file://") ? maskedText : text;
}

export const maskedText = "(secret)";

/** `storage.budget: 80% → 10GB`, one a line. */
export function describeChanges(changes: readonly Change[]): string[] {
  const width = Math.max(0, ...changes.map(({ key }) => key.length));
  return changes.map(({ key, from, to, applied }) =>
    `${key.padEnd(width)}  ${from || '""'} → ${to || '""'}${applied === "live" ? "" : "  (needs a restart)"}`
  );
}
