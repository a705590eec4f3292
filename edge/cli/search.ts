/** `openwit search`: log records that hold a text, newest first, with what was logged around them. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import type { JsonRow } from "../../core/search/page.ts";
import { parseSignal } from "../api/signal.ts";
import { parseInteger } from "../config/parse.ts";
import { type Asking, partialStatus, withNode } from "./ask.ts";
import {
  filterFlags,
  filterParametersOf,
  filterUsage,
  timeFlags,
  timeParametersOf,
  timeUsage,
} from "./filters.ts";
import { choose, parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { writeOut } from "./output.ts";
import { contextGroups, findersOf, RecordPrinter } from "./records.ts";
import { styleOf } from "./style.ts";
import { targetFlags, targetUsage } from "./target.ts";
import { columnsOf } from "./width.ts";

const formats = ["table", "json", "ndjson", "csv"] as const;

/** Records of one request; more are asked for page by page. */
const pageMax = 10_000;
const pageWithContextMax = 100;

export const searchCommand: Command = {
  usage: `openwit search: find log records (spans, points) that hold a text, newest first.

Usage: openwit search [options] TEXT

TEXT: words (all of them, in any order), "a phrase", time* (a beginning), OR, -not, ( ), service:checkout
(a field has a value). Without TEXT all records that pass the filters. Put it in quotes, and after -- where it
begins with a dash.

Options:
${targetUsage}
${timeUsage}
${filterUsage}
  --signal NAME          logs, spans (or traces) or metrics (default logs)
  -n, --limit N          most records to show (default 100; with context 20)
  -C, --context N        rows of the same service and resource before and after each record
  -B, --before N         before only
  -A, --after N          after only
  --oldest-first         oldest first
  --attributes           attributes under each record
  --format FORMAT        ${formats.join(", ")} (default table on a terminal, else ndjson)

Exit status: 0 done (also when nothing was found), 1 failed, 2 misuse, 3 the answer is partial, 130 interrupted.

Example:
  openwit search "connection refused" --since 15m --severity warn -C 3
`,
  run: search,
};

async function search(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    ...targetFlags,
    ...filterFlags,
    ...timeFlags,
    signal: { type: "string" },
    limit: { type: "string", short: "n" },
    context: { type: "string", short: "C" },
    before: { type: "string", short: "B" },
    after: { type: "string", short: "A" },
    "oldest-first": { type: "boolean" },
    attributes: { type: "boolean" },
    format: { type: "string" },
  }, "search");
  const format = choose("--format", values.format ?? (process.stdout.isTTY ? "table" : "ndjson"), formats);
  const number = (name: string, fallback: string) =>
    parseInteger(String(values[name] ?? fallback), `--${name}`);
  const before = number("before", String(values.context ?? "0"));
  const after = number("after", String(values.context ?? "0"));
  const hasContext = before + after > 0;
  const limit = number("limit", hasContext ? "20" : "100");
  const signal = parseSignal(String(values.signal ?? "logs"));
  const query = positionals.join(" ");
  const finders = findersOf(query);
  if (limit < 1) throw new OpenWitError("invalid_argument", "--limit is 0; expected at least 1");
  if (hasContext && signal !== "logs") {
    throw new OpenWitError("invalid_argument", `${signal} have no context`, { hint: "logs have" });
  }
  if (hasContext && format === "csv") {
    throw new OpenWitError("invalid_argument", "CSV has no place for context", {
      hint: "--format table, json or ndjson has",
    });
  }
  if (format === "json" && limit > pageMax) {
    throw new OpenWitError(
      "invalid_argument",
      `--limit is ${limit}; a JSON document holds at most ${pageMax}`,
      {
        hint: "--format ndjson has no such limit",
      },
    );
  }
  const body = {
    ...filterParametersOf(values, query),
    ...timeParametersOf(values),
    ...(values["oldest-first"] === true ? { order: "asc" } : {}),
    ...(hasContext ? { before, after } : {}),
  };
  const path = `/api/v1/${signal}/search`;
  const page = hasContext ? pageWithContextMax : pageMax;
  return await withNode(values, true, async (asking) => {
    if (format === "json") return await printJson(asking, path, { ...body, limit });
    if (format === "table") {
      const printer = new RecordPrinter({
        style: styleOf(process.stdout),
        shortTimes: process.stdout.isTTY === true,
        gutter: hasContext,
        attributes: values.attributes === true,
        width: columnsOf(process.stdout, process.env),
        finders,
      });
      return await printTable(asking, path, body, limit, page, printer, hasContext);
    }
    return await printLines(asking, path, body, limit, page, format);
  });
}

async function printJson(asking: Asking, path: string, body: Record<string, unknown>): Promise<number> {
  const answer = await (await asking.post(path, body)).json();
  await writeOut(`${JSON.stringify(answer, null, process.stdout.isTTY ? 2 : undefined)}\n`);
  return partialStatus(answer.warnings);
}

async function printTable(
  asking: Asking,
  path: string,
  body: Record<string, unknown>,
  limit: number,
  pageMax: number,
  printer: RecordPrinter,
  hasContext: boolean,
): Promise<number> {
  const { style } = printer.look;
  const warnings = new Set<string>();
  let shown = 0, elapsedMs = 0, cursor: string | null | undefined;
  do {
    const asked = Math.min(limit - shown, pageMax);
    const answer = await (await asking.post(path, {
      ...body,
      limit: asked,
      ...(cursor ? { cursor } : {}),
    })).json();
    const records = answer.records as JsonRow[];
    if (hasContext) {
      for (const [at, group] of contextGroups(records).entries()) {
        printer.expect(group.map(({ row }) => row));
        const lines = group.map(({ row, isHit }) => printer.lines(row, !isHit)).join("");
        await writeOut(shown + at === 0 ? lines : style.dim("──\n") + lines);
      }
    } else {
      printer.expect(records);
      await writeOut(records.map((row) => printer.lines(row)).join(""));
    }
    shown += records.length;
    elapsedMs += answer.elapsed_ms;
    for (const warning of answer.warnings) warnings.add(warning);
    cursor = answer.next;
  } while (cursor !== null && shown < limit);
  const more = cursor === null ? "" : "; there are more, see --limit";
  process.stderr.write(
    `${shown} ${shown === 1 ? "record" : "records"} in ${elapsedMs.toFixed(1)} ms${more}\n`,
  );
  return partialStatus([...warnings]);
}

/** Pages one after another, so that any number of records passes through little memory. */
async function printLines(
  asking: Asking,
  path: string,
  body: Record<string, unknown>,
  limit: number,
  pageMax: number,
  format: "ndjson" | "csv",
): Promise<number> {
  const warnings = new Set<string>();
  let left = limit, cursor: string | null = null, isFirst = true;
  do {
    const response = await asking.post(
      path,
      { ...body, limit: Math.min(left, pageMax), ...(cursor === null ? {} : { cursor }) },
      format === "csv" ? "text/csv" : "application/x-ndjson",
    );
    const text = await response.text();
    await writeOut(format === "csv" && !isFirst ? text.slice(text.indexOf("\n") + 1) : text);
    left -= Number(response.headers.get("X-OpenWit-Rows"));
    cursor = response.headers.get("X-OpenWit-Next");
    const partial = response.headers.get("X-OpenWit-Partial");
    if (partial !== null) warnings.add(partial);
    isFirst = false;
  } while (cursor !== null && left > 0);
  return partialStatus([...warnings]);
}
