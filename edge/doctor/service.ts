/** Checks of the service that `openwit install` makes: whether it is there, starts by itself, and is of this version. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { type Layout, layoutOf, systemctl, unitOptions } from "../install/layout.ts";
import { systemdUnit, unitName, watchdogSeconds } from "../systemd/unit.ts";
import { type Check, fail, ok, warn } from "./check.ts";
import { output } from "./output.ts";

/** What systemd says of a unit. */
export interface UnitState {
  readonly ActiveState: string;
  readonly SubState: string;
  readonly UnitFileState: string;
  readonly NRestarts: string;
  readonly Result: string;
  readonly WatchdogUSec: string;
  readonly NeedDaemonReload: string;
}

const properties = [
  "ActiveState",
  "SubState",
  "UnitFileState",
  "NRestarts",
  "Result",
  "WatchdogUSec",
  "NeedDaemonReload",
] as const satisfies readonly (keyof UnitState)[];

export async function checkService(): Promise<Check[]> {
  const layouts = (["system", "user"] as const).flatMap((scope) => {
    if (scope === "user" && process.env.HOME === undefined) return [];
    return [layoutOf({ scope }, process.env)];
  });
  // A package has its unit elsewhere: systemd knows where.
  const packaged = "/usr/lib/systemd/system/" + unitName;
  for (const layout of layouts) {
    const unitFile = [layout.unitFile, ...(layout.scope === "system" ? [packaged] : [])].find(existsSync);
    if (unitFile !== undefined) return await checkUnit(layout, unitFile);
  }
  return [ok("service", "not installed as one; openwit install makes it start with the box")];
}

async function checkUnit(layout: Layout, unitFile: string): Promise<Check[]> {
  const text = await readFile(unitFile, "utf8");
  const shown = await output(
    systemctl(layout, "show", unitName, ...properties.map((name) => `--property=${name}`)),
  );
  const state = shown === undefined ? undefined : parseState(shown);
  return [
    ...(state === undefined ? [stateless(unitFile)] : judgeState(state, layout)),
    judgeUnit(text, unitFile, layout),
  ];
}

function stateless(unitFile: string): Check {
  return warn(
    "service",
    `${unitFile} is there, and systemd does not answer`,
    "start the box with systemd, or run openwit serve",
  );
}

/** `Name=value` a line, as `systemctl show` has it. */
export function parseState(shown: string): UnitState {
  const values = Object.fromEntries(
    shown.split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  return Object.fromEntries(properties.map((name) => [name, values[name] ?? ""])) as unknown as UnitState;
}

export function judgeState(state: UnitState, layout: Pick<Layout, "scope">): Check[] {
  const command = (...args: string[]) => systemctl(layout, ...args).join(" ");
  const { ActiveState, SubState, UnitFileState, NRestarts, Result, WatchdogUSec, NeedDaemonReload } = state;
  const found = `${ActiveState} (${SubState}), ${UnitFileState || "not enabled"}`;
  const restarts = Number(NRestarts);
  const service = ActiveState === "failed" || Result !== "success" && Result !== ""
    ? fail("service", `${found}, its last end: ${Result}`, `journalctl -u ${unitName} says why`)
    : ActiveState !== "active"
    ? warn("service", found, command("start", unitName))
    : UnitFileState !== "enabled"
    ? warn("service", `${found}: it does not start with the box`, command("enable", unitName))
    : restarts > 0
    ? warn(
      "service",
      `${found}, started anew ${restarts} times since it was loaded`,
      `journalctl -u ${unitName} says why`,
    )
    : ok("service", found);
  const isWatched = !["", "0", "infinity"].includes(WatchdogUSec);
  const watchdog = isWatched
    ? ok("watchdog", `systemd starts it anew when it gives no sign of life for ${WatchdogUSec}`)
    : warn(
      "watchdog",
      "systemd does not watch it",
      `WatchdogSec=${watchdogSeconds} in the unit; openwit install writes it`,
    );
  const reload = NeedDaemonReload === "yes"
    ? [warn("unit loaded", "its file has changed since systemd read it", command("daemon-reload"))]
    : [];
  return [service, watchdog, ...reload];
}

/** Settings that say where things lie, which an installation may have chosen. */
const ofPlace = /^(Exec\w*|EnvironmentFile|StateDirectory\w*|ProtectHome|BindPaths|ReadWritePaths)=/;

/** Whether the unit is the one that this version writes; comments and what stands in drop-ins do not count. */
export function judgeUnit(text: string, unitFile: string, layout: Layout): Check {
  const written = settingsOf(systemdUnit(unitOptions(layout)));
  const found = settingsOf(text);
  const without = (lines: readonly string[], others: readonly string[]) =>
    lines.filter((line) => !others.includes(line) && !ofPlace.test(line));
  const [missing, more] = [without(written, found), without(found, written)];
  if (missing.length + more.length === 0) return ok("unit", `${unitFile} is the one of this version`);
  const differs = [
    ...missing.slice(0, 3).map((line) => `lacks ${line}`),
    ...more.slice(0, 3).map((line) => `has ${line}`),
  ].join(", ");
  return warn(
    "unit",
    `${unitFile} is not the one that this version writes: ${differs}`,
    "openwit install writes it anew; own settings belong into a drop-in (systemctl edit openwit)",
  );
}

function settingsOf(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !/^[#;[]/.test(line));
}
