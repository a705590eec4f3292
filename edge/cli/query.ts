/** `openwit query`: one SQL statement, answered by the running server or straight from the data folder. */
import process from "node:process";
import { text } from "node:stream/consumers";
import { OpenWitError } from "../../core/error.ts";
import { systemClock } from "../../core/env/clock.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import { parseInstant } from "../config/instant.ts";
import { parseDuration } from "../config/parse.ts";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { renderTable } from "./table.ts";
import { expectOk, findTarget, targetFlags, targetUsage } from "./target.ts";

const acceptOf: Readonly<Record<string, string>> = {
  table: "application/json",
  json: "application/json",
  ndjson: "application/x-ndjson",
  csv: "text/csv",
  arrow: "application/vnd.apache.arrow.stream",
};

export const queryCommand: Command = {
  usage: `openwit query: answer one SQL SELECT over logs, spans (or traces) and metrics.

Usage: openwit query [options] "SQL"        or the SQL on stdin

Options:
${targetUsage}
  --format FORMAT        ${Object.keys(acceptOf).join(", ")} (default table on a terminal, else ndjson)
  --since TIME           only records at or after: a duration back (15m, 7d) or a time (2026-11-23T20:00:00Z)
  --until TIME           only records before
  --param VALUE          value of the next $1, $2 … (may be repeated)
  --limit N              most rows to return
  --timeout DURATION     give up after this long (default 60s)

Exit status: 0 done, 1 failed, 2 misuse, 3 the answer is partial.

Example:
  openwit query --since 15m "SELECT service_name, count(*) FROM logs GROUP BY ALL"
`,
  run: query,
};

async function query(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    ...targetFlags,
    format: { type: "string" },
    since: { type: "string" },
    until: { type: "string" },
    param: { type: "string", multiple: true },
    limit: { type: "string" },
    timeout: { type: "string" },
  }, "query");
  if (positionals.length > 1) {
    throw new OpenWitError("invalid_argument", `query takes one statement, not ${positionals.length}`, {
      hint: 'put it in quotes: openwit query "SELECT …"',
    });
  }
  if (positionals.length === 0 && process.stdin.isTTY) {
    throw new OpenWitError("invalid_argument", "no SQL given", {
      hint: 'openwit query "SELECT count(*) FROM logs"',
    });
  }
  const format = String(values.format ?? (process.stdout.isTTY ? "table" : "ndjson"));
  if (!Object.hasOwn(acceptOf, format)) {
    throw new OpenWitError("invalid_argument", `--format is ${JSON.stringify(format)}`, {
      hint: `one of ${Object.keys(acceptOf).join(", ")}`,
    });
  }
  const now = systemClock.nowNs();
  const instant = (flag: "since" | "until") =>
    values[flag] === undefined
      ? undefined
      : isoTimestamp(parseInstant(String(values[flag]), `--${flag}`, now));
  const body = {
    sql: positionals[0] ?? await text(process.stdin),
    params: values.param as unknown as string[] | undefined,
    since: instant("since"),
    until: instant("until"),
    limit: values.limit === undefined ? undefined : parseLimit(String(values.limit)),
    timeout_ms: values.timeout === undefined ? undefined : parseDuration(String(values.timeout), "--timeout"),
  };
  const target = await findTarget(
    { url: values.url as string | undefined, dataDir: values["data-dir"] as string | undefined },
    async (dataDir) => (await import("./offline.ts")).openOffline(dataDir),
  );
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  try {
    const response = await expectOk(
      await target.fetch("/api/v1/query", {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          Accept: acceptOf[format],
          ...(values.tenant === undefined ? {} : { "X-Scope-OrgID": String(values.tenant) }),
        },
        body: JSON.stringify(body),
        signal: interrupted.signal,
      }),
    );
    return await print(response, format);
  } finally {
    await target.close();
  }
}

async function print(response: Response, format: string): Promise<number> {
  const partial = response.headers.get("X-OpenWit-Partial");
  if (format === "table") {
    const result = await response.json();
    process.stdout.write(renderTable(result.columns, result.rows, process.stdout.columns ?? 160));
    process.stderr.write(
      `${result.row_count} ${result.row_count === 1 ? "row" : "rows"} in ${result.elapsed_ms} ms\n`,
    );
    for (const warning of result.warnings) process.stderr.write(`openwit: ${warning}\n`);
    return result.partial ? 3 : 0;
  }
  let tail = "";
  for await (const bytes of response.body!) {
    if (format === "ndjson") tail = (tail + new TextDecoder().decode(bytes)).slice(-4_096);
    if (!process.stdout.write(bytes)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
  const cut = /^\{"error":(\{"code":.*\})\}$/.exec(tail.trimEnd().split("\n").at(-1) ?? "");
  const missing = partial ?? (cut === null ? undefined : JSON.parse(cut[1]).message);
  if (missing === undefined) return 0;
  process.stderr.write(`openwit: the answer is partial: ${missing}\n`);
  return 3;
}

function parseLimit(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new OpenWitError("invalid_argument", `--limit is ${JSON.stringify(text)}; expected a whole number`);
}
