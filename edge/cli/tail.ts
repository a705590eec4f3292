/** `openwit tail`: the newest records, and with -f those that become durable on the running server. */
import process from "node:process";
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { type Signal, timeColumnOf } from "../../core/model/columns.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import { Bindings } from "../../core/search/bindings.ts";
import { filterConditions, type RecordFilter, where } from "../../core/search/filter.ts";
import type { JsonRow } from "../../core/search/page.ts";
import { parseSignal } from "../api/signal.ts";
import { parseInteger } from "../config/parse.ts";
import { type Asking, interruptedStatus, partialStatus, withNode } from "./ask.ts";
import { events } from "./events.ts";
import { filterFlags, filterOf, filterParametersOf, filterUsage } from "./filters.ts";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { writeOut } from "./output.ts";
import { findersOf, RecordPrinter } from "./records.ts";
import { styleOf } from "./style.ts";
import { targetFlags, targetUsage } from "./target.ts";
import { columnsOf } from "./width.ts";

export const tailCommand: Command = {
  usage: `openwit tail: show the newest records, and follow those that arrive.

Usage: openwit tail [options] [TEXT]

TEXT: as for openwit search; without it all records that pass the filters.

Options:
${targetUsage}
  -n, --lines N          newest records to show first (default 10)
  -f, --follow           then follow records as they become durable; Ctrl-C ends it
  --signal NAME          logs, spans (or traces) or metrics (default logs)
${filterUsage}
  --attributes           attributes under each record
  --json                 whole records as NDJSON (default when stdout is not a terminal)

A connection that breaks is opened anew, and what came meanwhile is shown.
Exit status: 0 done or Ctrl-C, 1 failed, 2 misuse, 3 records were missed.

Example:
  openwit tail -f --service checkout --severity error
`,
  run: tail,
};

async function tail(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    ...targetFlags,
    ...filterFlags,
    lines: { type: "string", short: "n" },
    follow: { type: "boolean", short: "f" },
    signal: { type: "string" },
    attributes: { type: "boolean" },
    json: { type: "boolean" },
  }, "tail");
  const signal = parseSignal(String(values.signal ?? "logs"));
  const lines = parseInteger(String(values.lines ?? "10"), "--lines");
  if (lines > linesMax) {
    throw new OpenWitError("invalid_argument", `--lines is ${lines}; at most ${linesMax} are shown`, {
      hint: "openwit search --limit shows more",
    });
  }
  const query = positionals.join(" ");
  const filter = filterOf(values, query);
  const parameters = filterParametersOf(values, query);
  const asJson = values.json === true || !process.stdout.isTTY;
  const printer = new RecordPrinter({
    style: styleOf(process.stdout),
    shortTimes: true,
    gutter: false,
    attributes: values.attributes === true,
    width: columnsOf(process.stdout, process.env),
    finders: findersOf(query),
  });
  const print = async (rows: readonly JsonRow[]) => {
    printer.expect(rows);
    await writeOut(rows.map((row) => asJson ? `${JSON.stringify(row)}\n` : printer.lines(row)).join(""));
  };
  const follows = values.follow === true;
  // A folder at rest has newest records, and nothing to follow.
  const status = await withNode(values, !follows, async (asking) => {
    const source = { asking, signal, filter, parameters };
    if (follows) return await follow(source, lines, print);
    const { rows, warnings } = await newest(source, lines);
    await print(rows);
    return partialStatus(warnings);
  });
  return follows && status === interruptedStatus ? 0 : status; // Ctrl-C is how following ends
}

const linesMax = 10_000;

interface Source {
  readonly asking: Asking;
  readonly signal: Signal;
  readonly filter: RecordFilter;
  /** The same as the parameters of a request. */
  readonly parameters: Readonly<Record<string, string | string[]>>;
}

/** The newest records that pass the filter, oldest first. */
async function newest(
  { asking, signal, parameters }: Source,
  lines: number,
): Promise<{ rows: JsonRow[]; warnings: string[] }> {
  if (lines === 0) return { rows: [], warnings: [] };
  const answer = await (await asking.post(`/api/v1/${signal}/search`, { ...parameters, limit: lines }))
    .json();
  return { rows: answer.records.toReversed(), warnings: answer.warnings };
}

/** Time between attempts to connect anew: doubled from the first to the last. */
const retryMs = { first: 250, last: 8_000 };

async function follow(
  source: Source,
  lines: number,
  print: (rows: readonly JsonRow[]) => Promise<void>,
): Promise<number> {
  const { asking } = source;
  let missed = 0, isFirst = true, isLost = false, waitMs = retryMs.first;
  /**
   * When the newest shown record was ingested, by the node's clock; before there is one the time of the first
   * connection, by ours. What came while there was no connection is later.
   */
  let seen = isoTimestamp(systemClock.nowNs());
  for (;;) {
    try {
      // The stream opens first, so that nothing falls between what is there and what follows.
      const stream = await openStream(source);
      const before = isFirst ? (await newest(source, lines)).rows : await ingestedAfter(source, seen);
      if (!isFirst && before.length > linesMax) {
        before.length = linesMax;
        missed++;
        process.stderr.write(
          `openwit: more than ${linesMax} records came meanwhile; the others are not shown\n`,
        );
      }
      if (isLost) process.stderr.write(`openwit: ${asking.target.name} is back\n`);
      await print(before);
      // The stream has records that the other answer had too: those are shown once.
      const shown = new Set(before.map((row) => JSON.stringify(row)));
      for (const row of before) if (String(row.ingest_timestamp) > seen) seen = String(row.ingest_timestamp);
      [isFirst, isLost, waitMs] = [false, false, retryMs.first];
      for await (const { event, data } of events(stream)) {
        if (event === "dropped") {
          const { rows } = JSON.parse(data);
          missed += rows;
          process.stderr.write(`openwit: ${rows} records came faster than they could be shown\n`);
          continue;
        }
        const row = JSON.parse(data) as JsonRow;
        if (shown.delete(JSON.stringify(row))) continue;
        if (String(row.ingest_timestamp) > seen) seen = String(row.ingest_timestamp);
        await print([row]);
      }
    } catch (error) {
      const { code } = toOpenWitError(error);
      const canRetry = code === "unavailable" || code === "internal" || code === "overloaded";
      if (!asking.signal.aborted && (isFirst || !canRetry)) throw error;
    }
    if (asking.signal.aborted) return missed > 0 ? 3 : 0;
    if (!isLost) process.stderr.write(`openwit: lost ${asking.target.name}; trying again\n`);
    isLost = true;
    await sleep(waitMs, asking.signal);
    waitMs = Math.min(retryMs.last, waitMs * 2);
  }
}

/** Records that were ingested after a time, in the order in which they were; one more than are shown at most. */
async function ingestedAfter({ asking, signal, filter }: Source, time: string): Promise<JsonRow[]> {
  const bindings = new Bindings();
  const conditions = [
    `ingest_timestamp > ${bindings.add(time)}`,
    ...filterConditions(signal, filter, bindings),
  ];
  const response = await asking.post(
    "/api/v1/query",
    {
      sql: `SELECT * FROM ${signal}${where(conditions)} ORDER BY ingest_timestamp, ${timeColumnOf[signal]}`,
      params: bindings.values,
      limit: linesMax + 1,
    },
    "application/x-ndjson",
  );
  return (await response.text()).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

async function openStream({ asking, signal, parameters }: Source): Promise<Response> {
  const search = new URLSearchParams({ signal });
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of [value].flat()) search.append(name, each);
  }
  return await asking.get(`/api/v1/tail?${search}`, "text/event-stream");
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
