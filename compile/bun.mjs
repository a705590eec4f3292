/**
 * Runs the pinned Bun with the arguments given, wherever npm left it.
 *
 * npm may refuse install scripts (`--ignore-scripts`, or its own policy), and the `bun` package then has no
 * executable: only its per-platform package has. So we look there first and never need the script to have run.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import process from "node:process";

const require = createRequire(import.meta.url);

/** Path of the Bun executable of this platform; throws with what to do when none is installed. */
export function bunPath() {
  const libc = process.report?.getReport?.()?.header?.glibcVersionRuntime ? "" : "-musl";
  const arch = process.arch === "arm64" ? "aarch64" : process.arch;
  const os = process.platform;
  const suffix = os === "linux" ? libc : "";
  for (const name of [`bun-${os}-${arch}${suffix}`, `bun-${os}-${arch}${suffix}-baseline`]) {
    try {
      return require.resolve(`@oven/${name}/bin/bun`);
    } catch { /* not this variant: npm installs the one that fits the machine */ }
  }
  throw new Error(
    `no Bun for ${os} ${arch} under node_modules/@oven: run "npm install" with optional packages on`,
  );
}

if (import.meta.filename === process.argv[1]) {
  const child = spawn(bunPath(), process.argv.slice(2), { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    if (signal) process.kill(process.pid, signal === "SIGKILL" ? "SIGTERM" : signal);
    process.exit(code ?? 1);
  });
}
