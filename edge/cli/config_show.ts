/** `openwit config show`: every key with its value and where that came from, as a start here and now would have it. */
import process from "node:process";
import { shown } from "../config/diff.ts";
import { readInputs } from "../config/files.ts";
import { type ConfigKey, configKeyNames, configKeys } from "../config/keys.ts";
import { loadConfiguration, type Settings, type Source } from "../config/settings.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import { serveFlags } from "./serve_flags.ts";
import { renderTable } from "./table.ts";

/** A key as people and tools are told of it. */
export interface ShownSetting {
  readonly key: string;
  readonly value: string;
  readonly source: Source;
  readonly reload: "live" | "restart";
}

export async function showConfig(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(
    args,
    { ...serveFlags, json: { type: "boolean" } },
    "config show",
  );
  refuseArguments(positionals, "config show");
  const inputs = await readInputs(values, process.env);
  const { settings } = await loadConfiguration(inputs);
  const document = {
    file: inputs.file?.path,
    overlay: inputs.overlay?.path,
    settings: shownSettings(settings),
  };
  process.stdout.write(values.json ? JSON.stringify(document) + "\n" : describe(document));
  return 0;
}

export function shownSettings(settings: Settings): ShownSetting[] {
  return configKeyNames.map((key) => ({
    key,
    value: shown(key, settings[key]),
    source: settings[key].source,
    reload: (configKeys[key] as ConfigKey).reload,
  }));
}

interface ShownConfig {
  readonly file?: string;
  readonly overlay?: string;
  readonly settings: readonly ShownSetting[];
}

function describe({ file, overlay, settings }: ShownConfig): string {
  const columns = ["key", "value", "from"].map((name) => ({ name, type: "VARCHAR" }));
  const rows = settings.map(({ key, value, source }) => [key, value, describeSource(source)]);
  const files = [file ?? "no file", ...overlay === undefined ? [] : [overlay]].join(", ");
  return `${renderTable(columns, rows, process.stdout.columns ?? 160)}\n${files}\n`;
}

function describeSource(source: Source): string {
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
