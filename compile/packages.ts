/**
 * Folders of npm packages for other machines than this one. npm installs only what fits the machine, but the
 * lock file names them all with their integrity, so that they can be had from the registry and verified.
 *
 * What was fetched is kept in a cache outside the repository: a build without a network repeats from it.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { OpenWitError } from "../core/error.ts";

/** `OPENWIT_BUILD_CACHE`, or `openwit-build` in the user's cache folder. */
export function buildCache(): string {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return process.env["OPENWIT_BUILD_CACHE"] || join(cache, "openwit-build");
}

/**
 * Path of `file` of package `name` in the version of the lock file: from node_modules, the cache, or the
 * registry. (Installed does not mean there: Bun's install script moves its executable out of its package.)
 * @throws OpenWitError `not_found` when the lock file lacks it, `unavailable` when npm cannot fetch it,
 * `corrupt` when what came is not what the lock file says
 */
export function packageFile(root: string, name: string, file: string): string {
  const locked = lockedPackage(root, name);
  const installed = join(root, "node_modules", name);
  if (existsSync(join(installed, file)) && versionIn(installed) === locked.version) {
    return join(installed, file);
  }

  const cached = join(buildCache(), `${name.replace("/", "+")}@${locked.version}`);
  if (existsSync(cached)) return join(cached, file);
  mkdirSync(buildCache(), { recursive: true });
  const work = mkdtempSync(join(buildCache(), "fetch-"));
  try {
    unpack(fetchPackage(name, locked, work), work);
    try {
      renameSync(join(work, "package"), cached);
    } catch (error) {
      if (!existsSync(cached)) throw error; // else another build was faster, with the same content
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return join(cached, file);
}

interface LockedPackage {
  readonly version: string;
  /** `sha512-` and base64, as in Subresource Integrity. */
  readonly integrity: string;
}

function lockedPackage(root: string, name: string): LockedPackage {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const locked = lock.packages?.[`node_modules/${name}`];
  if (!locked?.integrity) {
    throw new OpenWitError("not_found", `package-lock.json has no ${name}`, {
      hint:
        'run "npm install --package-lock-only", and look whether the package still exists in this version',
    });
  }
  return locked;
}

function versionIn(folder: string): string {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;
}

function fetchPackage(name: string, locked: LockedPackage, work: string): string {
  const packed = Bun.spawnSync(["npm", "pack", "--json", `${name}@${locked.version}`], { cwd: work });
  if (packed.exitCode !== 0) {
    throw new OpenWitError(
      "unavailable",
      `npm cannot fetch ${name}@${locked.version}: ${packed.stderr}`.trim(),
      {
        hint: `check the registry with "npm ping", or put the unpacked package into ${buildCache()}`,
      },
    );
  }
  const archive = join(work, JSON.parse(packed.stdout.toString())[0].filename);
  const integrity = "sha512-" + createHash("sha512").update(readFileSync(archive)).digest("base64");
  if (integrity !== locked.integrity) {
    throw new OpenWitError(
      "corrupt",
      `${name}@${locked.version} has integrity ${integrity}, package-lock.json says ${locked.integrity}`,
    );
  }
  return archive;
}

function unpack(archive: string, into: string): void {
  const tar = Bun.spawnSync(["tar", "-xzf", archive, "-C", into]);
  if (tar.exitCode !== 0) throw new OpenWitError("io", `cannot unpack ${archive}: ${tar.stderr}`.trim());
}
