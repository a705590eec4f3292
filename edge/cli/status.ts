/** `openwit status`: how the running server is, in words or as JSON. */
import process from "node:process";
import { describeTrial } from "./config_show.ts";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { renderTable } from "./table.ts";
import { expectOk, findTarget, targetFlags, targetUsage } from "./target.ts";

export const statusCommand: Command = {
  usage: `openwit status: say how the running server is.

Usage: openwit status [options]

Options:
${targetUsage}
  --json                 the whole document as JSON

Exit status: 0 ready, 1 not ready or not reached.

Example:
  openwit status --data-dir ./data
`,
  async run(args) {
    const { values } = parseFlags(args, { ...targetFlags, json: { type: "boolean" } }, "status");
    const target = await findTarget({
      url: values.url as string | undefined,
      dataDir: values["data-dir"] as string | undefined,
    });
    const status = await (await expectOk(await target.fetch("/api/v1/status"))).json();
    if (values.json) process.stdout.write(JSON.stringify(status, null, 2) + "\n");
    else process.stdout.write(describe(status));
    return status.phase === "ready" ? 0 : 1;
  },
};

// deno-lint-ignore no-explicit-any -- the document of edge/api/status.ts
function describe(status: any): string {
  const lines = [
    `OpenWit ${status.version} is ${status.phase}${status.reason ? `: ${status.reason}` : ""}`,
    `data      ${status.data_dir}, ${bytes(status.disk?.free_bytes)} of ${
      bytes(status.disk?.total_bytes)
    } free`,
    `process   pid ${status.pid}, up ${status.uptime_seconds} s, ${bytes(status.resident_bytes)} resident`,
  ];
  if (status.cpu) lines.push(`processor ${describeProcessor(status)}`);
  if (status.limits) {
    const { memory_bytes: memory, search_threads: threads, notes } = status.limits;
    lines.push(`limits    ${bytes(memory)} of memory, ${threads} search threads`);
    lines.push(...notes.map((note: string) => `          ${note}`));
  }
  if (status.recovery) lines.push(`recovery  ${status.recovery}; queries wait for it`);
  const trial = describeTrial(status.trial);
  if (trial !== "") lines.push(`config    ${trial.trimEnd()}`);
  if (status.wal) {
    lines.push(`WAL       ${status.wal.files} files, ${bytes(status.wal.bytes)}, sync ${status.wal.sync}`);
  }
  if (status.catalog?.kind && status.catalog.kind !== "none") {
    lines.push(`catalog   ${describeCatalog(status.catalog)}`);
  }
  if (status.self) lines.push(`itself    ${describeSelf(status.self)}`);
  const text = lines.join("\n") + "\n";
  if (!status.signals) return text;
  // deno-lint-ignore no-explicit-any -- as above
  const rows = Object.entries(status.signals as Record<string, any>).map(([signal, each]) => [
    signal,
    each.memtable_rows,
    each.segment_rows,
    each.segments,
    bytes(each.segment_bytes),
    each.oldest ?? "",
    each.newest ?? "",
  ]);
  const columns = ["signal", "in memory", "in segments", "segments", "bytes", "oldest", "newest"]
    .map((name, index) => ({ name, type: index > 0 && index < 4 ? "INTEGER" : "VARCHAR" }));
  const width = process.stdout.columns ?? 160;
  return `${text}\n${renderTable(columns, rows, width)}\n${tiers(status, width)}${troubles(status).join("")}`;
}

// deno-lint-ignore no-explicit-any -- as above
function tiers(status: any, width: number): string {
  // deno-lint-ignore no-explicit-any -- as above
  const rows = Object.entries((status.tiers ?? {}) as Record<string, any>).map(([tier, each]) => [
    tier,
    each.rows,
    bytes(each.bytes),
    each.oldest ?? "",
    each.newest ?? "",
  ]);
  const columns = ["tier", "rows", "bytes", "oldest", "newest"]
    .map((name, index) => ({ name, type: index === 1 ? "INTEGER" : "VARCHAR" }));
  return renderTable(columns, rows, width);
}

/** What a person should know of at once; `openwit doctor` says what to do. */
// deno-lint-ignore no-explicit-any -- as above
function troubles(status: any): string[] {
  const lines = [
    ...(status.refusing ? [`requests are refused: ${status.refusing}`] : []),
    // deno-lint-ignore no-explicit-any -- as above
    ...Object.entries((status.health?.components ?? {}) as Record<string, any>)
      .filter(([, each]) => each.status !== "ok" && each.reason !== status.refusing)
      .map(([name, each]) => `${name}: ${each.status} since ${each.since}: ${each.reason}`),
    ...Object.entries(status.damaged ?? {}).map(([id, why]) => `damaged segment ${id}: ${why}`),
  ];
  return lines.length === 0 ? [] : ["\n", ...lines.map((line) => `${line}\n`)];
}

// deno-lint-ignore no-explicit-any -- as above
function describeSelf({ interval_seconds: seconds, logs, points, dropped }: any): string {
  if (seconds === 0) return "not stored (control_plane.self_interval is 0s)";
  const lost = dropped === 0 ? "" : `, ${dropped} dropped`;
  return `tenant _system, every ${seconds} s: ${logs} lines of log, ${points} points since the start${lost}`;
}

// deno-lint-ignore no-explicit-any -- as above
function describeCatalog({ kind, state, reason, error, pending, dropped }: any): string {
  if (state === "closed") return `${kind}, closed: ${reason}`;
  const trouble = error === undefined ? "" : `: ${error}`;
  return `${kind}, ${state}${trouble}; ${pending} notes wait, ${dropped} were dropped`;
}

// deno-lint-ignore no-explicit-any -- as above
function describeProcessor({ cpu, page_size: pages }: any): string {
  const parts = [cpu.architecture, cpu.model, cpu.features.join(" "), `pages of ${bytes(pages)}`];
  return parts.filter((part) => part !== "").join(", ");
}

export function bytes(count: number | undefined): string {
  if (count === undefined) return "?";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) [count, unit] = [count / 1024, unit + 1];
  return `${unit === 0 ? count : count.toFixed(1)} ${units[unit]}`;
}
