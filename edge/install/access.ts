/** Whether this user may, and this system can, do what an installation needs; else what could be done instead. */
import { OpenWitError } from "../../core/error.ts";
import type { Host } from "./host.ts";
import type { Layout } from "./layout.ts";

export interface Access {
  readonly isRoot: boolean;
  /** An image, not the system that runs: no systemd is asked. */
  readonly isImage: boolean;
}

/** @throws OpenWitError `forbidden` when root's rights are needed and missing */
export function checkRights(command: string, { scope }: Layout, { isRoot, isImage }: Access): void {
  if (scope === "user" || isRoot || isImage) return;
  throw new OpenWitError("forbidden", `openwit ${command} for the whole machine needs root`, {
    hint:
      `sudo openwit ${command}, or openwit ${command} --user for this user alone; --dry-run shows what it would do`,
  });
}

/** @throws OpenWitError `unavailable` when no systemd runs that could be told */
export function checkSystemd({ scope, configFile, executable }: Layout, host: Host): void {
  const byHand = `"openwit install --no-start" writes the files and starts nothing; then ` +
    `"${executable} serve --config ${configFile}" runs it, in whatever way this system starts services`;
  if (!host.hasProgram("systemctl")) {
    throw new OpenWitError("unavailable", "there is no systemctl here, so nothing could be started", {
      hint: byHand,
      retryable: false,
    });
  }
  // sd_booted(3). A user's systemd has its folder below XDG_RUNTIME_DIR, and systemctl says what is wrong with it.
  if (scope === "system" && !host.exists("/run/systemd/system")) {
    throw new OpenWitError(
      "unavailable",
      "this system is not run by systemd: there is no /run/systemd/system",
      { hint: byHand, retryable: false },
    );
  }
}
