/**
 * The Debian package in a clean root: installed, started, upgraded to a good and to a bad version, removed and purged.
 * There is no systemd there, as in a container; what needs it is the unit's own test.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { buildParts } from "../../compile/package.ts";
import { debControl, debEntries, type Parts } from "../../compile/package/contents.ts";
import { debOf } from "../../compile/package/deb.ts";
import { targets } from "../../compile/targets.ts";
import { DebianRoot, whyNoRoot } from "./debian.ts";

const reason = await whyNoRoot();
if (reason !== undefined) process.stderr.write(`the Debian package is not tried: ${reason}\n`);

describe.skipIf(reason !== undefined)("the Debian package", () => {
  let debian: DebianRoot;
  let parts: Parts;

  beforeAll(async () => {
    debian = new DebianRoot();
    const root = resolve(import.meta.dirname, "../..");
    const target = targets.find(({ name }) => name === process.arch)!;
    [parts] = await Promise.all([
      buildParts({ target, root, out: "", timeSeconds: 1_795_650_000, isFast: true }),
      debian.make(),
    ]);
    await put("0.1.0", parts);
    await put("0.1.1", parts);
    await put("0.1.2", {
      ...parts,
      executable: Buffer.from("#!/bin/sh\necho cannot run here >&2\nexit 1\n"),
    });
  }, 280_000);
  afterAll(() => debian?.[Symbol.dispose]());

  test(
    "is installed without systemd: its user, its folders, its unit, and an executable that answers",
    async () => {
      const { status, stdout: left, stderr } = await debian.run(
        `dpkg -i /openwit_0.1.0.deb > /dev/null || exit
        for process in /proc/[0-9]*; do readlink $process/exe; done | grep openwit; true`,
      );
      expect({ status, left, stderr }).toMatchObject({ status: 0, left: "" });
      const { stdout } = await debian.run(`
      openwit --version
      stat -c '%U %a' /var/lib/openwit /etc/openwit/openwit.yaml
      stat -c '%G' /etc/openwit/openwit.yaml
      readlink /etc/systemd/system/multi-user.target.wants/openwit.service
      ${asService} openwit config check --config /etc/openwit/openwit.yaml > /dev/null && echo right
      dpkg --verify openwit && echo verified`);
      expect(stdout.split("\n").slice(0, -1)).toEqual([
        expect.stringMatching(/^openwit \d/),
        "openwit 700",
        "root 640",
        "openwit",
        "/lib/systemd/system/openwit.service",
        "right",
        "verified",
      ]);
    },
    60_000,
  );

  test("its service takes records and answers, on a system that it cannot write", async () => {
    const { stdout, stderr } = await debian.run(
      `touch /usr/here /tmp/here 2> /dev/null && echo writable
       ${serve}
       openwit demo --endpoint "$grpc" --rate 50 --duration 1s > /dev/null 2>&1
       openwit query --url "$http" --format csv "SELECT count(*) > 0 AS found FROM logs"`,
      readOnly,
    );
    expect({ stdout, stderr }).toMatchObject({ stdout: "found\ntrue\n" });
  }, 60_000);

  test("is upgraded: what an administrator set stays, and so does the data", async () => {
    await debian.run("echo '# by hand' >> /etc/openwit/openwit.yaml");
    const { status, stderr } = await debian.run("dpkg -i /openwit_0.1.1.deb");
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(await state()).toBe("0.1.1 install ok installed");
    const { stdout } = await debian.run(
      `tail -1 /etc/openwit/openwit.yaml; ls -A /usr/lib/openwit
       ${serve}
       openwit query --url "$http" --format csv "SELECT count(*) > 0 AS found FROM logs"`,
      readOnly,
    );
    expect(stdout).toBe("# by hand\nduckdb.node\nlibduckdb.so\nopenwit\nfound\ntrue\n");
  }, 60_000);

  test(
    "a version that does not run here is not taken: the last one goes on, and a good one mends it",
    async () => {
      const bad = await debian.run("dpkg -i /openwit_0.1.2.deb");
      expect(bad.status).not.toBe(0);
      expect(bad.stderr).toContain("cannot run here");
      expect(bad.stderr).toContain("the executable of version 0.1.1 is back in its place");
      expect(await state()).toBe("0.1.2 install ok half-configured");
      expect((await debian.run("openwit --version")).status).toBe(0);

      // Else the old executable would be taken for the new version.
      const again = await debian.run("dpkg --configure openwit");
      expect(again.status).not.toBe(0);
      expect(again.stderr).toContain("was tried and not taken");

      expect((await debian.run("dpkg -i /openwit_0.1.1.deb")).status).toBe(0);
      expect(await state()).toBe("0.1.1 install ok installed");
    },
    90_000,
  );

  test("a configuration that the new version refuses stops the upgrade in the same way", async () => {
    await debian.run(
      "cp -p /etc/openwit/openwit.yaml /kept; echo 'nonsense: 1' >> /etc/openwit/openwit.yaml",
    );
    const { status, stderr } = await debian.run("dpkg -i /openwit_0.1.1.deb");
    expect(status).not.toBe(0);
    expect(stderr).toContain("nonsense");
    expect(stderr).toContain("it does not take /etc/openwit/openwit.yaml");
    expect((await debian.run("mv /kept /etc/openwit/openwit.yaml; dpkg -i /openwit_0.1.1.deb")).status).toBe(
      0,
    );
  }, 90_000);

  test("a removal keeps configuration and data, a purge the data alone, unless it is told", async () => {
    expect((await debian.run("dpkg -r openwit")).status).toBe(0);
    expect((await debian.run(whatIsLeft)).stdout).toBe("configuration\ndata\n");
    const purged = await debian.run("dpkg -P openwit");
    expect(purged).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("data stays in /var/lib/openwit"),
    });
    expect((await debian.run(whatIsLeft)).stdout).toBe("data\n");
    await debian.run("dpkg -i /openwit_0.1.0.deb");
    expect((await debian.run("OPENWIT_PURGE_DATA=yes dpkg -P openwit")).status).toBe(0);
    expect((await debian.run(whatIsLeft)).stdout).toBe("");
  }, 90_000);

  const hasLintian = Bun.which("lintian") !== null;
  test.skipIf(!hasLintian)(`lintian finds nothing${hasLintian ? "" : " (it is not here)"}`, async () => {
    // Without the three large files: what it finds in them is overridden, with the reasons, and takes a minute.
    const [executable, library] = ["#!/bin/sh\n", "library\n"].map((text) => Buffer.from(text));
    await put("0.1.3", { ...parts, executable, library, addon: library }, 6);
    const child = Bun.spawn(["lintian", "--allow-root", join(debian.path, "openwit_0.1.3.deb")], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const [exit, stdout] = [await child.exited, await new Response(child.stdout).text()];
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: "" });
  }, 120_000);

  async function put(version: string, parts: Parts, level: 6 | "none" = "none"): Promise<void> {
    const architecture = process.arch === "x64" ? "amd64" : "arm64";
    const deb = await debOf(debControl(version, architecture), debEntries(parts), 1_795_650_000, level);
    writeFileSync(join(debian.path, `openwit_${version}.deb`), deb);
  }

  async function state(): Promise<string> {
    const { stdout } = await debian.run("dpkg-query -W -f '${Version} ${Status}' openwit");
    return stdout;
  }
});

const asService = "setpriv --reuid=openwit --regid=openwit --clear-groups";
const readOnly =
  'mount --bind "$root" "$root"; mount -t proc proc "$root/proc"; mount --bind "$root/var" "$root/var"; ' +
  'mount -o remount,ro,bind "$root"';
/** The service as its unit starts it, on ports that are free; $http and $grpc are where it listens. */
const serve = `: > /var/lib/openwit/log
  ${asService} openwit serve --config /etc/openwit/openwit.yaml --http 127.0.0.1:0 \\
    --otlp-http 127.0.0.1:0 --otlp-grpc 127.0.0.1:0 > /var/lib/openwit/log 2>&1 &
  for tenth in $(seq 300); do grep -q ready /var/lib/openwit/log && break; sleep 0.1; done
  grpc=$(sed -n 's/.*OTLP.gRPC *//p' /var/lib/openwit/log); http=$(sed -n 's/^ *API *//p' /var/lib/openwit/log)`;
const whatIsLeft = `test -e /usr/bin/openwit -o -e /usr/lib/openwit && echo program
  test -e /etc/openwit/openwit.yaml && echo configuration
  test -d /var/lib/openwit && echo data
  true`;
