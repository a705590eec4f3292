/**
 * The service of one user from its installation to its end, on a systemctl that stands in for systemd and really starts
 * and stops the program (systemctl.py). What needs systemd itself is in systemd.e2e.ts.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import process from "node:process";
import { buildVersion } from "./other-version.ts";

const built = process.env.OPENWIT_BINARY ??
  join(resolve(import.meta.dir, "../.."), `dist/openwit-linux-${process.arch}`);
const python = Bun.which("python3");
if (python === null) console.warn("skipped: there is no python3, which stands in for systemd");

const home = mkdtempSync(join(tmpdir(), "openwit-service-"));
const config = join(home, "config/openwit/openwit.yaml");
const lib = join(home, "lib/openwit");
const environment = {
  PATH: `${join(home, "path")}:${process.env.PATH}`,
  HOME: home,
  USER: "ada",
  XDG_CONFIG_HOME: join(home, "config"),
  XDG_DATA_HOME: join(home, "data"),
  FAKE_SYSTEMD: join(home, "systemd"),
};
/** The executable, as if fetched. */
const fetched = join(home, "fetched/openwit-linux");

beforeAll(async () => {
  if (!existsSync(built)) throw new Error(`${built} does not exist: run "npm run compile" first`);
  for (const folder of ["path", "systemd", "fetched", "config/openwit"]) {
    mkdirSync(join(home, folder), { recursive: true });
  }
  for (const name of ["systemctl", "journalctl"]) {
    copyFileSync(join(import.meta.dir, "systemctl.py"), join(home, "path", name));
    chmodSync(join(home, "path", name), 0o755);
  }
  copyFileSync(built, fetched);
  chmodSync(fetched, 0o755);
});

afterAll(async () => {
  if (python !== null) await run([join(home, "path/systemctl"), "stop"]);
  rmSync(home, { recursive: true, force: true });
});

test.if(python !== null)("without root and with --dry-run everything is said and nothing done", async () => {
  const { status, stdout } = await openwit("install", "--user", "--dry-run");
  expect(status).toBe(0);
  for (
    const text of [
      `write   ${config}, mode 0600`,
      `      |   data_dir: ${home}/data/openwit`,
      `      | ExecStart=${home}/.local/bin/openwit serve --config ${config}`,
      "run     systemctl --user enable openwit.service",
    ]
  ) expect(stdout).toContain(text);
  expect(existsSync(join(home, ".local"))).toBe(false);
  expect(existsSync(config)).toBe(false);
});

test.if(python !== null)(
  "installed, it starts, a record is sent and found, and it says what to do next",
  async () => {
    // Ports of its own: what is written into the configuration before the installation stays.
    writeFileSync(
      config,
      `storage:\n  data_dir: ${home}/data/openwit\nnetworking:\n  http: 127.0.0.1:0\n  otlp_http: 127.0.0.1:0\n` +
        `  otlp_grpc: 127.0.0.1:0\n`,
    );
    const { status, stdout, stderr } = await openwit("install", "--user", "--prefix", home);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("It works: a record was sent to it and found");
    expect(stdout).toContain("loginctl enable-linger ada");
    expect(readFileSync(config, "utf8")).toContain("127.0.0.1:0");
    expect(existsSync(`${config}.new`)).toBe(true);
  },
  60_000,
);

test.if(python !== null)("systemd was told that it is ready, how it is, and that it lives", async () => {
  const deadline = Date.now() + 10_000;
  const notices = () => readFileSync(join(home, "systemd/notices"), "utf8");
  while (!/WATCHDOG=1[^]*WATCHDOG=1/.test(notices()) && Date.now() < deadline) await Bun.sleep(50);
  expect(notices()).toMatch(/^EXTEND_TIMEOUT_USEC=\d+ .*STATUS=starting/m);
  expect(notices()).toMatch(/^READY=1 \| STATUS=ready, .* used$/m);
  expect(notices()).toMatch(/WATCHDOG=1[^]*WATCHDOG=1/);
});

test.if(python !== null)("installed again, nothing changes and the process goes on", async () => {
  const before = (await status()).pid;
  const { status: code, stdout } = await openwit("install", "--user", "--prefix", home);
  expect(code).toBe(0);
  expect(stdout).not.toMatch(/^ {2}(write|copy|link|folder) /m);
  expect((await status()).pid).toBe(before);
}, 60_000);

test.if(python !== null)("a file without a signature, or with another content, is refused", async () => {
  const bad = join(home, "fetched/openwit-bad");
  writeFileSync(bad, badVersion("exit 1"));
  expect(await upgrade(bad)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("--allow-unsigned"),
  });
  expect(await upgrade(bad, "--allow-unsigned")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("no SHA256SUMS lies beside openwit-bad"),
  });
  vouch(bad);
  writeFileSync(bad, badVersion("exit 2"));
  expect(await upgrade(bad, "--allow-unsigned")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("SHA256SUMS says"),
  });
  expect(readdirSync(lib).sort()).toEqual([".lock", "current", "versions"]);
});

test.if(python !== null)("another machine's executable and an older version are refused", async () => {
  const foreign = join(home, "fetched/openwit-foreign");
  const head = Buffer.from(readFileSync(built).subarray(0, 4096));
  head.writeUInt16LE(process.arch === "x64" ? 0xb7 : 0x3e, 18);
  writeFileSync(foreign, head);
  vouch(foreign);
  expect(await upgrade(foreign, "--allow-unsigned")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("this machine is"),
  });
  const old = join(home, "fetched/openwit-old");
  writeFileSync(old, badVersion("exit 1", "0.0.1"));
  vouch(old);
  expect(await upgrade(old, "--allow-unsigned")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("older than the installed"),
  });
});

test.if(python !== null)(
  "a version that does not take the configuration is refused before anything changes",
  async () => {
    const strict = join(home, "fetched/openwit-strict");
    writeFileSync(
      strict,
      badVersion("exit 0").replace("config) exit 0", "config) echo no such key >&2; exit 1"),
    );
    vouch(strict);
    const before = (await status()).pid;
    expect(await upgrade(strict, "--allow-unsigned")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("no such key"),
    });
    expect((await status()).pid).toBe(before);
  },
);

test.if(python !== null).each([
  ["ends at once", "echo it broke >&2; exit 1", /it ended [3-9] times/], // one more may begin between two looks
  ["never becomes ready", "echo it waits >&2; exec sleep 600", /not healthy within 3 s/],
])("a version that %s is rolled back by itself, and its log shown", async (_, does, reason) => {
  const inUse = readlinkSync(join(lib, "current"));
  const bad = join(home, "fetched/openwit-bad");
  writeFileSync(bad, badVersion(does));
  vouch(bad);
  mkdirSync(join(lib, ".incoming-killed")); // as an upgrade that was killed leaves it
  const [{ status: code, stdout, stderr }, second] = await Promise.all([
    upgrade(bad, "--allow-unsigned", "--timeout", "3s"),
    // While the first one waits; not by the version that is tried, which is bad.
    Bun.sleep(1_500).then(() => openwit("upgrade", "--user", "--prefix", home, "--rollback")),
  ]);
  expect(second).toMatchObject({ status: 1, stderr: expect.stringContaining("another openwit upgrade") });
  expect(readdirSync(lib).sort()).toEqual([".lock", "current", "versions"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(reason);
  expect(stderr).toContain("runs again, and works");
  expect(stderr).toMatch(/\| it (broke|waits)/);
  expect(stdout).toContain("-> 9.9.9");
  expect(readlinkSync(join(lib, "current"))).toBe(inUse);
  expect(readdirSync(join(lib, "versions"))).toEqual([basename(inUse)]);
  expect(await rowsOfChecks()).toBeGreaterThan(0);
}, 60_000);

test.if(python !== null)(
  "a good version takes over with the data, and the one of before comes back on demand",
  async () => {
    const first = await status();
    const rows = await rowsOfChecks();
    const good = buildVersion("9.9.9", join(home, "build"));
    const folder = join(home, "fetched/release");
    mkdirSync(join(folder, "openwit-9.9.9"), { recursive: true });
    copyFileSync(good, join(folder, "openwit-9.9.9/openwit"));
    const tarball = join(folder, "openwit-9.9.9-linux.tar.gz");
    Bun.spawnSync(["tar", "-czf", tarball, "-C", folder, "openwit-9.9.9"]);
    vouch(tarball);
    const upgraded = await upgrade(tarball, "--allow-unsigned");
    expect(upgraded).toMatchObject({ status: 0, stderr: "" });
    expect(upgraded.stdout).toContain("OpenWit 9.9.9 works");
    const second = await status();
    expect(second).toMatchObject({ version: "9.9.9", phase: "ready" });
    expect(await rowsOfChecks()).toBe(rows + 1);

    expect(await upgrade("--rollback")).toMatchObject({ status: 0, stderr: "" });
    expect(await status()).toMatchObject({ version: first.version, phase: "ready" });
    expect(await rowsOfChecks()).toBe(rows + 2);
  },
  120_000,
);

test.if(python !== null)("uninstalled, its data and configuration stay; the rest is gone", async () => {
  const { status: code } = await openwit("uninstall", "--user", "--prefix", home);
  expect(code).toBe(0);
  expect(existsSync(join(home, "bin/openwit"))).toBe(false);
  expect(existsSync(lib)).toBe(false);
  expect(existsSync(config)).toBe(true);
  expect(readdirSync(join(home, "data/openwit"))).toContain("wal");
  expect(readFileSync(join(home, "systemd/status"), "utf8")).toBe("0");
  const again = await openwit("uninstall", "--user", "--prefix", home);
  expect(again.stderr).toContain("nothing of openwit install is here");
}, 60_000);

test("without root, or without systemd, it says what could be done instead", async () => {
  const nowhere = { ...environment, PATH: join(home, "fetched") };
  const asUser = process.geteuid!() === 0
    ? ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    : [];
  chmodSync(home, 0o755);
  const forbidden = await run([...asUser, fetched, "install"]);
  expect(forbidden.status).toBe(1);
  expect(forbidden.stderr).toContain("sudo openwit install, or openwit install --user");
  const without = await run([fetched, "install", "--user"], nowhere);
  expect(without.status).toBe(1);
  expect(without.stderr).toContain("there is no systemctl here");
  expect(without.stderr).toContain(`openwit serve --config ${config}" runs it`);
});

/** A program that says it is a version, takes any configuration, and serves as it is told. */
function badVersion(serves: string, version = "9.9.9"): string {
  return `#!/bin/sh\ncase "$1" in\n--version) echo openwit ${version};;\nconfig) exit 0;;\n*) ${serves};;\nesac\n`;
}

/** Writes SHA256SUMS beside a file. */
function vouch(file: string): void {
  const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
  writeFileSync(join(file, "../SHA256SUMS"), `${sum}  ${basename(file)}\n`);
}

const openwit = (...args: string[]) => run([fetched, ...args]);
const upgrade = (...args: string[]) =>
  run([join(home, "bin/openwit"), "upgrade", "--user", "--prefix", home, ...args]);

interface Status {
  readonly version: string;
  readonly phase: string;
  readonly pid: number;
}

async function status(): Promise<Status> {
  return await (await fetch(`${endpoint()}/api/v1/status`)).json();
}

/** Of the tenant that proofs go to. */
async function rowsOfChecks(): Promise<number> {
  const response = await fetch(`${endpoint()}/api/v1/query`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Scope-OrgID": "openwit-check" },
    body: JSON.stringify({ sql: "SELECT count(*) FROM logs" }),
  });
  return Number((await response.json()).rows[0][0]);
}

function endpoint(): string {
  return JSON.parse(readFileSync(join(home, "data/openwit/run/server.json"), "utf8")).endpoints.http;
}

async function run(command: string[], env: Record<string, string | undefined> = environment) {
  const child = Bun.spawn(command, { cwd: home, env, stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}
