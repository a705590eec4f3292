/** What `openwit install` and `openwit uninstall` do, as pure functions of what was asked and what is there. */
import { posix } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import { serviceName, systemdUnit, unitName } from "../systemd/unit.ts";
import { configText, environmentText, sysusersFile, sysusersText } from "./files.ts";
import { type Layout, systemctl, unitOptions } from "./layout.ts";
import type { Sizes } from "./sizing.ts";
import type { Found, Step } from "./step.ts";

const { basename, dirname, join } = posix;

/** The executable that is installed, and what lies beside it. */
export interface ReleaseFiles {
  /** `{version}-{hash}`: a folder's name. */
  readonly name: string;
  /** Absolute paths; the executable is called openwit, whatever it was called. */
  readonly files: readonly string[];
}

export interface InstallRequest {
  readonly layout: Layout;
  readonly sizes: Sizes;
  readonly release: ReleaseFiles;
  /** Whether systemd is told; not in an image, and not with --no-start. */
  readonly starts: boolean;
  /** Of another root, for `systemd-sysusers`. */
  readonly root: string | undefined;
  readonly isActive: boolean;
}

export interface InstallPlan {
  readonly steps: readonly Step[];
  /** Whether anything but the service's state is changed. */
  readonly changes: boolean;
}

export const currentLink = "current";
export const previousLink = "previous";

/** @throws OpenWitError `conflict` when the executable's place is taken by something that is not ours */
export function planInstall(request: InstallRequest, found: Found): InstallPlan {
  const { layout, sizes, release, starts } = request;
  const isSystem = layout.scope === "system";
  const group = isSystem ? { owner: `root:${serviceName}` } : {};
  const files = [
    ...(isSystem ? planUser(request, found) : []),
    ...planRelease(layout, release, found),
    ...planFolder(dirname(layout.configFile), isSystem ? 0o750 : 0o700, found, group.owner),
    ...planOwnFile(layout.configFile, configText(layout, sizes), isSystem ? 0o640 : 0o600, found, group),
    ...(dirname(layout.environmentFile) === dirname(layout.configFile)
      ? []
      : planFolder(dirname(layout.environmentFile), 0o755, found)),
    ...planOwnFile(layout.environmentFile, environmentText(layout), isSystem ? 0o640 : 0o600, found, group),
    ...planData(layout, found),
    ...planFile(layout.unitFile, systemdUnit(unitOptions(layout)), 0o644, found, {
      note: `yours to change by "systemctl ${isSystem ? "" : "--user "}edit ${serviceName}"`,
    }),
  ];
  const changes = files.some(({ kind }) => kind !== "leave");
  const commands: Step[] = !starts ? [] : [
    ...(changes ? [run(systemctl(layout, "daemon-reload"))] : []),
    run(systemctl(layout, "enable", unitName)),
    // Not waited for here: whether it became ready is looked at afterwards, with a time-out and the reason.
    ...(!request.isActive
      ? [run(systemctl(layout, "start", "--no-block", unitName))]
      : changes
      ? [run(systemctl(layout, "restart", "--no-block", unitName))]
      : []),
  ];
  return { steps: [...files, ...commands], changes };
}

/** How the executable's place points at the version in use, relative so that an image can be moved. */
export function executableTarget({ executable, libDir }: Layout): string {
  return posix.relative(dirname(executable), join(libDir, currentLink, serviceName));
}

export function versionTarget(name: string): string {
  return join("versions", name);
}

function planUser({ root }: InstallRequest, found: Found): Step[] {
  const at = root === undefined ? [] : [`--root=${root}`];
  return [
    ...planFile(sysusersFile, sysusersText, 0o644, found),
    ...(new RegExp(`^${serviceName}:`, "m").test(found.text("/etc/group") ?? "")
      ? []
      : [run(["systemd-sysusers", ...at, basename(sysusersFile)])]),
  ];
}

function planRelease(layout: Layout, release: ReleaseFiles, found: Found): Step[] {
  const { executable, libDir } = layout;
  const target = executableTarget(layout);
  const inPlace = found.link(executable);
  if (inPlace !== target && (inPlace !== undefined || found.exists(executable))) {
    throw new OpenWitError("conflict", `${executable} is there, and not from openwit install`, {
      hint:
        "was it installed as a package? then the package manager upgrades it, and its unit is there already; " +
        "else remove it, or choose another --prefix",
    });
  }
  const to = join(libDir, versionTarget(release.name));
  const current = found.link(join(libDir, currentLink));
  return [
    ...planFolder(dirname(executable), 0o755, found),
    ...planFolder(join(libDir, "versions"), 0o755, found),
    ...(found.exists(to) ? [] : [{ kind: "version", from: release.files, to } as const]),
    ...(current !== undefined && current !== versionTarget(release.name)
      ? [{ kind: "link", path: join(libDir, previousLink), target: current } as const]
      : []),
    ...planLink(join(libDir, currentLink), versionTarget(release.name), found),
    ...planLink(executable, target, found),
  ];
}

function planData({ scope, dataDir }: Layout, found: Found): Step[] {
  // systemd makes /var/lib/… itself, with its owner.
  if (scope === "system" && dirname(dataDir) === "/var/lib") return [];
  return planFolder(dataDir, 0o700, found, scope === "system" ? `${serviceName}:${serviceName}` : undefined);
}

/** Folders that are there keep their mode. */
function planFolder(path: string, mode: number, found: Found, owner?: string): Step[] {
  return found.exists(path)
    ? []
    : [{ kind: "folder", path, mode, ...(owner === undefined ? {} : { owner }) }];
}

/** A file that people do not edit: it is what we say. */
function planFile(
  path: string,
  text: string,
  mode: number,
  found: Found,
  { note, owner }: { note?: string; owner?: string } = {},
): Step[] {
  if (found.text(path) === text) return [{ kind: "leave", path, why: "unchanged" }];
  return [
    ...planFolder(dirname(path), 0o755, found),
    {
      kind: "write",
      path,
      mode,
      text,
      ...(owner === undefined ? {} : { owner }),
      ...(note === undefined ? {} : { note }),
    },
  ];
}

/** A file that people edit: what they wrote stays, and ours is put beside it. */
function planOwnFile(
  path: string,
  text: string,
  mode: number,
  found: Found,
  { owner }: { owner?: string },
): Step[] {
  const there = found.text(path);
  if (there === undefined || there === text) {
    // Its folder was planned before, with the mode that it shall have.
    return planFile(path, text, mode, found, { owner }).filter((step) => step.kind !== "folder");
  }
  const beside = `${path}.new`;
  return [
    { kind: "leave", path, why: `kept: it was changed. What would be written is in ${beside}` },
    ...planFile(beside, text, mode, found, { owner }).filter((step) => step.kind !== "leave"),
  ];
}

function planLink(path: string, target: string, found: Found): Step[] {
  return found.link(path) === target
    ? [{ kind: "leave", path, why: "unchanged" }]
    : [{ kind: "link", path, target }];
}

export interface UninstallRequest {
  readonly layout: Layout;
  readonly purgesConfig: boolean;
  readonly purgesData: boolean;
  readonly tellsSystemd: boolean;
}

/** @throws OpenWitError `not_found` when nothing of an installation is there */
export function planUninstall(request: UninstallRequest, found: Found): Step[] {
  const { layout, purgesConfig, purgesData, tellsSystemd } = request;
  const hasUnit = found.exists(layout.unitFile);
  const isOurs = found.link(layout.executable) === executableTarget(layout);
  if (!hasUnit && !isOurs && !found.exists(layout.libDir)) {
    throw new OpenWitError(
      "not_found",
      `nothing of openwit install is here: neither ${layout.unitFile} nor ${layout.libDir}`,
      {
        hint: layout.scope === "system"
          ? "was it installed with --user or --prefix, or as a package?"
          : "was it installed for the whole machine, without --user?",
      },
    );
  }
  const remove = (path: string, note?: string): Step[] =>
    found.exists(path) ? [{ kind: "remove", path, ...(note === undefined ? {} : { note }) }] : [];
  const configs = [layout.configFile, layout.environmentFile].flatMap((path) => [path, `${path}.new`]);
  const configDir = dirname(layout.configFile);
  const others = found.names(configDir).filter((name) => !configs.includes(join(configDir, name)));
  return [
    ...(tellsSystemd && hasUnit ? [run(systemctl(layout, "disable", "--now", unitName))] : []),
    ...remove(layout.unitFile),
    ...(tellsSystemd && hasUnit ? [run(systemctl(layout, "daemon-reload"))] : []),
    ...(isOurs ? [{ kind: "remove", path: layout.executable } as const] : []),
    ...remove(layout.libDir),
    ...(layout.scope === "system" ? remove(sysusersFile) : []),
    ...(purgesConfig
      ? [...configs.flatMap((path) => remove(path)), ...(others.length === 0 ? remove(configDir) : [])]
      : configs.slice(0, 1).filter((path) => found.exists(path)).map((path) =>
        ({ kind: "leave", path, why: "kept: --purge removes it" }) as const
      )),
    ...(purgesData ? remove(layout.dataDir, "all data") : found.exists(layout.dataDir)
      ? [
        { kind: "leave", path: layout.dataDir, why: "kept, with all data: --purge-data removes it" } as const,
      ]
      : []),
  ];
}

function run(command: readonly string[]): Step {
  return { kind: "run", command };
}
