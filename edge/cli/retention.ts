/** `openwit retention`: how long records are kept, what would go now, and letting it go. */
import { OpenWitError } from "../../core/error.ts";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { listing, order, orderFlags, orderUsage, shortTime } from "./order.ts";
import { bytes } from "./status.ts";
import { describeRun } from "./tasks.ts";

export const retentionCommand: Command = {
  usage: `openwit retention: how long records are kept, and what would be removed now. Nothing is removed.

Usage: openwit retention [options]
       openwit retention run [options]

"run" applies it now; the server does that every minute by itself.

Options:
${orderUsage}

Example:
  openwit retention
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, orderFlags, "retention");
    if (positionals.length === 0) return await order(values, "GET", "/api/v1/admin/retention", describe);
    if (positionals.length > 1 || positionals[0] !== "run") {
      throw new OpenWitError("invalid_argument", `retention cannot ${positionals.join(" ")}`, {
        hint: "openwit retention says what would go, openwit retention run lets it go",
      });
    }
    return await order(values, "POST", "/api/v1/admin/retention", describeRun);
  },
};

// deno-lint-ignore no-explicit-any -- the document of GET /api/v1/admin/retention
function describe({ policy, time_synced, would_remove: gone }: any): string {
  const kept = Object.entries(policy.seconds as Record<string, number | null>).map(([signal, seconds]) =>
    `  ${signal.padEnd(8)} ${seconds === null ? "as long as there is room" : `at least ${ageText(seconds)}`}`
  );
  const lines = [
    "kept",
    ...kept,
    ...Object.entries(policy.tenants as Record<string, TenantBounds>).map(([tenant, own]) =>
      `  ${tenant.padEnd(8)} ${
        [
          ...(own.seconds === null ? [] : [`at least ${ageText(own.seconds)}`]),
          ...(own.stream_bytes_max === null ? [] : [`at most ${bytes(own.stream_bytes_max)} a stream`]),
        ].join(", ")
      }`
    ),
    `budget     ${bytes(policy.used_bytes)} of ${
      bytes(policy.budget_bytes)
    } used; when it is full: ${policy.when_full}`,
    ...(policy.evict_first === "none" ? [] : [`first goes logs up to ${policy.evict_first}`]),
    ...(policy.stream_bytes_max === null ? [] : [`a stream   at most ${bytes(policy.stream_bytes_max)}`]),
    ...(time_synced ? [] : ["the clock cannot be believed: nothing goes by age"]),
    gone.segments === 0
      ? "nothing would be removed now"
      : `would be removed now: ${gone.segments} segments of ${gone.rows} rows, ${bytes(gone.bytes)}`,
  ];
  if (gone.segments === 0) return lines.join("\n") + "\n";
  const named = listing(
    ["reason", "tenant", "signal", "rows", "bytes", "newest"],
    ["rows"],
    // deno-lint-ignore no-explicit-any -- as above
    gone.named.map((each: any) => [
      each.reason,
      each.tenant,
      each.signal,
      each.rows,
      bytes(each.bytes),
      shortTime(each.newest),
    ]),
  );
  const more = gone.segments - gone.named.length;
  return `${lines.join("\n")}\n\n${named}${more > 0 ? `… and ${more} more\n` : ""}`;
}

interface TenantBounds {
  readonly seconds: number | null;
  readonly stream_bytes_max: number | null;
}

function ageText(seconds: number): string {
  const [count, unit] = seconds >= 172_800
    ? [seconds / 86_400, "days"]
    : seconds >= 7_200
    ? [seconds / 3_600, "hours"]
    : seconds >= 120
    ? [seconds / 60, "minutes"]
    : [seconds, "seconds"];
  return `${Math.round(count * 10) / 10} ${unit}`;
}
