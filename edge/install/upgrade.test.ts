import { expect, test } from "bun:test";
import type { Clock } from "../../core/env/clock.ts";
import { FakeHost } from "./fake-host.ts";
import { layoutOf } from "./layout.ts";
import { executableTarget } from "./plan.ts";
import type { Sight } from "./proof.ts";
import {
  installedTarget,
  previousTarget,
  removeOldVersions,
  switchVersion,
  versionOfTarget,
} from "./upgrade.ts";

const layout = layoutOf({ scope: "system" }, {});
const lib = layout.libDir;
const old = { target: "versions/1", version: "1.0.0" };
const next = { target: "versions/2", version: "2.0.0" };

/** What a version does once it is started: answers as ready, never does, or ends again and again. */
type Behaviour = "works" | "waits" | "ends" | "loses records";

/** A box with version 1 in use and version 0 before it; `systemctl restart` starts what `current` names. */
function box(behaviours: Record<string, Behaviour>, { activeState = "active" } = {}) {
  const host = new FakeHost();
  for (const version of ["0", "1", "2"]) host.copyVersion(["/x/openwit"], `${lib}/versions/${version}`);
  host.makeFolder("/usr/bin", 0o755);
  host.relink(layout.executable, executableTarget(layout));
  host.relink(`${lib}/current`, old.target);
  host.relink(`${lib}/previous`, "versions/0");
  let pid = 100, running = "1", ends = 0;
  host.answer = (command) => {
    if (command.includes("restart")) {
      pid++;
      ends = 0;
      running = host.link(`${lib}/current`)!.slice("versions/".length);
    }
    if (command.includes("ActiveState")) return { stdout: `${activeState}\n` };
    if (command.includes("NRestarts")) {
      return { stdout: `${behaviours[running] === "ends" ? ends++ : ends}\n` };
    }
    return command.startsWith("journalctl") ? { stdout: `log of ${running}\nits last line\n` } : undefined;
  };
  const clock = { ms: 0 };
  const lines: string[] = [];
  const interrupted = new AbortController();
  const switching = {
    layout,
    host,
    clock: {
      nowNs: () => 0n,
      monotonicMs: () => clock.ms,
      sleep: (ms: number) => {
        clock.ms += ms;
        return Promise.resolve();
      },
    } satisfies Clock,
    timeoutMs: 60_000,
    interrupted: interrupted.signal,
    say: (line: string) => lines.push(line),
    prover: {
      look: (): Promise<Sight> =>
        Promise.resolve(
          ["works", "loses records"].includes(behaviours[running])
            ? { kind: "ready", version: `${running}.0.0`, pid, http: "h", otlpHttp: "o", otlpGrpc: "g" }
            : { kind: "not-ready", reason: "it is still starting" },
        ),
      roundTrip: () =>
        behaviours[running] === "loses records"
          ? Promise.reject(new Error("one record was sent, and 0 were found"))
          : Promise.resolve(),
    },
  };
  const links = () => [host.link(`${lib}/current`), host.link(`${lib}/previous`)];
  return { host, switching, links, lines, clock, interrupted };
}

test("a version that works stays, and the one of before is kept", async () => {
  const { host, switching, links } = box({ 1: "works", 2: "works" });
  expect(await switchVersion(old, next, switching)).toMatchObject({ kind: "healthy" });
  expect(links()).toEqual(["versions/2", "versions/1"]);
  removeOldVersions(layout, host);
  expect(host.names(`${lib}/versions`)).toEqual(["1", "2"]);
});

test.each(
  [
    ["ends", "it ended 3 times"],
    ["waits", "not healthy within 60 s: it is still starting"],
    ["loses records", "one record was sent, and 0 were found"],
  ] as const,
)("a version that %s is put back, with why and its own log", async (behaviour, reason) => {
  const { host, switching, links } = box({ 1: "works", 2: behaviour });
  const switched = await switchVersion(old, next, switching);
  expect(switched).toMatchObject({
    kind: "rolled-back",
    failure: { reason: expect.stringContaining(reason), log: ["log of 2", "its last line"] },
    restored: { isHealthy: true, sight: { version: "1.0.0" } },
  });
  expect(links()).toEqual(["versions/1", "versions/0"]);
  removeOldVersions(layout, host);
  expect(host.names(`${lib}/versions`)).toEqual(["0", "1"]);
});

test("when the version of before does not work either, that is said, and it stays in place", async () => {
  const { switching, links } = box({ 1: "waits", 2: "ends" });
  expect(await switchVersion(old, next, switching)).toMatchObject({
    kind: "rolled-back",
    restored: { isHealthy: false, reason: expect.stringContaining("still starting") },
  });
  expect(links()).toEqual(["versions/1", "versions/0"]);
});

test("the process from before does not pass for the new one", async () => {
  const { host, switching } = box({ 1: "works", 2: "works" });
  const { answer } = host;
  // systemd is told, and does nothing.
  host.answer = (command) => command.includes("restart") ? {} : answer(command);
  expect(await switchVersion(old, { ...next, version: "1.0.0" }, switching)).toMatchObject({
    kind: "rolled-back",
    failure: { reason: expect.stringContaining("the process from before (100) still runs") },
  });
});

test("who interrupts the waiting has the version of before put back", async () => {
  const { switching, links, clock, interrupted } = box({ 1: "works", 2: "waits" });
  interrupted.abort();
  expect(await switchVersion(old, next, switching)).toMatchObject({
    kind: "rolled-back",
    failure: { reason: expect.stringContaining("interrupted") },
    restored: { isHealthy: true },
  });
  expect(clock.ms).toBeLessThan(1_000);
  expect(links()[0]).toBe("versions/1");
});

test("a service that does not run is not started", async () => {
  const { host, switching, links } = box({ 1: "works", 2: "ends" }, { activeState: "inactive" });
  expect(await switchVersion(old, next, switching)).toEqual({ kind: "at-rest" });
  expect(links()).toEqual(["versions/2", "versions/1"]);
  expect(host.commands.some((command) => command.includes("restart"))).toBe(false);
});

test("at every moment the link in use names a whole version, and the one to go back to is there", async () => {
  const { host, switching } = box({ 1: "works", 2: "ends" });
  const relink = host.relink.bind(host);
  const seen: unknown[] = [];
  host.relink = (path, target) => {
    relink(path, target);
    const [current, previous] = ["current", "previous"].map((name) => host.link(`${lib}/${name}`)!);
    seen.push([host.exists(`${lib}/${current}/openwit`), host.exists(`${lib}/${previous}/openwit`)]);
  };
  await switchVersion(old, next, switching);
  expect(seen).toEqual([[true, true], [true, true], [true, true], [true, true]]);
});

test("a version is known by its folder's name", () => {
  expect(versionOfTarget("versions/1.2.0-rc.1-0123456789ab")).toBe("1.2.0-rc.1");
});

test("what is not from openwit install is not upgraded; without a version before there is no way back", () => {
  const { host } = box({});
  expect(installedTarget(layout, host)).toBe("versions/1");
  expect(previousTarget(layout, host)).toBe("versions/0");
  host.remove(`${lib}/versions/0`);
  expect(() => previousTarget(layout, host)).toThrow("no version before this one");
  host.write(layout.executable, "of a package", 0o755);
  expect(() => installedTarget(layout, host)).toThrow("not from openwit install");
  host.remove(layout.executable);
  expect(() => installedTarget(layout, host)).toThrow("there is no /usr/bin/openwit to upgrade");
});
