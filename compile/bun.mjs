/**
 * Runs the pinned Bun with the arguments given, wherever npm left it.
 *
 * The executable comes in a package of the platform, @oven/bun-*. When npm runs install scripts, that of the package
 * `bun` moves it from there to bun/bin/bun.exe, where a placeholder was. npm may refuse to run scripts
 * (`--ignore-scripts`, or its own policy), and then it stays where it came. Both must work.
 */
import { spawn } from "node:child_process";
import { realpathSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Path of the Bun executable of this platform; throws with what to do when none is installed. */
export function bunPath() {
  const arch = process.arch === "arm64" ? "aarch64" : process.arch;
  const os = process.platform;
  const name = `bun-${os}-${arch}${os === "linux" && isMusl() ? "-musl" : ""}`;
  const modules = fileURLToPath(new URL("../node_modules/", import.meta.url));
  for (const path of [`${modules}@oven/${name}/bin/bun`, `${modules}bun/bin/bun.exe`]) {
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > placeholderBytesMax) return path;
  }
  throw new Error(
    `no Bun for ${os} ${arch}: node_modules/@oven/${name} is missing · run "npm install" with optional packages on`,
  );
}

/** The placeholder is a script of 450 bytes; Bun has 100 MB. */
const placeholderBytesMax = 1_000_000;

function isMusl() {
  process.report.excludeNetwork = true; // else the report looks up names of network addresses, which may take seconds
  return process.report.getReport().header.glibcVersionRuntime === undefined;
}

function run(args) {
  const child = spawn(bunPath(), args, { stdio: "inherit" });
  const forward = (signal) => {
    // A terminal gives its interrupt to both of us, and a server takes a second one for impatience.
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  const forwarded = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of forwarded) process.on(signal, forward);
  child.on("error", (error) => {
    process.stderr.write(`cannot run Bun: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    // Ends as the child ended, so that a shell or a service manager above sees the same.
    for (const name of forwarded) process.off(name, forward);
    if (signal) process.kill(process.pid, signal);
    else process.exitCode = code;
  });
}

if (process.argv[1] && realpathSync(process.argv[1]) === import.meta.filename) {
  try {
    run(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
