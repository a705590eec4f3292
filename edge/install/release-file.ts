/**
 * A release as a file: what `openwit upgrade FILE` is given. It is copied to where nobody else can write, verified
 * there, unpacked, and asked what it is; nothing of it runs before it was verified.
 */
import type { KeyObject } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import { checksumsName, parseChecksums, sha256OfFile } from "../release/checksums.ts";
import { signatureExtension, type VerifiedRelease, verifyRelease } from "../release/release.ts";
import type { Host } from "./host.ts";
import type { Layout } from "./layout.ts";

export interface Trust {
  /** Key to believe in place of the built-in one. */
  readonly key?: KeyObject;
  /** Without a signature, SHA256SUMS is enough. */
  readonly allowUnsigned: boolean;
  /** Without SHA256SUMS too. */
  readonly allowUnchecked: boolean;
}

export interface OpenedRelease extends Disposable {
  /** The executable, unpacked; what lies beside it came with it. */
  readonly executable: string;
  readonly version: string;
  /** What vouched for it, in words. */
  readonly trust: string;
}

/**
 * @param stagingParent a folder that only this user can write to
 * @param arch as Node names it
 * @throws OpenWitError as `verifyRelease`; `invalid_argument` for what is no release, or one for another machine
 */
export async function openRelease(
  file: string,
  { trust, stagingParent, arch, host }: {
    trust: Trust;
    stagingParent: string;
    arch: string;
    host: Host;
  },
): Promise<OpenedRelease> {
  if (!existsSync(file)) throw new OpenWitError("not_found", `${file} does not exist`);
  if (file.endsWith(".deb") || file.endsWith(".rpm")) {
    throw new OpenWitError("invalid_argument", `${file} is a package, which the package manager upgrades`, {
      hint: file.endsWith(".deb") ? `sudo apt install ${join(dirname(file), basename(file))}` : undefined,
    });
  }
  const staging = mkdtempSync(join(stagingParent, stagingPrefix));
  const dispose = () => rmSync(staging, { recursive: true, force: true });
  try {
    const copy = copyWithVouchers(file, staging);
    const vouched = await verify(copy, trust);
    const executable = await isCompressed(copy) ? await unpack(copy, staging, host) : copy;
    await checkMachine(executable, arch);
    chmodSync(executable, 0o755);
    return {
      executable,
      version: await versionOf(executable, host),
      trust: vouched,
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

const stagingPrefix = ".incoming-";

/** What an upgrade that was killed has left. The caller holds the lock of the installation. */
export function removeLeftovers({ libDir }: Layout, host: Host): void {
  for (const name of host.names(libDir)) {
    if (name.startsWith(stagingPrefix)) host.remove(join(libDir, name));
  }
}

/** @throws OpenWitError `invalid_argument` when it does not say `openwit {version}` */
export async function versionOf(executable: string, host: Host): Promise<string> {
  const { status, stdout, stderr } = await host.run([executable, "--version"]);
  const version = /^openwit (\d+\.\d+\.\d+(?:[-+][\w.+-]+)?)$/m.exec(stdout)?.[1];
  if (status === 0 && version !== undefined) return version;
  const said = (stderr || stdout).trim().split("\n")[0];
  throw new OpenWitError(
    "invalid_argument",
    `${executable} is no openwit: --version ended with ${status}, ${said}`,
  );
}

function copyWithVouchers(file: string, staging: string): string {
  const folder = dirname(file);
  const copy = join(staging, basename(file));
  copyFileSync(file, copy);
  for (
    const name of [basename(file) + signatureExtension, checksumsName, checksumsName + signatureExtension]
  ) {
    if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(staging, name));
  }
  return copy;
}

async function verify(file: string, { key, allowUnsigned, allowUnchecked }: Trust): Promise<string> {
  const name = basename(file);
  const isSigned = [file + signatureExtension, join(dirname(file), checksumsName + signatureExtension)]
    .some((path) => existsSync(path));
  // What is signed must be signed well, whatever is allowed.
  if (isSigned) return `signed with ${(await verified(file, key)).key}`;
  if (!allowUnsigned) {
    const vouchers = `${name}${signatureExtension} nor ${checksumsName}${signatureExtension}`;
    throw new OpenWitError("not_found", `${name} is not signed: neither ${vouchers} lies beside it`, {
      hint: "fetch that too; --allow-unsigned takes a release that has none",
    });
  }
  const sums = join(dirname(file), checksumsName);
  if (!existsSync(sums)) {
    if (allowUnchecked) return "neither signed nor checked, as you allowed";
    throw new OpenWitError("not_found", `no ${checksumsName} lies beside ${name}`, {
      hint: "put it there; --allow-unchecked takes the file as it is",
    });
  }
  const expected = parseChecksums(await readFile(sums, "utf8"), checksumsName).get(name);
  const found = await sha256OfFile(file);
  if (expected === found) return `not signed, as you allowed; ${checksumsName} has its checksum`;
  throw expected === undefined
    ? new OpenWitError("not_found", `${checksumsName} does not name ${name}`)
    : new OpenWitError("corrupt", `${name} has SHA-256 ${found}, ${checksumsName} says ${expected}`, {
      hint: "it was cut short or changed on the way: fetch it again",
    });
}

/** The copy is not what a person knows: errors name the file as it was given. */
async function verified(file: string, key: KeyObject | undefined): Promise<VerifiedRelease> {
  try {
    return await verifyRelease({ file, key });
  } catch (cause) {
    if (!(cause instanceof OpenWitError)) throw cause;
    const { code, hint } = cause;
    throw new OpenWitError(code, cause.message.replaceAll(`${dirname(file)}/`, ""), {
      hint,
      retryable: false,
      cause,
    });
  }
}

async function unpack(file: string, staging: string, host: Host): Promise<string> {
  const folder = join(staging, "unpacked");
  mkdirSync(folder, { mode: 0o700 });
  const { status, stderr } = await host.run(["tar", "-xf", file, "-C", folder, "--no-same-owner"]);
  if (status !== 0) {
    throw new OpenWitError(
      "malformed",
      `${basename(file)} cannot be unpacked: ${stderr.trim().split("\n")[0]}`,
      {
        hint: "tar unpacks it, with xz for a .tar.xz; or unpack it where those are, and give the executable",
      },
    );
  }
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name === "openwit")
    .map((entry) => join(entry.parentPath, entry.name));
  // Beside completions and the like, which may have that name too, the executable is the one that a machine runs.
  for (const path of found) if (await machineOf(path) !== undefined) return path;
  throw new OpenWitError("invalid_argument", `${basename(file)} holds no executable called openwit`);
}

async function checkMachine(executable: string, arch: string): Promise<void> {
  const machine = await machineOf(executable);
  if (machine === undefined) {
    throw new OpenWitError(
      "invalid_argument",
      `${basename(executable)} is neither a release nor an executable`,
    );
  }
  if (machine === "any" || machine === arch) return;
  throw new OpenWitError(
    "invalid_argument",
    `${basename(executable)} is for ${machine}, and this machine is ${arch}`,
    { hint: `fetch the release for linux-${arch}` },
  );
}

/** Of the header of an ELF file, which every target of ours has; a script runs on any machine. */
async function machineOf(path: string): Promise<string | undefined> {
  const head = await headOf(path, 20);
  if (head.toString("latin1", 0, 2) === "#!") return "any";
  if (head.length < 20 || head.toString("latin1", 0, 4) !== "\x7fELF") return undefined;
  const machine = head.readUInt16LE(18);
  return machines[machine] ?? `machine ${machine} of ELF`;
}

const machines: Readonly<Record<number, string>> = { 0x3e: "x64", 0xb7: "arm64" };

/** As gzip, or as xz, which releases are. */
async function isCompressed(path: string): Promise<boolean> {
  const head = (await headOf(path, 6)).toString("latin1");
  return head.startsWith("\x1f\x8b") || head === "\xfd7zXZ\0";
}

async function headOf(path: string, bytes: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
