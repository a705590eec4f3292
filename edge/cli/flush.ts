/** `openwit flush`: has the running server write all that is in memory into segments. */
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import type { Command } from "./main.ts";
import { order, orderFlags, orderUsage } from "./order.ts";
import { bytes } from "./status.ts";

export const flushCommand: Command = {
  usage: `openwit flush: have the running server write all that is in memory into segments.

A server does this by itself, and what was acknowledged is in its WAL before that: nothing is safer for it. Segments are
what other programs can read.

Usage: openwit flush [options]

Options:
${orderUsage}

Example:
  openwit flush --data-dir ./data
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, orderFlags, "flush");
    refuseArguments(positionals, "flush");
    return await order(
      values,
      "POST",
      "/api/v1/admin/flush",
      ({ rows, wal_bytes }) => `${rows} rows written into segments; ${bytes(wal_bytes)} of WAL left\n`,
    );
  },
};
