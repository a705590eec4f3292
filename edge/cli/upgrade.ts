/** `openwit upgrade`: another version in the place of the installed one, and back when it does not prove healthy. */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError } from "../../core/error.ts";
import { parseDuration } from "../config/parse.ts";
import { lockDataFolder } from "../disk/lock.ts";
import { checkRights, checkSystemd } from "../install/access.ts";
import { type Host, hostAt } from "../install/host.ts";
import type { Layout } from "../install/layout.ts";
import { versionTarget } from "../install/plan.ts";
import { proverOf } from "../install/proof.ts";
import { openRelease, removeLeftovers } from "../install/release-file.ts";
import { releaseOf } from "../install/release-files.ts";
import { variablesOf, withConfiguredData } from "../install/settings.ts";
import {
  installedTarget,
  previousTarget,
  removeOldVersions,
  type Switched,
  switchVersion,
  type Version,
  versionOfTarget,
} from "../install/upgrade.ts";
import { parsePublicKey } from "../release/key.ts";
import { type ParsedFlags, parseFlags } from "./flags.ts";
import {
  installFlags,
  installFlagsUsage,
  isRoot,
  layoutOfFlags,
  positiveMs,
  say,
  tellLog,
} from "./install_flags.ts";
import type { Command } from "./main.ts";

export const upgradeCommand: Command = {
  usage: `openwit upgrade: put another version in the place of the installed one.

FILE is a release: its tarball or its executable. Its signature and checksum are verified before anything of it runs.
The service is restarted, and must become ready and find a record that is sent to it; else the version of before is
put back, and the log of the one that failed is shown. The version of before is kept.

Usage: openwit upgrade [options] FILE
       openwit upgrade [options] --rollback

Options:
${installFlagsUsage}
  --rollback             go back to the version of before
  --timeout TIME         how long it may take to become healthy (default 2m)
  --key FILE             believe this public key rather than the one of this build
  --allow-downgrade      take a version that is older than the installed one
  --allow-unsigned       take a release without a signature; SHA256SUMS must be beside it
  --allow-unchecked      with --allow-unsigned: without SHA256SUMS too

Exit status: 0 the new version works, 1 it does not, or was refused; 2 misuse.

Example:
  sudo openwit upgrade openwit-0.2.0-linux-x64.tar.xz
`,
  run: upgrade,
};

async function upgrade(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    ...installFlags,
    rollback: { type: "boolean" },
    timeout: { type: "string" },
    key: { type: "string" },
    "allow-downgrade": { type: "boolean" },
    "allow-unsigned": { type: "boolean" },
    "allow-unchecked": { type: "boolean" },
  }, "upgrade");
  checkUse(values, positionals);
  const timeoutMs = positiveMs(parseDuration(String(values.timeout ?? "2m"), "--timeout"), "--timeout");
  const host = hostAt();
  const wished = layoutOfFlags(values);
  checkRights("upgrade", wished, { isRoot: isRoot(), isImage: false });
  checkSystemd(wished, host);
  const layout = await withConfiguredData(wished, host);
  const target = installedTarget(layout, host);
  using _ = lockInstallation(layout.libDir);
  removeLeftovers(layout, host);
  const from = { target, version: versionOfTarget(target) };

  const to = values.rollback === true
    ? previousVersion(layout, host)
    : await newVersion(resolve(positionals[0]), { layout, host, from, values });
  if (to.target === from.target) {
    say(`OpenWit ${to.version} is installed already: nothing is changed`);
    return 0;
  }
  say(`OpenWit ${from.version} -> ${to.version}`);
  const interrupted = new AbortController();
  process.on("SIGINT", () => interrupted.abort());
  process.on("SIGTERM", () => interrupted.abort());
  process.on("SIGHUP", () => {}); // a connection that breaks must not leave it half done
  const switched = await switchVersion(from, to, {
    layout,
    host,
    prover: proverOf(layout.dataDir, randomUUID),
    clock: systemClock,
    timeoutMs,
    interrupted: interrupted.signal,
    say,
  });
  removeOldVersions(layout, host);
  return tell(from, to, switched);
}

function checkUse(values: ParsedFlags["values"], positionals: readonly string[]): void {
  const hint = "openwit upgrade openwit-0.2.0-linux-x64.tar.xz, or openwit upgrade --rollback";
  const wanted = values.rollback === true ? 0 : 1;
  if (positionals.length !== wanted) {
    throw new OpenWitError(
      "invalid_argument",
      wanted === 0 ? "--rollback takes no file" : `upgrade takes one file, there are ${positionals.length}`,
      { hint },
    );
  }
  if (values["allow-unchecked"] && !values["allow-unsigned"]) {
    throw new OpenWitError("invalid_argument", "--allow-unchecked goes with --allow-unsigned", { hint });
  }
}

/** @throws OpenWitError `conflict` while another upgrade is under way */
function lockInstallation(libDir: string): Disposable {
  try {
    return lockDataFolder(libDir, ".lock");
  } catch (cause) {
    if (!(cause instanceof OpenWitError) || cause.code !== "conflict") throw cause;
    throw new OpenWitError("conflict", `another openwit upgrade is under way in ${libDir}`, { cause });
  }
}

function previousVersion(layout: Layout, host: Host): Version {
  const target = previousTarget(layout, host);
  return { target, version: versionOfTarget(target) };
}

/** Verified, fit for this box, and in its place beside the others. */
async function newVersion(
  file: string,
  { layout, host, from, values }: {
    layout: Layout;
    host: Host;
    from: Version;
    values: ParsedFlags["values"];
  },
): Promise<Version> {
  mkdirSync(layout.libDir, { recursive: true });
  const key = values.key === undefined ? {} : { key: await readKey(String(values.key)) };
  using release = await openRelease(file, {
    trust: {
      ...key,
      allowUnsigned: values["allow-unsigned"] === true,
      allowUnchecked: values["allow-unchecked"] === true,
    },
    stagingParent: layout.libDir,
    arch: process.arch,
    host,
  });
  say(`  release ${file}: ${release.trust}`);
  const { version } = release;
  if (Bun.semver.order(version, from.version) < 0 && values["allow-downgrade"] !== true) {
    throw new OpenWitError(
      "invalid_argument",
      `version ${version} is older than the installed ${from.version}`,
      {
        hint: "--allow-downgrade takes it; openwit upgrade --rollback goes back to the version of before",
      },
    );
  }
  await checkConfiguration(release.executable, version, layout);
  const { name, files } = await releaseOf(release.executable, version);
  const target = versionTarget(name);
  if (!host.exists(join(layout.libDir, target))) host.copyVersion(files, join(layout.libDir, target));
  return { target, version };
}

/** @throws OpenWitError `invalid_argument` when the new version would not start with the configuration that is there */
async function checkConfiguration(executable: string, version: string, layout: Layout): Promise<void> {
  const { configFile, environmentFile } = layout;
  const plain = hostAt();
  const environment = { ...process.env, ...variablesOf(plain.text(environmentFile) ?? "") };
  const { status, stdout, stderr } = await hostAt("/", environment)
    .run([executable, "config", "check", "--config", configFile]);
  if (status === 0) return;
  throw new OpenWitError(
    "invalid_argument",
    `version ${version} does not take ${configFile}: ${(stderr || stdout).trim().split("\n")[0]}`,
    { hint: "nothing was changed; mend the configuration, then upgrade again" },
  );
}

async function readKey(path: string) {
  try {
    return parsePublicKey(await readFile(path, "utf8"), path);
  } catch (cause) {
    if (cause instanceof OpenWitError) throw cause;
    throw new OpenWitError("not_found", `cannot read --key ${path}: ${(cause as Error).message}`, { cause });
  }
}

function tell(from: Version, to: Version, switched: Switched): number {
  if (switched.kind === "at-rest") {
    say(`OpenWit ${to.version} is in place; the service was not running, and is not started`);
    return 0;
  }
  if (switched.kind === "healthy") {
    const seconds = (switched.tookMs / 1_000).toFixed(1);
    say(`OpenWit ${to.version} works: ready, and a record was sent to it and found, after ${seconds} s`);
    say(`Version ${from.version} is kept: openwit upgrade --rollback`);
    return 0;
  }
  tellLog(switched.failure.log);
  const { restored } = switched;
  throw new OpenWitError(
    "unavailable",
    `version ${to.version} did not prove healthy: ${switched.failure.reason}; ` +
      (restored.isHealthy
        ? `version ${from.version} runs again, and works`
        : `version ${from.version} was put back, and does not work either: ${restored.reason}`),
    {
      hint: restored.isHealthy ? undefined : "openwit doctor says what is wrong with the box",
      retryable: false,
    },
  );
}
