/** `openwit batches`: the rows that streams seal together, and how far each has come on its way. */
import { OpenWitError } from "../../core/error.ts";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { listing, order, orderFlags, orderUsage, shortTime } from "./order.ts";
import { bytes } from "./status.ts";

const filters = ["tenant", "signal", "stage", "limit"] as const;

export const batchesCommand: Command = {
  usage: `openwit batches: the rows that streams seal together, and how far each has come.

Usage: openwit batches [options]
       openwit batches ID [options]

With an ID: when that batch reached which stage, and the segments that hold its requests now.

Options:
  --stage STAGE          only those whose last stage is ingested, stored, indexed or evicted
  --stuck                only those that should have been stored long ago
  --tenant NAME          only this tenant (default: all)
  --signal SIGNAL        only logs, spans or metrics
  --limit N              most batches, the newest first (default 100)
${orderUsage}

Exit status: 0 done, 1 failed; with --stuck 3 when there are some.

Example:
  openwit batches --stuck
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      ...orderFlags,
      ...Object.fromEntries(filters.map((name) => [name, { type: "string" as const }])),
      stuck: { type: "boolean" },
    }, "batches");
    const [id, ...rest] = positionals;
    if (rest.length > 0) {
      throw new OpenWitError("invalid_argument", `batches takes one ID, there are ${positionals.length}`);
    }
    const { tenant: _, ...others } = values; // a filter here, and no tenant to ask as
    if (id !== undefined) {
      return await order(others, "GET", `/api/v1/admin/batches/${encodeURIComponent(id)}`, describeOne);
    }
    const query = new URLSearchParams();
    for (const name of filters) if (values[name] !== undefined) query.set(name, String(values[name]));
    if (values.stuck) query.set("stuck", "true");
    return await order(
      others,
      "GET",
      `/api/v1/admin/batches?${query}`,
      describe,
      ({ total }) => values.stuck && total > 0 ? 3 : 0,
    );
  },
};

// deno-lint-ignore no-explicit-any -- the document of GET /api/v1/admin/batches
function describe({ total, batches }: any): string {
  if (total === 0) return "no batch\n";
  const table = listing(
    ["id", "stage", "rows", "bytes", "segments", "received", "stored", "retries", "error"],
    ["rows", "segments", "retries"],
    // deno-lint-ignore no-explicit-any -- as above
    batches.map((each: any) => [
      each.id,
      each.stuck ? `${each.stage}, stuck` : each.stage,
      each.rows,
      bytes(each.bytes),
      each.segments ?? "",
      shortTime(each.received),
      shortTime(each.stored),
      each.retries,
      each.error ?? "",
    ]),
  );
  return total > batches.length ? `${table}… of ${total}; --limit shows more\n` : table;
}

// deno-lint-ignore no-explicit-any -- the document of GET /api/v1/admin/batches/{id}
function describeOne({ batch, history, segments }: any): string {
  const lines = [
    `${batch.id}: ${batch.rows} rows, ${bytes(batch.bytes)}, ${
      batch.stuck ? "stuck at" : "stage"
    } ${batch.stage}`,
    ...(batch.error === null ? [] : [`${batch.retries} flushes failed: ${batch.error}`]),
    // deno-lint-ignore no-explicit-any -- as above
    ...history.map(({ stage, at }: any) => `  ${stage.padEnd(12)} ${at}`),
  ];
  if (segments.length === 0) return lines.join("\n") + "\n";
  const table = listing(
    ["segment", "level", "rows", "bytes", "path"],
    ["level", "rows"],
    // deno-lint-ignore no-explicit-any -- as above
    segments.map((each: any) => [each.id, each.level, each.rows, bytes(each.bytes), each.path]),
  );
  return `${lines.join("\n")}\n\n${table}`;
}
