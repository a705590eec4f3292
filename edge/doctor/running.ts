/** Checks of a running server that need more than its status: which build it is, who can reach it, what it stores of itself. */
import { readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Endpoints } from "../server/listeners.ts";
import { version } from "../version.ts";
import { type Check, fail, ok, warn } from "./check.ts";

/** @param running the version that the server says; @param pid its process */
export async function checkVersion(running: string, pid: number): Promise<Check> {
  if (running !== version) {
    return warn(
      "version",
      `the server is ${running}, this openwit is ${version}`,
      "restart the server, so that it is the one that is installed",
    );
  }
  const executable = await readlink(`/proc/${pid}/exe`).catch(() => ""); // another user's, or no procfs
  return executable.endsWith(" (deleted)")
    ? warn("version", `${running}, but its executable was replaced since it started`, "restart the server")
    : ok("version", `${running}, as this openwit`);
}

/** From where the ports can be reached, as the kernel has them: there is no login. */
export async function checkListening(endpoints: Endpoints): Promise<Check> {
  const tables = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => readFile(path, "utf8").catch(() => "")),
  );
  const open = Object.entries(endpoints).filter(([, url]) =>
    isOpenToOthers(tables.join("\n"), Number(new URL(url).port || 80))
  );
  return open.length === 0 ? ok("addresses", "reached from this box alone") : warn(
    "addresses",
    `${
      open.map(([name, url]) => `${name} (port ${new URL(url).port})`).join(", ")
    } can be reached from other machines, ` +
      "and there is no login",
    "bind them to 127.0.0.1, or see that a firewall lets only the agents in",
  );
}

/** Whether a listening socket of the port is bound to anything but loopback (proc(5), "net/tcp"; state 0A is LISTEN). */
export function isOpenToOthers(table: string, port: number): boolean {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return table.split("\n").some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    if (state !== "0A" || !local.endsWith(`:${wanted}`)) return false;
    const address = local.slice(0, local.indexOf(":"));
    // Words of 32 bits in the order of the machine: 127.0.0.0/8 ends in 7F, mapped into IPv6 too.
    return !/^(?:0{16}FFFF0000)?[0-9A-F]{6}7F$/.test(address) &&
      address !== "00000000000000000000000001000000";
  });
}

/**
 * Whether the box keeps what it says of itself, so that somebody who comes later can ask.
 * @param everyMs 0 when it is not wanted
 */
export function checkSelf(metrics: string, uptimeSeconds: number, everyMs: number): Check {
  if (everyMs === 0) return ok("self", "control_plane.self_interval is 0s: it stores nothing of itself");
  const sum = (name: string) =>
    [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, "gm"))]
      .reduce((total, [, count]) => total + Number(count), 0);
  const [stored, dropped] = [sum("openwit_self_records_total"), sum("openwit_self_dropped_total")];
  const found = `${stored} records of itself stored as tenant _system since the start, ${dropped} dropped`;
  if (stored === 0 && uptimeSeconds * 1_000 > 3 * everyMs) {
    return fail("self", found, "see intake and the server's log");
  }
  return dropped > stored
    ? warn("self", found, "there was no room for them: see intake and budget")
    : ok("self", found);
}

/** The configuration to fall back to, which a server writes once one has proved itself. */
export async function checkConfigCopy(dataDir: string): Promise<Check[]> {
  const path = join(dataDir, "run", "config.good.yaml");
  try {
    const { mtime } = await stat(path);
    return [
      ok("config copy", `${path}, of ${mtime.toISOString().slice(0, 19)}Z, is what a bad one falls back to`),
    ];
  } catch {
    return []; // none has run for long enough, or without a file
  }
}
