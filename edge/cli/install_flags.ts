/** What `install`, `uninstall` and `upgrade` have in common on the command line. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { type Layout, layoutOf } from "../install/layout.ts";
import type { ParsedFlags } from "./flags.ts";

export const installFlags = {
  user: { type: "boolean" },
  prefix: { type: "string" },
} as const;

export const installFlagsUsage =
  `  --user                 for this user alone, without root: systemctl --user, XDG folders
  --prefix DIR           where bin/openwit goes (default /usr; with --user ~/.local)`;

/** The installation that the flags mean. */
export function layoutOfFlags(values: ParsedFlags["values"]): Layout {
  return layoutOf({
    scope: values.user === true ? "user" : "system",
    prefix: values.prefix as string | undefined,
    dataDir: values["data-dir"] as string | undefined,
  }, process.env);
}

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** One line on stdout: the answer of these commands is what they do. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What a service's log said last, below an error. */
export function tellLog(log: readonly string[]): void {
  if (log.length === 0) return;
  process.stderr.write("The last lines of its log:\n");
  for (const line of log) process.stderr.write(`  | ${line}\n`);
}

/** @throws OpenWitError `invalid_argument` when it is no time */
export function positiveMs(ms: number, flag: string): number {
  if (ms > 0) return ms;
  throw new OpenWitError("invalid_argument", `${flag} is 0`, { hint: "90s, or 5m" });
}
