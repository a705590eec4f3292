/**
 * `npm run check`: format, lint and types of all sources, by the Deno that npm installed. All three run, so that one
 * look shows everything; what failed is said at the end with the command that mends it.
 */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import process from "node:process";

// Not the name in node_modules/.bin: that is a placeholder where npm ran no install scripts. This finds the package
// of the platform by itself.
const deno = createRequire(import.meta.url).resolve("deno/bin.cjs");
const sources = ["cmd", "compile", "core", "edge", "tests"];

const checks = [
  { name: "format", args: ["fmt", "--check", ...sources], mend: `node node_modules/deno/bin.cjs fmt` },
  {
    name: "lint",
    args: ["lint", ...sources],
    mend: `node node_modules/deno/bin.cjs lint --fix, then by hand`,
  },
  { name: "types", args: ["check", ...sources], mend: `by hand` },
];

const failed = checks.filter(({ args }) => {
  const { status, error } = spawnSync(process.execPath, [deno, ...args], {
    cwd: new URL("..", import.meta.url),
    stdio: "inherit",
  });
  if (error) throw error;
  return status !== 0;
});

for (const { name, mend } of failed) process.stderr.write(`check: ${name} failed; mend it with: ${mend}\n`);
if (failed.length > 0) process.exitCode = 1;
else process.stdout.write("check: format, lint and types are clean\n");
