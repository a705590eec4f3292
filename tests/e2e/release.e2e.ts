/** What is given away, signed, on a box with the real systemd: the tarball and the package, put in place and renewed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import { packageVersion } from "./other-version.ts";
import { SystemdRoot, systemdTrouble } from "./systemd-root.ts";

const trouble = systemdTrouble() ?? (Bun.which("dpkg-deb") === null ? "there is no dpkg" : undefined);
if (trouble !== undefined) console.warn(`skipped: a release cannot be tried here: ${trouble}`);

const url = "http://127.0.0.1:6318";
const debian = process.arch === "x64" ? "amd64" : "arm64";
let box: SystemdRoot;

beforeAll(async () => {
  if (trouble !== undefined) return;
  box = new SystemdRoot();
  const key = join(box.folder, "key.pem");
  const { privateKey } = generateKeyPairSync("ed25519");
  writeFileSync(key, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  mkdirSync(box.at("opt"), { recursive: true });
  await box.boot();
  await box.output("mkdir", "/opt/fetched");
  await box.output("rm", "-f", "/usr/sbin/policy-rc.d"); // with which a container forbids packages to start a service
  for (const version of ["9.1.0", "9.2.0"]) {
    const packages = packageVersion(version, join(box.folder, version), key);
    for (const name of [tarball(version), `${tarball(version)}.sig`, deb(version)]) {
      await box.write(join(packages, name), `/opt/fetched/${name}`);
    }
  }
}, 500_000);
afterAll(async () => await box?.[Symbol.asyncDispose](), 60_000);

test.if(trouble === undefined)(
  "a tarball is unpacked, installed and proved; the SQL engine is used from where it lies",
  async () => {
    await box.output("tar", "-xf", `/opt/fetched/${tarball("9.1.0")}`, "-C", "/opt");
    const { status, stdout, stderr } = await box.run(
      `/opt/openwit-9.1.0-linux-${process.arch}/openwit`,
      "install",
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("It works");
    expect(await box.output("sh", "-c", "ls /usr/lib/openwit/versions/9.1.0-*")).toBe(
      "duckdb.node\nlibduckdb.so\nopenwit",
    );
    expect(await box.output("ls", "-A", "/var/cache/openwit")).toBe("");
  },
  120_000,
);

test.if(trouble === undefined)(
  "a release that was changed on the way is refused; the one that was signed is taken",
  async () => {
    const fetched = `/opt/fetched/${tarball("9.2.0")}`;
    const changed = `/opt/changed/${tarball("9.2.0")}`;
    await box.output("mkdir", "/opt/changed");
    await box.output("cp", fetched, `${fetched}.sig`, "/opt/changed");
    await box.output("sh", "-c", `printf x | dd of=${changed} bs=1 seek=1000000 conv=notrunc status=none`);
    const refused = await box.run(
      "/usr/bin/openwit",
      "upgrade",
      changed,
      "--allow-unsigned",
      "--allow-unchecked",
    );
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("has SHA-256") });
    expect(await version()).toBe("9.1.0");

    const taken = await box.run("/usr/bin/openwit", "upgrade", fetched);
    expect(taken).toMatchObject({ status: 0, stderr: "" });
    expect(taken.stdout).toContain("signed with ed25519:");
    expect(await version()).toBe("9.2.0");
  },
  120_000,
);

test.if(trouble === undefined)(
  "where openwit install was, a package is told apart, and the other way round",
  async () => {
    await box.output("/usr/bin/openwit", "uninstall", "--purge", "--purge-data", "--yes");
    const { status, stderr } = await box.run("dpkg", "-i", `/opt/fetched/${deb("9.1.0")}`);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(await version()).toBe("9.1.0");
    const upgrade = await box.run("/usr/bin/openwit", "upgrade", `/opt/fetched/${tarball("9.2.0")}`);
    expect(upgrade).toMatchObject({ status: 1, stderr: expect.stringContaining("apt install ./openwit_") });
    const install = await box.run(`/opt/openwit-9.1.0-linux-${process.arch}/openwit`, "install");
    expect(install).toMatchObject({ status: 1, stderr: expect.stringContaining("not from openwit install") });
  },
  120_000,
);

test.if(trouble === undefined)(
  "a package is upgraded, and a bad one is not taken: the service runs on",
  async () => {
    const bad = `
    dpkg-deb -R /opt/fetched/${deb("9.2.0")} /opt/bad
    sed -i 's/^Version: .*/Version: 9.3.0/' /opt/bad/DEBIAN/control
    printf '#!/bin/sh\\necho cannot run here >&2\\nexit 1\\n' > /opt/bad/usr/lib/openwit/openwit
    dpkg-deb -Znone -b /opt/bad /opt/bad.deb`;
    expect(await box.run("dpkg", "-i", `/opt/fetched/${deb("9.2.0")}`)).toMatchObject({ status: 0 });
    expect(await version()).toBe("9.2.0");
    await box.output("sh", "-ec", bad);
    const refused = await box.run("dpkg", "-i", "/opt/bad.deb");
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("the executable of version 9.2.0 is back in its place");
    expect(await version()).toBe("9.2.0");
    expect(await box.output("systemctl", "is-active", "openwit")).toBe("active");
  },
  180_000,
);

test.if(trouble === undefined)("a package that is removed leaves the data", async () => {
  await box.output("dpkg", "-i", `/opt/fetched/${deb("9.2.0")}`);
  await box.output("dpkg", "-r", "openwit");
  expect((await box.run("systemctl", "is-active", "openwit")).stdout.trim()).toBe("inactive");
  expect(await box.output("ls", "/var/lib/openwit")).toContain("wal");
}, 120_000);

function tarball(version: string): string {
  return `openwit-${version}-linux-${process.arch}.tar.xz`;
}

function deb(version: string): string {
  return `openwit_${version}_${debian}.deb`;
}

async function version(): Promise<string> {
  for (let tries = 0; tries < 50; tries++) {
    const { status, stdout } = await box.run("curl", "-sf", `${url}/api/v1/status`);
    if (status === 0 && JSON.parse(stdout).phase === "ready") return JSON.parse(stdout).version;
    await Bun.sleep(200);
  }
  throw new Error(await box.output("journalctl", "-u", "openwit", "-n", "20", "--no-pager"));
}
