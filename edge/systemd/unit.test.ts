import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packagedUnit, systemdUnit, type UnitOptions } from "./unit.ts";

const base = mkdtempSync(join(tmpdir(), "openwit-unit-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const settings = (options: Partial<UnitOptions> = {}) =>
  systemdUnit({ ...packagedUnit, ...options }).split("\n");

test("the packaged unit is the one of the conventions", () => {
  const lines = settings();
  for (
    const line of [
      "Type=notify",
      "User=openwit",
      "StateDirectory=openwit",
      "LimitNOFILE=65536",
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "ProtectHome=yes",
      "PrivateTmp=yes",
      "SystemCallFilter=@system-service",
      "MemoryDenyWriteExecute=no",
      "ExecStartPre=-/usr/bin/openwit config check --config /etc/openwit/openwit.yaml",
      "ExecStart=/usr/bin/openwit serve --config /etc/openwit/openwit.yaml",
      "ExecReload=/bin/kill -HUP $MAINPID",
      "ExecReload=/bin/sleep 1",
      "Restart=always",
      "RestartSec=2",
      "TimeoutStopSec=120",
      "CapabilityBoundingSet=",
    ]
  ) expect(lines).toContain(line);
  expect(lines.join("\n")).not.toContain("network-online");
});

test.each([
  ["/var/lib/openwit-two", ["StateDirectory=openwit-two", "ProtectHome=yes"]],
  ["/srv/my data/$x%", ['ReadWritePaths="/srv/my data/$$x%%"', "ProtectHome=yes"]],
  ["/run/user/1000/wit", ["ProtectHome=tmpfs", "BindPaths=/run/user/1000/wit"]],
])("a data folder at %p stays writable, and nothing else becomes so", (dataDir, expected) => {
  const lines = settings({ dataDir });
  const found = lines.filter((line) => /^(StateDirectory|ReadWritePaths|BindPaths|ProtectHome)=/.test(line));
  expect(found.sort()).toEqual(expected.sort());
});

test("a user's unit asks for nothing that only root's systemd can do", () => {
  const lines = settings({ scope: "user" });
  expect(lines.filter((line) => /^(User|Group|Private|Protect|StateDirectory|Capability)/.test(line)))
    .toEqual([]);
  expect(lines).toContain("WantedBy=default.target");
  expect(lines).toContain("SystemCallFilter=@system-service");
});

const analyze = Bun.which("systemd-analyze");
if (analyze === null) console.warn("skipped: there is no systemd-analyze to check the unit with");

test.if(analyze !== null).each(["system", "user"] as const)(
  "systemd-analyze verify is content with the %s unit",
  (scope) => {
    // verify wants the program to be there.
    const options = { ...packagedUnit, scope, executable: "/bin/true" };
    const { status, output } = systemdAnalyze(scope, ["verify", "--man=no", unitFile(scope, options)]);
    expect({ status, output }).toEqual({ status: 0, output: "" });
  },
);

test.if(analyze !== null)("systemd-analyze gives the unit an exposure below 3", () => {
  const { output } = systemdAnalyze("system", [
    "security",
    "--offline=true",
    "--no-pager",
    unitFile("security", packagedUnit),
  ]);
  const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(output)?.[1]);
  expect({ exposure, output: exposure > 0 ? "" : output }).toEqual({ exposure, output: "" });
  expect(exposure).toBeLessThan(3);
});

test.if(analyze !== null)("the check is able to fail: a bare unit is exposed", () => {
  const path = join(base, "bare", "openwit.service");
  mkdirSync(join(base, "bare"));
  writeFileSync(path, "[Service]\nExecStart=/bin/true\n");
  const { output } = systemdAnalyze("system", ["security", "--offline=true", "--no-pager", path]);
  expect(Number(/Overall exposure level for \S+: ([\d.]+)/.exec(output)?.[1])).toBeGreaterThan(9);
});

function unitFile(name: string, options: UnitOptions): string {
  const folder = join(base, name);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "openwit.service");
  writeFileSync(file, systemdUnit(options));
  return file;
}

function systemdAnalyze(scope: "system" | "user", args: string[]): { status: number; output: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([
    analyze!,
    ...(scope === "user" ? ["--user"] : []),
    ...args,
  ], { env: { ...process.env, XDG_RUNTIME_DIR: base, HOME: base } });
  return { status: exitCode, output: stdout.toString() + stderr.toString() };
}
