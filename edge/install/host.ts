/** The machine that is installed on: its files, below a root, and its commands. Plans are carried out through it. */
import { spawn } from "node:child_process";
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import type { Found, Owner } from "./step.ts";

export interface CommandResult {
  /** 127 when there is no such program. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** @throws OpenWitError `io`, naming the path, from all that writes */
export interface Host extends Found {
  makeFolder(path: string, mode: number, owner?: Owner): void;
  /** Whole and synced, or not at all. */
  write(path: string, text: string, mode: number, owner?: Owner): void;
  /** @param from where the files lie, whatever the root is; the first one is named `openwit` there */
  copyVersion(from: readonly string[], to: string): void;
  /** In one step, in place of a link that is there. */
  relink(path: string, target: string): void;
  remove(path: string): void;
  run(command: readonly string[]): Promise<CommandResult>;
  hasProgram(name: string): boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @param root a folder that stands for "/", as for an image */
export function hostAt(root = "/", environment: Environment = process.env): Host {
  const at = (path: string) => join(root, path);
  return {
    text: (path) => readIfThere(() => readFileSync(at(path), "utf8")),
    link: (path) => readIfThere(() => readlinkSync(at(path))),
    exists: (path) => lstatSync(at(path), { throwIfNoEntry: false }) !== undefined,
    names: (path) => readIfThere(() => readdirSync(at(path)).sort()) ?? [],
    makeFolder: (path, mode, owner) =>
      changing(at(path), () => {
        mkdirSync(at(path), { recursive: true, mode: 0o755 });
        chmodSync(at(path), mode); // whatever the umask is
        own(root, at(path), owner);
      }),
    write: (path, text, mode, owner) =>
      replace(at(path), (temporary) => {
        const fd = openSync(temporary, "wx", 0o600);
        try {
          writeSync(fd, text);
          fsyncSync(fd);
        } finally {
          closeSync(fd);
        }
        own(root, temporary, owner);
        chmodSync(temporary, mode);
      }),
    copyVersion: (from, to) =>
      replace(at(to), (temporary) => {
        mkdirSync(temporary);
        chmodSync(temporary, 0o755);
        for (const [index, file] of from.entries()) {
          const copy = join(temporary, index === 0 ? "openwit" : basename(file));
          copyFileSync(file, copy);
          chmodSync(copy, index === 0 ? 0o755 : 0o644);
          sync(copy);
        }
        sync(temporary);
      }),
    relink: (path, target) => replace(at(path), (temporary) => symlinkSync(target, temporary)),
    remove: (path) => changing(at(path), () => rmSync(at(path), { recursive: true, force: true })),
    run: (command) => runCommand(command, environment),
    hasProgram: (name) =>
      (environment.PATH ?? "").split(delimiter).some((folder) => isExecutable(join(folder, name))),
  };
}

function replace(path: string, make: (temporary: string) => void): void {
  changing(path, () => {
    const temporary = join(dirname(path), `.${basename(path)}.unfinished`);
    rmSync(temporary, { recursive: true, force: true });
    try {
      make(temporary);
      renameSync(temporary, path);
      sync(dirname(path));
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  });
}

function changing(path: string, change: () => void): void {
  try {
    change();
  } catch (cause) {
    if (cause instanceof OpenWitError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new OpenWitError("io", `cannot change ${path}: ${message}`, {
      hint: code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? "it belongs to root, or its file system is read-only"
        : undefined,
      retryable: false,
      cause,
    });
  }
}

/** By the root's own users and groups; a user of a directory service is asked of getent. */
function own(root: string, path: string, owner: Owner | undefined): void {
  if (owner === undefined) return;
  const [user, group] = owner.split(":");
  chownSync(path, idOf(root, "passwd", user), idOf(root, "group", group));
}

function idOf(root: string, database: "passwd" | "group", name: string): number {
  const entries = readIfThere(() => readFileSync(join(root, "etc", database), "utf8")) ?? "";
  const id = new RegExp(`^${name}:[^:]*:(\\d+):`, "m").exec(entries)?.[1];
  if (id !== undefined) return Number(id);
  if (name === "root") return 0;
  const what = database === "passwd" ? "user" : "group";
  throw new OpenWitError("not_found", `there is no ${what} ${name} in ${join(root, "etc", database)}`, {
    hint: "systemd-sysusers makes it; without that: useradd --system --user-group openwit",
  });
}

function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** `undefined` when there is nothing of the kind at the path. */
function readIfThere<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== undefined && ["ENOENT", "ENOTDIR", "EINVAL", "EISDIR"].includes(code)) return undefined;
    throw new OpenWitError("io", message, { retryable: false, cause });
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not for us: either way it cannot be run
  }
}

function runCommand([program, ...args]: readonly string[], environment: Environment): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment as NodeJS.ProcessEnv,
    });
    let stdout = "", stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text) => stderr += text);
    child.once("error", (error) => resolve({ status: 127, stdout, stderr: error.message }));
    child.once("close", (status) => resolve({ status: status ?? 1, stdout, stderr }));
  });
}
