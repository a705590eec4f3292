/**
 * Puts another version in the place of the one in use, and back again when it does not prove healthy.
 *
 * `current` and `previous` are links; each is replaced in one step, `previous` first. So at any moment, a power cut
 * included, `current` names a whole version, and `previous` the one to go back to.
 */
import { posix } from "node:path";
import type { Clock } from "../../core/env/clock.ts";
import { OpenWitError } from "../../core/error.ts";
import { unitName } from "../systemd/unit.ts";
import { awaitHealthy, type Outcome } from "./await-healthy.ts";
import { runOrThrow } from "./carry-out.ts";
import type { Host } from "./host.ts";
import { type Layout, systemctl } from "./layout.ts";
import { currentLink, executableTarget, previousLink } from "./plan.ts";
import type { Prover } from "./proof.ts";

const { basename, join } = posix;

export interface Switching {
  readonly layout: Layout;
  readonly host: Host;
  readonly prover: Prover;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Ends the waiting for the new version; the old one is put back. */
  readonly interrupted: AbortSignal;
  say(line: string): void;
}

export interface Version {
  /** Target of `current`: `versions/{name}`. */
  readonly target: string;
  readonly version: string;
}

export type Switched =
  | { readonly kind: "healthy"; readonly tookMs: number }
  /** It was not running, and was not started. */
  | { readonly kind: "at-rest" }
  | { readonly kind: "rolled-back"; readonly failure: Failure; readonly restored: Outcome };

type Failure = Extract<Outcome, { isHealthy: false }>;

/** What is in use. @throws OpenWitError `not_found` when it is not an installation of ours */
export function installedTarget(layout: Layout, host: Host): string {
  const current = host.link(join(layout.libDir, currentLink));
  if (current !== undefined && host.link(layout.executable) === executableTarget(layout)) return current;
  if (!host.exists(layout.executable)) {
    throw new OpenWitError("not_found", `there is no ${layout.executable} to upgrade`, {
      hint: "openwit install puts it there; is it of a user (--user), or elsewhere (--prefix)?",
    });
  }
  throw new OpenWitError("not_found", `${layout.executable} is not from openwit install`, {
    hint: "a package is upgraded by the package manager: sudo apt install ./openwit_….deb",
  });
}

/** By the name of its folder, `{version}-{hash}`: the way back must be open when the executable does not even run. */
export function versionOfTarget(target: string): string {
  const name = basename(target);
  return name.slice(0, name.lastIndexOf("-"));
}

/** @throws OpenWitError `not_found` when there is nothing to go back to */
export function previousTarget(layout: Layout, host: Host): string {
  const previous = host.link(join(layout.libDir, previousLink));
  if (previous !== undefined && host.exists(join(layout.libDir, previous))) return previous;
  throw new OpenWitError("not_found", `no version before this one is kept in ${layout.libDir}`);
}

/** Switches, restarts, and waits until it is proved; switches back when it is not. */
export async function switchVersion(from: Version, to: Version, switching: Switching): Promise<Switched> {
  const { layout, host, prover, say } = switching;
  const isAtRest = await activeState(layout, host) === "inactive";
  const before = isAtRest ? undefined : await prover.look();
  const keptBefore = host.link(join(layout.libDir, previousLink));
  relink(switching, { current: to.target, previous: from.target });
  if (isAtRest) return { kind: "at-rest" };
  say(`  restart ${unitName}`);
  const outcome = await restart(switching, to.version, before?.kind === "ready" ? before.pid : undefined);
  if (outcome.isHealthy) return { kind: "healthy", tookMs: outcome.tookMs };

  say(`  failed  ${outcome.reason}`);
  say(`  back to ${from.version}`);
  const failed = await prover.look();
  relink(switching, { current: from.target, previous: keptBefore });
  const calm = { ...switching, interrupted: new AbortController().signal };
  const restored = await restart(calm, from.version, failed.kind === "ready" ? failed.pid : undefined);
  return { kind: "rolled-back", failure: outcome, restored };
}

/** Removes the versions that neither link names. */
export function removeOldVersions(layout: Layout, host: Host): void {
  const kept = [currentLink, previousLink].map((name) => host.link(join(layout.libDir, name)))
    .filter((target) => target !== undefined).map((target) => basename(target));
  const versions = join(layout.libDir, "versions");
  for (const name of host.names(versions)) {
    if (!kept.includes(name)) host.remove(join(versions, name));
  }
}

function relink(
  { layout, host }: Switching,
  { current, previous }: { current: string; previous: string | undefined },
): void {
  if (previous === undefined) host.remove(join(layout.libDir, previousLink));
  else host.relink(join(layout.libDir, previousLink), previous);
  host.relink(join(layout.libDir, currentLink), current);
}

async function restart(switching: Switching, version: string, oldPid: number | undefined): Promise<Outcome> {
  const { layout, host } = switching;
  // A start that failed is forgotten, so that restarts are counted from here on.
  await host.run(systemctl(layout, "reset-failed", unitName));
  await runOrThrow(systemctl(layout, "restart", "--no-block", unitName), host);
  return await awaitHealthy({ ...switching, version, oldPid });
}

async function activeState(layout: Layout, host: Host): Promise<string> {
  const { stdout } = await host.run(systemctl(layout, "show", "--property=ActiveState", "--value", unitName));
  return stdout.trim();
}
