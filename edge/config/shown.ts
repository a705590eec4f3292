/** Settings as the API and the command line show them: no secret, and where each came from. */
import { shown } from "./diff.ts";
import { type ConfigKey, type ConfigKeyName, configKeyNames, configKeys } from "./keys.ts";
import type { Settings, Source } from "./settings.ts";

/** A key as people and tools are told of it. */
export interface ShownSetting {
  readonly key: ConfigKeyName;
  readonly value: string;
  readonly source: Source;
  readonly reload: ConfigKey["reload"];
}

export function shownSettings(settings: Settings): ShownSetting[] {
  return configKeyNames.map((key) => ({
    key,
    value: shown(key, settings[key]),
    source: settings[key].source,
    reload: configKeys[key].reload,
  }));
}

export function describeSource(source: Source): string {
  switch (source.kind) {
    case "flag":
    case "environment":
      return source.name;
    case "file":
    case "overlay":
      return `${source.path}:${source.line}`;
    case "last_good":
      return `the last good configuration, ${source.path}`;
    case "default":
      return "default";
  }
}
