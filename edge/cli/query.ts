/** `openwit query`: one SQL statement, answered by the running server or straight from the data folder. */
import process from "node:process";
import { text } from "node:stream/consumers";
import { OpenWitError } from "../../core/error.ts";
import { planLines } from "../../core/query/explain.ts";
import { parseDuration, parseInteger } from "../config/parse.ts";
import { partialStatus, withNode } from "./ask.ts";
import { timeFlags, timeParametersOf, timeUsage } from "./filters.ts";
import { choose, parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { writeOut } from "./output.ts";
import { parseParams } from "./params.ts";
import { styleOf } from "./style.ts";
import { renderBlocks, renderTable } from "./table.ts";
import { targetFlags, targetUsage } from "./target.ts";
import { columnsOf } from "./width.ts";

const acceptOf = {
  table: "application/json",
  json: "application/json",
  ndjson: "application/x-ndjson",
  csv: "text/csv",
  arrow: "application/vnd.apache.arrow.stream",
} as const;

type Format = keyof typeof acceptOf;
const formats = Object.keys(acceptOf) as Format[];

export const queryCommand: Command = {
  usage: `openwit query: answer one SQL SELECT over logs, spans (or traces) and metrics.

Usage: openwit query [options] "SQL"        or the SQL on stdin

Options:
${targetUsage}
${timeUsage}
  --format FORMAT        ${formats.join(", ")} (default table on a terminal, else ndjson)
  --vertical             a line a value instead of a table (default where the columns do not fit the terminal)
  --param VALUE          value of the next $1, $2 … (may be repeated); NAME=VALUE is that of $NAME; both are text,
                         :=VALUE and NAME:=VALUE are JSON: a number, true, false or null
  --limit N              most rows to return
  --explain              also how the answer was found: what was skipped and why, what was read, where the time went
  --timeout DURATION     give up after this long (default 60s)

Values too long for a table are cut with "…"; the other formats have them whole. Nothing is kept of what was asked.
Exit status: 0 done, 1 failed, 2 misuse, 3 the answer is partial, 130 interrupted, which cancels the statement.

Example:
  openwit query --since 15m "SELECT service_name, count(*) FROM logs GROUP BY ALL"
  openwit query --param route=/cart 'SELECT count(*) FROM spans WHERE attributes['\\''http.route'\\''] = $route'
`,
  run: query,
};

async function query(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    ...targetFlags,
    ...timeFlags,
    format: { type: "string" },
    vertical: { type: "boolean" },
    explain: { type: "boolean" },
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
  const vertical = values.vertical === true;
  const usual = process.stdout.isTTY || vertical || values.explain === true ? "table" : "ndjson";
  const format = choose("--format", values.format ?? usual, formats);
  if (vertical && format !== "table") {
    throw new OpenWitError(
      "invalid_argument",
      `--vertical is a way to show a table, and --format is ${format}`,
    );
  }
  const explain = values.explain === true;
  if (explain && format !== "table" && format !== "json") {
    throw new OpenWitError("invalid_argument", `--explain has no place in --format ${format}`, {
      hint: "use --format table, which prints the plan on stderr, or json",
    });
  }
  const sql = positionals[0] ?? await text(process.stdin);
  const body = {
    sql,
    params: parseParams(values.param as unknown as string[] | undefined, sql),
    ...timeParametersOf(values),
    limit: values.limit === undefined ? undefined : parseInteger(String(values.limit), "--limit"),
    timeout_ms: values.timeout === undefined ? undefined : parseDuration(String(values.timeout), "--timeout"),
    ...(explain ? { explain } : {}),
  };
  return await withNode(values, true, async (asking) => {
    const response = await asking.post("/api/v1/query", body, acceptOf[format]);
    return format === "table" ? await printTable(response, vertical) : await printBytes(response, format);
  });
}

async function printTable(response: Response, vertical: boolean): Promise<number> {
  const result = await response.json();
  const width = columnsOf(process.stdout, process.env);
  const render = vertical ? renderBlocks : renderTable;
  await writeOut(render(result.columns, result.rows, width, styleOf(process.stdout)));
  if (result.error !== undefined) {
    throw new OpenWitError(result.error.code, result.error.message, { hint: result.error.hint });
  }
  process.stderr.write(
    `${result.row_count} ${result.row_count === 1 ? "row" : "rows"} in ${result.elapsed_ms} ms\n`,
  );
  if (result.plan !== undefined) process.stderr.write(`${planLines(result.plan).join("\n")}\n`);
  return partialStatus(result.warnings);
}

/** Enough of an answer's end to read how it ended. */
const tailBytes = 4_096;

async function printBytes(response: Response, format: Format): Promise<number> {
  const warnings: string[] = [];
  const partial = response.headers.get("X-OpenWit-Partial");
  if (partial !== null) warnings.push(partial);
  let tail = "", printed = 0;
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body!) {
      if (format !== "arrow") tail = (tail + decoder.decode(bytes, { stream: true })).slice(-tailBytes);
      await writeOut(bytes);
      printed += bytes.length;
    }
  } catch (cause) {
    if (printed === 0) throw cause;
    warnings.push(`it broke off after ${printed} bytes: ${(cause as Error).message}`);
  }
  const ending = endingOf(tail, format);
  if (format === "json" && process.stdout.isTTY) await writeOut("\n");
  return partialStatus([...warnings, ...(ending === undefined || partial !== null ? [] : [ending])]);
}

/** What the end of an answer says is missing of it. */
function endingOf(tail: string, format: Format): string | undefined {
  if (format === "json") {
    const warnings = /"partial":true,"warnings":(\[.*\])\}$/.exec(tail);
    return warnings === null ? undefined : (JSON.parse(warnings[1]) as string[]).join("; ");
  }
  if (format !== "ndjson") return undefined;
  const error = /^\{"error":(\{"code":.*\})\}$/.exec(tail.trimEnd().split("\n").at(-1) ?? "");
  return error === null ? undefined : JSON.parse(error[1]).message;
}
