/**
 * One process a data folder: an exclusive flock(2) on `run/lock`, held for as long as the process lives. The kernel
 * lets go of it however the process ends; what the file says of its holder is for people only.
 *
 * Where no C library can be called, a file that names a living process stands in for it.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import { libc } from "./libc.ts";

export const lockPath = "run/lock";

export interface DataLock extends Disposable {
  /** How it is held. */
  readonly by: "flock" | "pid";
  release(): void;
}

/**
 * Takes the lock of a data folder, or another one in it, at once or not at all.
 * @throws OpenWitError `conflict` with who holds it; `io`
 */
export function lockDataFolder(root: string, file = lockPath): DataLock {
  const path = join(root, file);
  const fd = openLockFile(path);
  try {
    const flock = loadFlock();
    return flock === undefined ? lockByPid(path, fd, root) : lockByFlock(flock, fd, root);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Who holds the lock of a data folder, as far as its file says; for messages. */
export function describeHolder(root: string): string {
  const holder = readHolder(join(root, lockPath));
  return holder === undefined ? "another process" : `process ${holder.pid}, started ${holder.since}`;
}

interface Holder {
  readonly pid: number;
  /** RFC 3339. */
  readonly since: string;
}

/** Returns 0, or an errno. */
type Flock = (fd: number, operation: number) => number;

// flock(2) on Linux and macOS alike.
const lockExclusive = 2;
const lockNonBlocking = 4;
const lockUnlock = 8;

function openLockFile(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, "a+", 0o600);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new OpenWitError("io", `cannot open the lock of the data folder: ${message}`, {
      hint: "the data folder must belong to the user that runs openwit, and be writable",
      cause,
    });
  }
}

function lockByFlock(flock: Flock, fd: number, root: string): DataLock {
  if (flock(fd, lockExclusive | lockNonBlocking) !== 0) throw heldBy(root);
  try {
    writeHolder(fd);
  } catch (error) {
    // The kernel holds the lock; what the file says is for people, and a full disk must not stop a start.
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
  let isHeld = true;
  const release = () => {
    if (!isHeld) return;
    isHeld = false;
    ftruncateSync(fd, 0);
    flock(fd, lockUnlock);
    closeSync(fd);
  };
  // The file itself stays: were it removed, two processes could hold locks on two files of that name.
  return { by: "flock", release, [Symbol.dispose]: release };
}

/** Not proof against two that start in the same instant after a crash; flock is. */
function lockByPid(path: string, fd: number, root: string): DataLock {
  const holder = readHolder(path);
  if (holder !== undefined && isAlive(holder.pid)) throw heldBy(root);
  writeHolder(fd);
  if (readHolder(path)?.pid !== process.pid) throw heldBy(root);
  let isHeld = true;
  const release = () => {
    if (!isHeld) return;
    isHeld = false;
    closeSync(fd);
    unlinkSync(path);
  };
  return { by: "pid", release, [Symbol.dispose]: release };
}

/** `undefined` where the C library cannot be called. */
function loadFlock(): Flock | undefined {
  return libc({ flock: { args: ["i32", "i32"], returns: "i32" } })?.flock;
}

function heldBy(root: string): OpenWitError {
  return new OpenWitError("conflict", `the data folder ${root} is in use by ${describeHolder(root)}`, {
    hint: "stop that process, or give this one another --data-dir",
  });
}

function writeHolder(fd: number): void {
  const holder: Holder = { pid: process.pid, since: new Date().toISOString() };
  ftruncateSync(fd, 0);
  writeSync(fd, JSON.stringify(holder) + "\n");
}

function readHolder(path: string): Holder | undefined {
  try {
    const { pid, since } = JSON.parse(readFileSync(path, "utf8"));
    return Number.isInteger(pid) && typeof since === "string" ? { pid, since } : undefined;
  } catch {
    return undefined; // missing, empty or half written: it names nobody
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // another user's, and so alive
  }
}
