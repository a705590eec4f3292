/**
 * The Debian package under a real systemd: its service is started, restarted by an upgrade, put back when the new version
 * passes its trial and then does not become ready, and stopped by a removal.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { buildParts } from "../../compile/package.ts";
import { debControl, debEntries, type Parts } from "../../compile/package/contents.ts";
import { debOf } from "../../compile/package/deb.ts";
import { file } from "../../compile/package/entry.ts";
import { targets } from "../../compile/targets.ts";
import { SystemdRoot, systemdTrouble } from "./systemd-root.ts";

const missing = ["dpkg", "adduser", "deb-systemd-helper"].find((name) => Bun.which(name) === null);
const reason = missing === undefined ? systemdTrouble() : `${missing} is not installed`;
if (reason !== undefined) process.stderr.write(`the package is not tried under systemd: ${reason}\n`);

describe.skipIf(reason !== undefined)("the Debian package under systemd", () => {
  let box: SystemdRoot;

  beforeAll(async () => {
    box = new SystemdRoot();
    const root = resolve(import.meta.dirname, "../..");
    const target = targets.find(({ name }) => name === process.arch)!;
    const parts = await buildParts({ target, root, out: "", timeSeconds, isFast: true });
    mkdirSync(box.at("debs"));
    // A machine that is a container forbids packages to start services; this one is its own.
    mkdirSync(box.at("usr/sbin"), { recursive: true });
    writeFileSync(box.at("usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
    await put("0.1.0", parts);
    await put("0.1.1", parts);
    // Runs on this machine, as its trial shows, and not as the service.
    const executable = Buffer.from(`#!/bin/sh
case "$*" in "serve --config /etc/openwit/openwit.yaml") echo no service today >&2; exit 1 ;; esac
exec /usr/lib/openwit/openwit-real "$@"
`);
    await put("0.1.2", { ...parts, executable }, parts.executable);
    await box.boot();
  }, 200_000);
  afterAll(() => box?.[Symbol.asyncDispose]());

  test("an installation starts and enables the service", async () => {
    await box.output("dpkg", "-i", "/debs/0.1.0.deb");
    expect(await box.output("systemctl", "is-active", "openwit")).toBe("active");
    expect(await box.output("systemctl", "is-enabled", "openwit")).toBe("enabled");
    expect(await box.output("openwit", "status")).toContain("is ready");
  }, 90_000);

  test("an upgrade restarts it", async () => {
    const before = await mainPid();
    await box.output("dpkg", "-i", "/debs/0.1.1.deb");
    expect(await box.output("systemctl", "is-active", "openwit")).toBe("active");
    expect(await mainPid()).not.toBe(before);
  }, 90_000);

  test(
    "a version whose service does not become ready is put back, and the one before serves again",
    async () => {
      const { status, stderr } = await box.run("dpkg", "-i", "/debs/0.1.2.deb");
      expect(status).not.toBe(0);
      expect(stderr).toContain("its service does not start");
      expect(stderr).toContain("the executable of version 0.1.1 is back in its place");
      expect(await box.output("systemctl", "is-active", "openwit")).toBe("active");
      expect(await box.output("openwit", "status")).toContain("is ready");
      expect(await box.output("readlink", `/proc/${await mainPid()}/exe`)).toBe("/usr/lib/openwit/openwit");
    },
    120_000,
  );

  test("a removal stops it", async () => {
    await box.output("dpkg", "-i", "/debs/0.1.1.deb");
    await box.output("dpkg", "-r", "openwit");
    expect((await box.run("systemctl", "is-active", "openwit")).stdout.trim()).not.toBe("active");
    expect((await box.run("pgrep", "-u", "openwit")).stdout).toBe("");
  }, 90_000);

  async function put(version: string, parts: Parts, real?: Uint8Array): Promise<void> {
    const entries = debEntries(parts);
    if (real) entries.push(file("usr/lib/openwit/openwit-real", real, 0o755));
    const architecture = process.arch === "x64" ? "amd64" : "arm64";
    const deb = await debOf(debControl(version, architecture), entries, timeSeconds, "none");
    writeFileSync(box.at(`debs/${version}.deb`), deb);
  }

  async function mainPid(): Promise<string> {
    return await box.output("systemctl", "show", "--property=MainPID", "--value", "openwit");
  }
});

const timeSeconds = 1_795_650_000;
