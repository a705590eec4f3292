/**
 * What each key is set to, and by whom: flag, environment variable, overlay, file, default, in this order.
 *
 * Everything is read and checked before anything opens. All that is wrong is found, each with the place where it stands;
 * a value of a secret is never in a message.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { OpenWitError } from "../../core/error.ts";
import { type Config, configOf, configProblems } from "./config.ts";
import { type ConfigKey, type ConfigKeyName, configKeyNames, configKeys } from "./keys.ts";
import { type ConfigValue, type ConfigValues, parseValue } from "./values.ts";
import { type ConfigFile, type Environment, readConfigFile, unknownKey } from "./yaml.ts";

export interface ConfigInputs {
  /** By flag name, without dashes. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly environment: Environment;
  readonly file?: ConfigFile;
  /** What is laid over the file, key by key. */
  readonly overlay?: ConfigFile;
}

export type Source =
  | { readonly kind: "flag" | "environment"; readonly name: string }
  | { readonly kind: "file" | "overlay"; readonly path: string; readonly line: number }
  | { readonly kind: "last_good"; readonly path: string }
  | { readonly kind: "default" };

export interface Setting {
  /** As it was written; of a secret perhaps the file that holds it. */
  readonly text: string;
  readonly source: Source;
  readonly value: ConfigValue;
}

export type Settings = Readonly<Record<ConfigKeyName, Setting>>;

/** A configuration that is whole and right. */
export interface Configuration {
  readonly settings: Settings;
  readonly config: Config;
}

export type Reading = { readonly problems: readonly OpenWitError[]; readonly configuration?: Configuration };

/** @returns a configuration, or all that is wrong */
export async function readConfiguration(inputs: ConfigInputs): Promise<Reading> {
  const { flags, environment } = inputs;
  const overlay = await readLayer("overlay", inputs.overlay, environment);
  const file = await readLayer("file", inputs.file, environment);
  const problems = [...file.problems, ...overlay.problems, ...unknownVariables(environment)];
  const settings: Partial<Record<ConfigKeyName, Setting>> = {};
  const wrong = new Set<ConfigKeyName>();
  for (const key of configKeyNames) {
    const { flag } = configKeys[key] as ConfigKey;
    const written = [
      ofFlag(flag, flags),
      ofVariable(key, environment),
      overlay.settings.get(key),
      file.settings.get(key),
      { text: configKeys[key].default, source: { kind: "default" } as const },
    ].filter((each) => each !== undefined);
    for (const [index, { text, source }] of written.entries()) {
      // What another layer wins over must be right too, or it is found wrong on the day that nothing does. Only the
      // file of a secret need not be there where the secret comes from elsewhere.
      if (index > 0 && "secret" in configKeys[key]) break;
      try {
        const setting = settingOf(key, text, source);
        settings[key] ??= setting;
      } catch (error) {
        wrong.add(key);
        problems.push(error as OpenWitError);
      }
    }
  }
  if (wrong.size > 0) return { problems };
  const configuration = configurationOf(settings as Settings);
  problems.push(...configProblems(configuration.config, (key) => whereOf(key, configuration.settings[key])));
  return problems.length > 0 ? { problems } : { problems, configuration };
}

/** @throws OpenWitError `invalid_argument`, naming the flag, variable, or file, line and key at fault */
export async function loadConfiguration(inputs: ConfigInputs): Promise<Configuration> {
  const { problems, configuration } = await readConfiguration(inputs);
  if (configuration !== undefined) return configuration;
  throw summary(problems);
}

/** @throws OpenWitError as `loadConfiguration` */
export async function loadConfig(inputs: ConfigInputs): Promise<Config> {
  return (await loadConfiguration(inputs)).config;
}

/** The first problem, which says that there are more. */
export function summary(problems: readonly OpenWitError[]): OpenWitError {
  const [first, ...more] = problems;
  if (more.length === 0) return first;
  const rest = `${more.length} more: openwit config check tells ${more.length === 1 ? "it" : "them"}`;
  return new OpenWitError(first.code, first.message, {
    hint: first.hint === undefined ? rest : `${first.hint} (${rest})`,
  });
}

export function configurationOf(settings: Settings): Configuration {
  const values = Object.fromEntries(configKeyNames.map((key) => [key, settings[key].value]));
  return { settings, config: configOf(values as ConfigValues) };
}

/** Reads a key's text. @throws OpenWitError `invalid_argument` */
export function settingOf(key: ConfigKeyName, text: string, source: Source): Setting {
  const name = whereOf(key, { source });
  if (!("secret" in configKeys[key])) return { text, source, value: parseValue(key, text, name) };
  return { text, source, value: parseValue(key, readSecret(text, name), name) };
}

/** `storage.data_dir` is `OPENWIT_STORAGE__DATA_DIR`. */
export function environmentName(key: string): string {
  return `OPENWIT_${key.toUpperCase().replaceAll(".", "__")}`;
}

/** Where a key was set, as a person looks for it. */
export function whereOf(key: ConfigKeyName, { source }: Pick<Setting, "source">): string {
  switch (source.kind) {
    case "flag":
    case "environment":
      return source.name;
    case "file":
    case "overlay":
      return `${source.path}:${source.line}: ${key}`;
    case "last_good":
      return `${source.path}: ${key}`;
    case "default":
      return key;
  }
}

interface Written {
  readonly text: string;
  readonly source: Source;
}

async function readLayer(
  kind: "file" | "overlay",
  file: ConfigFile | undefined,
  environment: Environment,
): Promise<{ settings: ReadonlyMap<ConfigKeyName, Written>; problems: readonly OpenWitError[] }> {
  const settings = new Map<ConfigKeyName, Written>();
  if (file === undefined) return { settings, problems: [] };
  const { leaves, problems } = await readConfigFile(file, environment);
  for (const [key, { text, line }] of leaves) {
    settings.set(key, { text, source: { kind, path: file.path, line } });
  }
  return { settings, problems };
}

function ofFlag(flag: string | undefined, flags: ConfigInputs["flags"]): Written | undefined {
  const value = flag === undefined ? undefined : flags[flag];
  return value === undefined
    ? undefined
    : { text: String(value), source: { kind: "flag", name: `--${flag}` } };
}

function ofVariable(key: ConfigKeyName, environment: Environment): Written | undefined {
  const name = environmentName(key);
  const text = environment[name];
  return text === undefined ? undefined : { text, source: { kind: "environment", name } };
}

function unknownVariables(environment: Environment): OpenWitError[] {
  const known = configKeyNames.map(environmentName);
  // Every key has a level, so a name without "__" is none of ours: orchestrators set OPENWIT_PORT and the like.
  return Object.keys(environment).filter((name) => /^OPENWIT_.*__/.test(name) && !known.includes(name))
    .map((name) => unknownKey(`environment variable ${name}`, name, known));
}

/** The text itself, or what stands in the file that a `file://` names. Errors do not repeat it. */
function readSecret(text: string, name: string): string {
  if (!text.startsWith("file://")) return text;
  try {
    return readFileSync(fileURLToPath(text), "utf8").trim();
  } catch (cause) {
    throw new OpenWitError("invalid_argument", `${name} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}
