import { expect, test } from "bun:test";
import { loadConfig } from "../config/settings.ts";
import { carryOut, describeAll } from "./carry-out.ts";
import { FakeHost } from "./fake-host.ts";
import { configText } from "./files.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { type InstallRequest, planInstall, planUninstall } from "./plan.ts";
import { variablesOf, withConfiguredData } from "./settings.ts";
import { pickSizes } from "./sizing.ts";

const gib = 1024 ** 3;
const sizes = pickSizes({ memoryBytes: 2 * gib, cores: 2, volumeBytes: 32 * gib, isSystemVolume: true });
const system = layoutOf({ scope: "system" }, {});
const user = layoutOf({ scope: "user" }, { HOME: "/users/ada" });

const request = (changes: Partial<InstallRequest> = {}): InstallRequest => ({
  layout: system,
  sizes,
  release: { name: "1.0.0-abc", files: ["/tmp/download/openwit-linux-x64"] },
  starts: true,
  root: undefined,
  isActive: false,
  ...changes,
});

async function installed(changes: Partial<InstallRequest> = {}): Promise<FakeHost> {
  const host = new FakeHost();
  host.makeFolder("/etc/default", 0o755);
  await carryOut(planInstall(request(changes), host).steps, host, () => {});
  return host;
}

test("an installation puts every part in its place and starts the service", async () => {
  const host = await installed();
  expect(host.link("/usr/bin/openwit")).toBe("../lib/openwit/current/openwit");
  expect(host.link("/usr/lib/openwit/current")).toBe("versions/1.0.0-abc");
  expect(host.text("/usr/lib/openwit/versions/1.0.0-abc/openwit")).toContain("openwit-linux-x64");
  expect(host.files.get("/etc/openwit/openwit.yaml")).toMatchObject({ mode: 0o640, owner: "root:openwit" });
  expect(host.text("/etc/systemd/system/openwit.service")).toContain("ExecStart=/usr/bin/openwit serve");
  expect(host.commands).toEqual([
    "systemd-sysusers openwit.conf",
    "systemctl daemon-reload",
    "systemctl enable openwit.service",
    "systemctl start --no-block openwit.service",
  ]);
});

test.each(
  [
    ["system", system],
    ["user", user],
  ] as const,
)("a second installation for the %s changes nothing", async (_, layout) => {
  const host = await installed({ layout });
  host.files.set("/etc/group", { kind: "file", text: "root:x:0:\nopenwit:x:990:\n" });
  const { steps, changes } = planInstall(request({ layout, isActive: true }), host);
  expect(changes).toBe(false);
  expect(steps.filter(({ kind }) => kind !== "leave" && kind !== "run")).toEqual([]);
  expect(describeAll(steps)).not.toContain("restart");
});

test("a configuration that was changed stays, and ours is put beside it once", async () => {
  const host = await installed();
  const path = "/etc/openwit/openwit.yaml";
  host.write(path, "memory: { limit: 1GiB }\n", 0o640);
  const first = planInstall(request(), host).steps;
  await carryOut(first, host, () => {});
  expect(host.text(path)).toBe("memory: { limit: 1GiB }\n");
  expect(host.text(`${path}.new`)).toBe(configText(system, sizes));
  expect(planInstall(request(), host).steps.filter((step) => step.kind === "write")).toEqual([]);
});

test("another version takes the place of the one in use, which is kept, and the service starts anew", async () => {
  const host = await installed();
  host.commands.length = 0;
  const release = { name: "2.0.0-def", files: ["/tmp/new/openwit", "/tmp/new/libduckdb.so"] };
  await carryOut(planInstall(request({ release, isActive: true }), host).steps, host, () => {});
  expect(host.link("/usr/lib/openwit/current")).toBe("versions/2.0.0-def");
  expect(host.link("/usr/lib/openwit/previous")).toBe("versions/1.0.0-abc");
  expect(host.names("/usr/lib/openwit/versions/2.0.0-def")).toEqual(["libduckdb.so", "openwit"]);
  expect(host.commands.at(-1)).toBe("systemctl restart --no-block openwit.service");
});

test("an executable that is not ours is left alone", () => {
  const host = new FakeHost();
  host.makeFolder("/usr/bin", 0o755);
  host.write("/usr/bin/openwit", "of a package", 0o755);
  expect(() => planInstall(request(), host)).toThrow("not from openwit install");
});

test("an image is told nothing of systemd but the name of its user", async () => {
  const host = await installed({ starts: false, root: "/mnt/image" });
  expect(host.commands).toEqual(["systemd-sysusers --root=/mnt/image openwit.conf"]);
});

test("a user's installation touches nothing outside of the home", async () => {
  const host = await installed({ layout: user });
  const outside = [...host.files.keys()].filter((path) =>
    !path.startsWith("/users") && path !== "/etc" && path !== "/etc/default"
  );
  expect(outside).toEqual([]);
  expect(host.commands).toContain("systemctl --user enable openwit.service");
  expect(host.files.get("/users/ada/.config/openwit/openwit.yaml")).toMatchObject({ mode: 0o600 });
});

test("XDG folders are honoured, and relative ones ignored", () => {
  const layout = layoutOf({ scope: "user" }, {
    HOME: "/users/ada",
    XDG_CONFIG_HOME: "/cfg",
    XDG_DATA_HOME: "relative",
  });
  expect(layout.configFile).toBe("/cfg/openwit/openwit.yaml");
  expect(layout.dataDir).toBe("/users/ada/.local/share/openwit");
});

test.each([["prefix"], ["dataDir"]])("a relative %s is refused", (name) => {
  expect(() => layoutOf({ scope: "system", [name]: "here" }, {})).toThrow("no absolute path");
});

test("the configuration that is written is right, and says what was picked", async () => {
  const layout: Layout = { ...system, dataDir: "/srv/my data: here" };
  const text = configText(layout, sizes);
  const config = await loadConfig({ flags: {}, environment: {}, file: { path: "openwit.yaml", text } });
  expect(config).toMatchObject({
    dataDir: "/srv/my data: here",
    memoryBytesMax: gib / 2,
    searchThreads: 2,
    budget: { budget: { percent: 50 } },
  });
});

test.each([
  [{ memoryBytes: 0.5 * gib, cores: 1 }, [256, 1]],
  [{ memoryBytes: 2 * gib, cores: 2 }, [512, 2]],
  [{ memoryBytes: 7.7 * gib, cores: 4 }, [1_920, 4]],
  [{ memoryBytes: 256 * gib, cores: 64 }, [4_096, 8]],
])("a box with %p is given %p (MiB, threads)", (box, expected) => {
  const { memoryBytes, searchThreads } = pickSizes({ volumeBytes: gib, isSystemVolume: false, ...box });
  expect([memoryBytes / 1024 ** 2, searchThreads]).toEqual(expected);
});

test("the data folder is the one that the configuration names; another wish is refused", async () => {
  const host = await installed();
  host.write("/etc/openwit/openwit.yaml", "storage:\n  data_dir: ${WIT_DATA}\n", 0o640);
  host.write("/etc/default/openwit", '# a comment\nWIT_DATA="/srv/wit"\n', 0o640);
  expect((await withConfiguredData(system, host)).dataDir).toBe("/srv/wit");
  expect(withConfiguredData(system, host, "/elsewhere")).rejects.toThrow("/srv/wit");
});

test("variables are read as systemd reads them", () => {
  expect(variablesOf("A=1\n#B=2\n;C=3\n D = x\nE='two words'\nF=\"\"\n")).toEqual({
    A: "1",
    E: "two words",
    F: "",
  });
});

test("uninstalling leaves configuration and data, unless told", async () => {
  const host = await installed();
  host.makeFolder("/var/lib/openwit/wal", 0o700);
  host.commands.length = 0;
  const uninstall = { layout: system, purgesConfig: false, purgesData: false, tellsSystemd: true };
  await carryOut(planUninstall(uninstall, host), host, () => {});
  expect([...host.files].filter(([, { kind }]) => kind !== "folder").map(([path]) => path).sort()).toEqual([
    "/etc/default/openwit",
    "/etc/openwit/openwit.yaml",
  ]);
  expect(host.exists("/var/lib/openwit/wal")).toBe(true);
  expect(host.commands).toEqual(["systemctl disable --now openwit.service", "systemctl daemon-reload"]);
  expect(() => planUninstall(uninstall, host)).toThrow("nothing of openwit install is here");
});

test("uninstalling with everything leaves nothing", async () => {
  const host = await installed();
  host.makeFolder("/var/lib/openwit/wal", 0o700);
  const steps = planUninstall(
    { layout: system, purgesConfig: true, purgesData: true, tellsSystemd: true },
    host,
  );
  await carryOut(steps, host, () => {});
  expect([...host.files].filter(([, { kind }]) => kind !== "folder")).toEqual([]);
  expect(host.exists("/var/lib/openwit")).toBe(false);
  expect(host.exists("/etc/openwit")).toBe(false);
});

test("a package's executable is not removed with the rest", async () => {
  const host = await installed();
  host.relink("/usr/bin/openwit", "/opt/other/openwit");
  const steps = planUninstall(
    { layout: system, purgesConfig: false, purgesData: false, tellsSystemd: false },
    host,
  );
  await carryOut(steps, host, () => {});
  expect(host.link("/usr/bin/openwit")).toBe("/opt/other/openwit");
});
