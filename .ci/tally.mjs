/**
 * Sums the test runs whose logs .ci/steps.sh kept, and prints `N passed, N failed`; the exit status is 1 when
 * anything failed.
 *
 * Reads the summary that `bun test` prints and not its JUnit file: that one leaves out a test file which fails
 * while it loads (Bun 1.4.5). A step that fails without a failed test counts as one failure.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const [logs] = process.argv.slice(2);
const total = { pass: 0, fail: 0, skip: 0 };

for (const file of readdirSync(logs).filter((name) => name.endsWith(".status"))) {
  const step = file.slice(0, -".status".length);
  const status = Number(readFileSync(join(logs, file), "utf8"));
  // deno-lint-ignore no-control-regex -- colours, should a terminal be there
  const text = readFileSync(join(logs, `${step}.log`), "utf8").replace(/\x1b\[[0-9;]*m/g, "");
  const counts = countsOf(text);
  if (status !== 0 && counts.fail === 0) counts.fail = 1;
  if (status !== 0) process.stdout.write(`failed: ${step} (exit ${status})\n${reasonsOf(text)}`);
  for (const key of Object.keys(total)) total[key] += counts[key];
}

process.stdout.write(
  `${total.pass} passed, ${total.fail} failed${total.skip > 0 ? `, ${total.skip} skipped` : ""}\n`,
);
process.exitCode = total.fail > 0 ? 1 : 0;

/** Of all summaries in a log: lines such as " 12 pass", before "Ran 12 tests across 3 files." */
function countsOf(text) {
  const counts = { pass: 0, fail: 0, skip: 0 };
  const lines = text.split("\n");
  let pending = { pass: 0, fail: 0, skip: 0 };
  for (const line of lines) {
    const found = /^ *(\d+) (pass|fail|skip|todo)$/.exec(line);
    if (found) pending[found[2] === "todo" ? "skip" : found[2]] += Number(found[1]);
    else if (/^Ran \d+ tests? across \d+ files?\./.test(line)) {
      for (const key of Object.keys(counts)) counts[key] += pending[key];
      pending = { pass: 0, fail: 0, skip: 0 };
    }
  }
  return counts;
}

/** What a log says of its failures, for whoever sees the end of the output alone: each error with its place, at most. */
function reasonsOf(text) {
  const lines = text.split("\n");
  const told = [];
  for (const [index, line] of lines.entries()) {
    if (/^\(fail\)/.test(line)) told.push(line);
    else if (/^error: /.test(line)) {
      told.push(...lines.slice(index, index + 8).filter((each) => each.trim() !== ""));
    }
  }
  const shown = told.length > 0 ? told.slice(0, 40) : lines.slice(-12);
  return shown.map((line) => `  | ${line.slice(0, 300)}\n`).join("");
}
