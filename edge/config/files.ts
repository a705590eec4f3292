/**
 * Which files hold the configuration: `--config`, else `OPENWIT_CONFIG`, else the place that goes with the executable's
 * own; and over it the overlay of the environment that is named.
 *
 * An `openwit` that was installed looks where installed programs look: below /usr or /opt at /etc/openwit/openwit.yaml, below
 * ~/.local at the user's configuration folder (XDG Base Directory). One that was unpacked somewhere, or is run from a
 * checkout, reads no file that it was not told of: a development run on a box must not take the service's data folder.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import type { ConfigInputs } from "./settings.ts";
import type { ConfigFile, Environment } from "./yaml.ts";

export interface FileFlags {
  readonly config?: string;
  readonly environment?: string;
}

export interface ConfigPaths {
  readonly file?: string;
  readonly overlay?: string;
}

export const fileFlags = { config: { type: "string" }, environment: { type: "string" } } as const;

export const fileUsage =
  `  --config FILE                   YAML file with these and other keys (default OPENWIT_CONFIG; an installed openwit
                                  looks for /etc/openwit/openwit.yaml); "" for none
  --environment NAME              also read FILE's overlay for it, as in openwit.NAME.yaml (default OPENWIT_ENVIRONMENT)`;

/** Reads the files that flags and environment choose. @throws OpenWitError `invalid_argument` for one that cannot be read */
export async function readInputs(
  flags: ConfigInputs["flags"],
  environment: Environment,
  paths: ConfigPaths = pathsOf(flags as FileFlags, environment),
): Promise<ConfigInputs> {
  const [file, overlay] = await Promise.all([readNamed(paths.file), readNamed(paths.overlay)]);
  return {
    flags,
    environment,
    ...file === undefined ? {} : { file },
    ...overlay === undefined ? {} : { overlay },
  };
}

/**
 * @param executable absolute path of the program that runs
 * @throws OpenWitError `invalid_argument` for an environment without a file that it could be laid over
 */
export function pathsOf(
  flags: FileFlags,
  environment: Environment,
  executable = process.execPath,
  exists: (path: string) => boolean = existsSync,
): ConfigPaths {
  const named = flags.config ?? environment.OPENWIT_CONFIG;
  const usual = usualFile(executable, environment);
  const file = named ?? (usual !== undefined && exists(usual) ? usual : "");
  const name = flags.environment ?? environment.OPENWIT_ENVIRONMENT ?? "";
  if (file === "" && name === "") return {};
  if (name === "") return { file };
  if (!/^[a-z0-9][a-z0-9_-]*$/i.test(name)) {
    throw new OpenWitError("invalid_argument", `the environment is ${JSON.stringify(name)}`, {
      hint: "it is a word such as production, and chooses openwit.production.yaml",
    });
  }
  if (file === "") {
    throw new OpenWitError("invalid_argument", `environment ${name} is named, and no configuration file`, {
      hint: "an overlay lies beside the file that it is laid over: name that with --config",
    });
  }
  return { file, overlay: overlayPath(file, name) };
}

/** `openwit.yaml` and `production` give `openwit.production.yaml`. */
export function overlayPath(file: string, environment: string): string {
  const extension = extname(file);
  return `${file.slice(0, file.length - extension.length)}.${environment}${extension}`;
}

/** Where an installed executable looks; `undefined` for one that is not. */
function usualFile(executable: string, { HOME, XDG_CONFIG_HOME }: Environment): string | undefined {
  if (basename(executable) !== "openwit") return undefined;
  if (/^\/(usr|opt)\//.test(executable)) return "/etc/openwit/openwit.yaml";
  if (HOME !== undefined && executable.startsWith(join(HOME, ".local/"))) {
    return join(XDG_CONFIG_HOME ?? join(HOME, ".config"), "openwit/openwit.yaml");
  }
  return undefined;
}

async function readNamed(path: string | undefined): Promise<ConfigFile | undefined> {
  if (path === undefined) return undefined;
  try {
    return { path, text: await readFile(path, "utf8") };
  } catch (cause) {
    throw new OpenWitError(
      "invalid_argument",
      `cannot read the configuration file ${path}: ${(cause as Error).message}`,
      { cause },
    );
  }
}
