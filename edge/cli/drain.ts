/** `openwit drain`: has the running server take no more records, and put all there are into segments. */
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import type { Command } from "./main.ts";
import { order, orderFlags, orderUsage, shortTime } from "./order.ts";
import { bytes } from "./status.ts";

export const drainCommand: Command = {
  usage: `openwit drain: have the running server take no more records, and put all there are into segments.

Agents are told to try again, and keep what they have; queries are answered. When the command ends everything is in
segments, and the box can be copied, moved or cut off. It lasts until --resume, or until the server is started again.

Usage: openwit drain [options]

Options:
  --resume               take records again
  --status               say how it is, and change nothing
${orderUsage}

Exit status: 0 done, 1 failed; with --status 0 when it is drained, 3 when it is not (yet).

Example:
  openwit drain && cp -a data /mnt/usb && openwit drain --resume
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      ...orderFlags,
      resume: { type: "boolean" },
      status: { type: "boolean" },
    }, "drain");
    refuseArguments(positionals, "drain");
    if (values.status) {
      return await order(
        values,
        "GET",
        "/api/v1/admin/drain",
        describe,
        ({ state }) => state === "drained" ? 0 : 3,
      );
    }
    return await order(values, "POST", `/api/v1/admin/${values.resume ? "resume" : "drain"}`, describe);
  },
};

// deno-lint-ignore no-explicit-any -- the document of /api/v1/admin/drain
function describe({ state, since, memory_rows, wal_bytes }: any): string {
  if (state === "off") return "records are taken\n";
  if (state === "draining") {
    return `draining since ${shortTime(since)}: ${memory_rows} rows are still to be written\n`;
  }
  return `drained since ${shortTime(since)}: everything is in segments, ${
    bytes(wal_bytes)
  } of WAL left; no records ` +
    "are taken\n  openwit drain --resume takes them again\n";
}
