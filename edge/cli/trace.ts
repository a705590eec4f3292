/** `openwit trace`: one trace as a waterfall in the terminal. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { parseTraceId } from "../../core/search/trace.ts";
import { partialStatus, withNode } from "./ask.ts";
import { timeFlags, timeParametersOf, timeUsage } from "./filters.ts";
import { choose, parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { writeOut } from "./output.ts";
import { styleOf } from "./style.ts";
import { targetFlags, targetUsage } from "./target.ts";
import { renderWaterfall } from "./waterfall.ts";
import { columnsOf } from "./width.ts";

const formats = ["waterfall", "json", "ndjson"] as const;

export const traceCommand: Command = {
  usage: `openwit trace: show a trace as a waterfall.

Usage: openwit trace [options] ID

ID: the 32 hexadecimal digits of a trace.

Options:
${targetUsage}
${timeUsage}
  --events               span events under each span
  --logs                 logs of the trace under the span that they name
  --format FORMAT        ${formats.join(", ")} (default waterfall)

Exit status: 0 done, 1 failed or no such trace, 2 misuse, 3 the answer is partial, 130 interrupted.

Example:
  openwit trace 4bf92f3577b34da6a3ce929d0e0e4736 --logs
`,
  run: trace,
};

async function trace(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    ...targetFlags,
    ...timeFlags,
    events: { type: "boolean" },
    logs: { type: "boolean" },
    format: { type: "string" },
  }, "trace");
  if (positionals.length !== 1) {
    throw new OpenWitError("invalid_argument", `trace takes one id, not ${positionals.length}`, {
      hint: "openwit trace 4bf92f3577b34da6a3ce929d0e0e4736",
    });
  }
  const id = parseTraceId(positionals[0]);
  const format = choose("--format", values.format ?? "waterfall", formats);
  if (format === "ndjson" && values.logs === true) {
    throw new OpenWitError("invalid_argument", "a trace as NDJSON has its spans alone", {
      hint: `--format json has logs too, and so has openwit search --field trace_id=${id}`,
    });
  }
  const parameters = new URLSearchParams(
    Object.entries({ ...timeParametersOf(values), logs: values.logs === true ? "true" : undefined })
      .flatMap(([name, value]) => value === undefined ? [] : [[name, value]]),
  );
  return await withNode(values, true, async (asking) => {
    const path = `/api/v1/traces/${id}?${parameters}`;
    if (format === "ndjson") {
      const response = await asking.get(path, "application/x-ndjson");
      await writeOut(await response.text());
      const partial = response.headers.get("X-OpenWit-Partial");
      return partialStatus(partial === null ? [] : [partial]);
    }
    const answer = await (await asking.get(path)).json();
    await writeOut(
      format === "json"
        ? `${JSON.stringify(answer, null, process.stdout.isTTY ? 2 : undefined)}\n`
        : renderWaterfall(answer, {
          width: columnsOf(process.stdout, process.env),
          events: values.events === true,
        }, styleOf(process.stdout)),
    );
    return partialStatus(answer.warnings);
  });
}
