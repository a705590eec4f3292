/**
 * What a service says to the systemd that runs it: sd_notify(3), a datagram of `NAME=value` lines to the socket that
 * `NOTIFY_SOCKET` names, by its path or, after "@", as an abstract one (unix(7)).
 *
 * The runtime has no datagrams to Unix sockets, so the C library sends them; where that cannot be called, the program
 * `systemd-notify` does. Nothing here throws and nothing waits: a manager that does not listen must not hold a node up.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { libc } from "../disk/libc.ts";

/** As sd_notify(3) names them. */
export interface Notice {
  readonly READY?: 1;
  readonly RELOADING?: 1;
  readonly STOPPING?: 1;
  readonly WATCHDOG?: 1;
  readonly STATUS?: string;
  readonly EXTEND_TIMEOUT_USEC?: number;
  readonly MONOTONIC_USEC?: bigint;
}

export interface Notifier {
  /** How it is said. */
  readonly by: "socket" | "program" | "nobody";
  /** @returns whether it was taken; what was not is said with the next */
  notify(notice: Notice): boolean;
}

export interface NotifierWays {
  /** @returns whether all bytes were taken by the socket at that address */
  readonly send?: (address: Uint8Array, bytes: Uint8Array) => boolean;
  /** Runs `systemd-notify` with these arguments, later calls after earlier ones. */
  readonly run: (args: readonly string[]) => void;
}

/** @param socket what NOTIFY_SOCKET says */
export function notifierTo(socket: string | undefined, ways: NotifierWays = systemWays()): Notifier {
  const address = socket === undefined ? undefined : socketAddress(socket);
  if (address === undefined) return { by: "nobody", notify: () => true };
  let unsaid: Notice = {};
  const { send } = ways;
  return {
    by: send === undefined ? "program" : "socket",
    notify(notice) {
      const all = { ...unsaid, ...notice };
      const lines = linesOf(all);
      if (send === undefined) {
        ways.run(lines);
        return true;
      }
      const isTaken = send(address, new TextEncoder().encode(lines.join("\n")));
      unsaid = isTaken ? {} : all;
      return isTaken;
    },
  };
}

/** CLOCK_MONOTONIC in microseconds, as `RELOADING=1` wants it; `undefined` where it cannot be read. */
export function monotonicUsec(): bigint | undefined {
  const functions = libc({ clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
  const time = new BigInt64Array(2); // struct timespec of 64-bit systems: seconds, nanoseconds
  if (functions === undefined || functions.clock_gettime(clockMonotonic, time) !== 0) return undefined;
  return time[0] * 1_000_000n + time[1] / 1_000n;
}

/** struct sockaddr_un: family, then the path with its NUL, or a NUL and the abstract name. */
export function socketAddress(socket: string): Uint8Array | undefined {
  const isAbstract = socket.startsWith("@");
  // systemd has sockets of other families too (vsock, for virtual machines); a service is given none of them.
  if (!isAbstract && !socket.startsWith("/")) return undefined;
  const name = new TextEncoder().encode(isAbstract ? socket.slice(1) : socket);
  const address = new Uint8Array(2 + name.length + 1);
  new DataView(address.buffer).setUint16(0, familyUnix, true); // the targets are little-endian
  address.set(name, isAbstract ? 3 : 2);
  return name.length > 0 && address.length <= addressBytesMax ? address : undefined;
}

/** One line each: a line break in a value would begin another assignment. */
function linesOf(notice: Notice): string[] {
  return Object.entries(notice).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${String(value).replaceAll(/\s+/g, " ")}`);
}

const familyUnix = 1;
const addressBytesMax = 110;
const datagram = 2;
const closeOnExec = 0o2000000;
const clockMonotonic = 1;
const noSignal = 0x4000;
const doNotWait = 0x40;

function systemWays(): NotifierWays {
  const functions = process.platform !== "linux" ? undefined : libc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
  });
  return {
    send: functions === undefined ? undefined : (address, bytes) => {
      const fd = functions.socket(familyUnix, datagram | closeOnExec, 0);
      if (fd < 0) return false;
      const sent = functions.sendto(
        fd,
        bytes,
        bytes.length,
        noSignal | doNotWait,
        address,
        address.length,
      );
      functions.close(fd);
      return Number(sent) === bytes.length;
    },
    run: notifyProgram(process.env),
  };
}

/** Runs `systemd-notify`, one at a time, so that what is said later is heard later. */
export function notifyProgram(env: NodeJS.ProcessEnv): NotifierWays["run"] {
  let last = Promise.resolve();
  return (args) => {
    last = last.then(() =>
      new Promise((resolve) => {
        // Of an error nobody is told: whoever would be told of it is who does not listen.
        spawn("systemd-notify", [`--pid=${process.pid}`, ...args], { stdio: "ignore", env })
          .once("error", () => resolve()).once("exit", () => resolve());
      })
    );
  };
}
