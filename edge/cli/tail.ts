/** `openwit tail`: follows records as they become durable on the running server. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import type { Row } from "../../core/model/row.ts";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { expectOk, findTarget, targetFlags, targetUsage } from "./target.ts";

export const tailCommand: Command = {
  usage: `openwit tail: follow records as they arrive.

Usage: openwit tail [options]

Options:
${targetUsage}
  --signal NAME          logs, spans or metrics (default logs)
  --service NAME         only this service
  --severity N           logs of at least this severity number (9 info, 13 warn, 17 error)
  --grep TEXT            only records whose body, span or metric name contains TEXT
  --json                 whole records as NDJSON (default when stdout is not a terminal)

Ctrl-C ends it.

Example:
  openwit tail --service checkout --severity 17
`,
  run: tail,
};

async function tail(args: string[]): Promise<number> {
  const { values } = parseFlags(args, {
    ...targetFlags,
    signal: { type: "string" },
    service: { type: "string" },
    severity: { type: "string" },
    grep: { type: "string" },
    json: { type: "boolean" },
    follow: { type: "boolean", short: "f" },
  }, "tail");
  const target = await findTarget({
    url: values.url as string | undefined,
    dataDir: values["data-dir"] as string | undefined,
  });
  const parameters = new URLSearchParams();
  for (const name of ["signal", "service", "severity", "grep"]) {
    if (values[name] !== undefined) parameters.set(name, String(values[name]));
  }
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  const response = await expectOk(
    await target.fetch(`/api/v1/tail?${parameters}`, {
      headers: values.tenant === undefined ? {} : { "X-Scope-OrgID": String(values.tenant) },
      signal: interrupted.signal,
    }),
  );
  const asJson = values.json === true || !process.stdout.isTTY;
  try {
    for await (const { event, data } of events(response)) {
      if (event === "dropped") {
        process.stderr.write(
          `openwit: ${JSON.parse(data).rows} records came faster than they could be shown\n`,
        );
      } else process.stdout.write((asJson ? data : oneLine(JSON.parse(data))) + "\n");
    }
  } catch (cause) {
    if (interrupted.signal.aborted) return 0;
    throw new OpenWitError("unavailable", `lost ${target.name}: ${(cause as Error).message}`, { cause });
  }
  process.stderr.write(`openwit: ${target.name} ended the stream: it is shutting down\n`);
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
