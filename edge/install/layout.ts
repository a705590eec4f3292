/**
 * Where an installation has its parts, for the whole machine (file-hierarchy(7)) or for one user (the XDG base
 * directory specification).
 *
 *   {prefix}/lib/openwit/versions/{version}-{hash}/   an executable, and the native parts that came beside it
 *   {prefix}/lib/openwit/current, previous            links to two of those; `openwit upgrade` swaps them
 *   {prefix}/bin/openwit                              a link to current/openwit
 */
import { posix } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import { packagedUnit, unitName, type UnitOptions } from "../systemd/unit.ts";

const { isAbsolute, join } = posix;

export interface Layout {
  readonly scope: "system" | "user";
  /** What people call, and the unit starts. */
  readonly executable: string;
  /** What holds `versions`, `current` and `previous`. */
  readonly libDir: string;
  readonly configFile: string;
  readonly environmentFile: string;
  readonly dataDir: string;
  readonly unitFile: string;
}

export interface LayoutWishes {
  readonly scope: "system" | "user";
  readonly prefix?: string;
  readonly dataDir?: string;
}

/** @param environment for HOME and the XDG folders of a user's installation */
export function layoutOf(
  { scope, prefix, dataDir }: LayoutWishes,
  environment: Readonly<Record<string, string | undefined>>,
): Layout {
  for (const [flag, path] of Object.entries({ prefix, "data-dir": dataDir })) {
    if (path !== undefined && !isAbsolute(path)) {
      throw new OpenWitError("invalid_argument", `--${flag} ${path} is no absolute path`, {
        hint: "a service is started in no folder that a relative path could start from",
      });
    }
  }
  if (scope === "system") {
    const top = prefix ?? "/usr";
    return {
      scope,
      executable: join(top, "bin/openwit"),
      libDir: join(top, "lib/openwit"),
      configFile: packagedUnit.configFile,
      environmentFile: packagedUnit.environmentFile,
      dataDir: dataDir ?? packagedUnit.dataDir,
      unitFile: join("/etc/systemd/system", unitName),
    };
  }
  const home = environment.HOME;
  if (home === undefined || !isAbsolute(home)) {
    throw new OpenWitError("invalid_argument", "HOME names no folder to install for this user into");
  }
  // The specification has a relative path ignored.
  const xdg = (name: string, fallback: string) =>
    isAbsolute(environment[name] ?? "") ? environment[name]! : join(home, fallback);
  const config = xdg("XDG_CONFIG_HOME", ".config");
  const top = prefix ?? join(home, ".local");
  return {
    scope,
    executable: join(top, "bin/openwit"),
    libDir: join(top, "lib/openwit"),
    configFile: join(config, "openwit/openwit.yaml"),
    environmentFile: join(config, "openwit/environment"),
    dataDir: dataDir ?? join(xdg("XDG_DATA_HOME", ".local/share"), "openwit"),
    unitFile: join(config, "systemd/user", unitName),
  };
}

export function unitOptions(layout: Layout): UnitOptions {
  const { scope, executable, configFile, environmentFile, dataDir } = layout;
  return { scope, executable, configFile, environmentFile, dataDir };
}

/** `systemctl`, with `--user` where the installation is a user's. */
export function systemctl({ scope }: Pick<Layout, "scope">, ...args: string[]): string[] {
  return ["systemctl", ...(scope === "user" ? ["--user"] : []), ...args];
}

export function journalctl({ scope }: Pick<Layout, "scope">, ...args: string[]): string[] {
  return ["journalctl", ...(scope === "user" ? ["--user"] : []), "-u", unitName, ...args];
}
