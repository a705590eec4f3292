/** `openwit tail`: the newest records, and with -f those that become durable on the running server. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import type { Row } from "../../core/model/row.ts";
import { type Signal, timeColumnOf } from "../../core/model/columns.ts";
import { parseSignal, textColumnOf } from "../api/signal.ts";
import { parseInteger } from "../config/parse.ts";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { expectOk, findTarget, type Target, targetFlags, targetUsage } from "./target.ts";

export const tailCommand: Command = {
  usage: `openwit tail: show the newest records, and follow those that arrive.

Usage: openwit tail [options]

Options:
${targetUsage}
  -n, --lines N          newest records to show first (default 10)
  -f, --follow           then follow records as they become durable; Ctrl-C ends it
  --signal NAME          logs, spans or metrics (default logs)
  --service NAME         only this service
  --severity N           logs of at least this severity number (9 info, 13 warn, 17 error)
  --grep TEXT            only records whose body, span or metric name contains TEXT
  --json                 whole records as NDJSON (default when stdout is not a terminal)

Example:
  openwit tail -f --service checkout --severity 17
`,
  run: tail,
};

async function tail(args: string[]): Promise<number> {
  const { values } = parseFlags(args, {
    ...targetFlags,
    lines: { type: "string", short: "n" },
    follow: { type: "boolean", short: "f" },
    signal: { type: "string" },
    service: { type: "string" },
    severity: { type: "string" },
    grep: { type: "string" },
    json: { type: "boolean" },
  }, "tail");
  const signal = parseSignal(String(values.signal ?? "logs"));
  const lines = parseInteger(String(values.lines ?? "10"), "--lines");
  const severity = values.severity === undefined
    ? undefined
    : parseInteger(String(values.severity), "--severity");
  const filter = {
    service: values.service as string | undefined,
    severity,
    grep: values.grep as string | undefined,
  };
  const follows = values.follow === true;
  const target = await findTarget(
    { url: values.url as string | undefined, dataDir: values["data-dir"] as string | undefined },
    // A folder at rest has newest records, and nothing to follow.
    follows ? undefined : async (dataDir) => (await import("./offline.ts")).openOffline(dataDir),
  );
  const headers: Record<string, string> = values.tenant === undefined
    ? {}
    : { "X-Scope-OrgID": String(values.tenant) };
  const asJson = values.json === true || !process.stdout.isTTY;
  const print = (row: Row, json: string) => process.stdout.write((asJson ? json : oneLine(row)) + "\n");
  try {
    // The stream opens first, so that nothing falls between the newest records and those that follow.
    const interrupted = new AbortController();
    process.once("SIGINT", () => interrupted.abort());
    const stream = follows
      ? await openStream(target, signal, filter, headers, interrupted.signal)
      : undefined;
    if (lines > 0) {
      for (const row of await newest(target, signal, filter, lines, headers)) {
        print(row, JSON.stringify(row));
      }
    }
    return stream === undefined ? 0 : await follow(stream, target.name, interrupted.signal, print);
  } finally {
    await target.close();
  }
}

interface Filter {
  readonly service?: string;
  readonly severity?: number;
  readonly grep?: string;
}

/** The newest records that pass the filter, oldest first. */
async function newest(
  target: Target,
  signal: Signal,
  { service, severity, grep }: Filter,
  lines: number,
  headers: Record<string, string>,
): Promise<Row[]> {
  const params: (string | number)[] = [];
  const conditions: string[] = [];
  const where = (condition: (parameter: string) => string, value: string | number | undefined) => {
    if (value !== undefined) conditions.push(condition(`$${params.push(value)}`));
  };
  where((parameter) => `service_name = ${parameter}`, service);
  if (signal === "logs") where((parameter) => `severity_number >= ${parameter}`, severity);
  where((parameter) => `contains(${textColumnOf[signal]}, ${parameter})`, grep);
  const sql = `SELECT * FROM ${signal} ${conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`}
    ORDER BY ${timeColumnOf[signal]} DESC LIMIT ${lines}`;
  const response = await expectOk(
    await target.fetch("/api/v1/query", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/x-ndjson", ...headers },
      body: JSON.stringify({ sql, params }),
    }),
  );
  const text = await response.text();
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line)).reverse();
}

async function openStream(
  target: Target,
  signal: Signal,
  filter: Filter,
  headers: Record<string, string>,
  interrupted: AbortSignal,
): Promise<Response> {
  const parameters = new URLSearchParams({ signal });
  for (const [name, value] of Object.entries(filter)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  return await expectOk(await target.fetch(`/api/v1/tail?${parameters}`, { headers, signal: interrupted }));
}

async function follow(
  response: Response,
  name: string,
  interrupted: AbortSignal,
  print: (row: Row, json: string) => void,
): Promise<number> {
  try {
    for await (const { event, data } of events(response)) {
      if (event === "dropped") {
        process.stderr.write(
          `openwit: ${JSON.parse(data).rows} records came faster than they could be shown\n`,
        );
      } else print(JSON.parse(data), data);
    }
  } catch (cause) {
    if (interrupted.aborted) return 0;
    throw new OpenWitError("unavailable", `lost ${name}: ${(cause as Error).message}`, { cause });
  }
  if (interrupted.aborted) return 0;
  process.stderr.write(`openwit: ${name} ended the stream: it is shutting down\n`);
  return 1;
}

/** The events of a server-sent stream. */
async function* events(response: Response): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder();
  let buffer = "";
  for await (const bytes of response.body!) {
    buffer += decoder.decode(bytes, { stream: true });
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop()!;
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) yield { event: /^event: (.*)$/m.exec(block)?.[1] ?? "message", data };
    }
  }
}

/** What a person wants of a record on one line. */
function oneLine(row: Row): string {
  const time = String(row.timestamp ?? row.start_timestamp).slice(0, 23);
  if (row.body !== undefined) {
    const severity = String(row.severity_text || row.severity_number).padEnd(5);
    return `${time} ${severity} ${row.service_name}  ${String(row.body).replaceAll("\n", " ")}`;
  }
  if (row.duration_ns !== undefined) {
    const ms = (Number(row.duration_ns) / 1e6).toFixed(1).padStart(8);
    return `${time} ${ms} ms ${row.service_name}  ${row.name}${
      row.status_code === 2 ? "  ERROR" : ""
    }  ${row.trace_id}`;
  }
  return `${time} ${row.service_name}  ${row.metric_name} ${row.value ?? row.sum ?? ""} ${row.unit}`;
}
