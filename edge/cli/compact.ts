/** `openwit compact`: has the running server merge what is due, and what need not wait, and says what it did. */
import process from "node:process";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { bytes } from "./status.ts";
import { expectOk, findTarget, targetFlags, targetUsage } from "./target.ts";

export const compactCommand: Command = {
  usage: `openwit compact: have the running server merge its segments now.

A server does this by itself; few and small segments make queries of a busy hour faster at once.

Usage: openwit compact [options]

Options:
${targetUsage}
  --json                 what it did as JSON

Exit status: 0 done, 1 failed, 3 some merges wait for room.

Example:
  openwit compact --data-dir ./data
`,
  async run(args) {
    const { values } = parseFlags(args, { ...targetFlags, json: { type: "boolean" } }, "compact");
    const target = await findTarget({
      url: values.url as string | undefined,
      dataDir: values["data-dir"] as string | undefined,
    });
    const answer = await expectOk(await target.fetch("/api/v1/admin/compact", { method: "POST" }));
    const report = await answer.json();
    if (values.json) process.stdout.write(JSON.stringify(report, null, 2) + "\n");
    else process.stdout.write(describe(report));
    return report.postponed.length > 0 ? 3 : 0;
  },
};

// deno-lint-ignore no-explicit-any -- the document of POST /api/v1/admin/compact
function describe(report: any): string {
  const lines = report.merges === 0 ? ["nothing to merge"] : [
    `${report.segments} segments became ${report.merges}: ${report.rows} rows, ` +
    `${bytes(report.bytes_read)} became ${bytes(report.bytes_written)}`,
  ];
  return [...lines, ...report.postponed].join("\n") + "\n";
}
