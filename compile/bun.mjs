/**
 * Runs the pinned Bun with the arguments given, wherever npm left it.
 *
 * npm may refuse install scripts (`--ignore-scripts`, or its own policy), and the `bun` package then has no
 * executable: only its per-platform package has. So we look there first and never need the script to have run.
 */
import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const require = createRequire(import.meta.url);

/** Path of the Bun executable of this platform; throws with what to do when none is installed. */
export function bunPath() {
  const arch = process.arch === "arm64" ? "aarch64" : process.arch;
  const os = process.platform;
  const name = `bun-${os}-${arch}${os === "linux" && isMusl() ? "-musl" : ""}`;
  try {
    return require.resolve(`@oven/${name}/bin/bun`);
  } catch (cause) {
    throw new Error(
      `no Bun for ${os} ${arch}: node_modules/@oven/${name} is missing · run "npm install" with optional packages on`,
      { cause },
    );
  }
}

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
