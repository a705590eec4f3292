/** `openwit tasks`: the server's maintenance: what is due, what was done, and doing one now. */
import { OpenWitError } from "../../core/error.ts";
import { nearestWord } from "../config/parse.ts";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { listing, order, orderFlags, orderUsage, shortTime } from "./order.ts";

export const tasksCommand: Command = {
  usage: `openwit tasks: the maintenance of the running server: what is due, and what was done.

Usage: openwit tasks [options]
       openwit tasks run NAME [options]

"run" does a task now, as soon as no other runs, and says what it did.

Options:
  --limit N              most runs that are shown, the newest first (default 20)
${orderUsage}

Example:
  openwit tasks run retention
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, { ...orderFlags, limit: { type: "string" } }, "tasks");
    const [action, name, ...rest] = positionals;
    if (action === undefined) {
      const limit = encodeURIComponent(String(values.limit ?? "20"));
      return await order(values, "GET", `/api/v1/admin/tasks?limit=${limit}`, describe);
    }
    if (action !== "run" || name === undefined || rest.length > 0) {
      const near = nearestWord(action, ["run"]);
      throw new OpenWitError("invalid_argument", `tasks cannot ${positionals.join(" ")}`, {
        hint: near === undefined || action === "run"
          ? "openwit tasks run NAME"
          : `did you mean openwit tasks ${near}?`,
      });
    }
    return await order(
      values,
      "POST",
      `/api/v1/admin/tasks/${encodeURIComponent(name)}`,
      describeRun,
    );
  },
};

// deno-lint-ignore no-explicit-any -- the document of a run
export function describeRun({ task, did, duration_ms }: any): string {
  return `${task}: ${did === "" ? "nothing to do" : did} (${Math.round(duration_ms)} ms)\n`;
}

// deno-lint-ignore no-explicit-any -- the document of GET /api/v1/admin/tasks
function describe({ tasks, runs }: any): string {
  const due = listing(
    ["task", "every", "due in", "last run", "outcome"],
    [],
    // deno-lint-ignore no-explicit-any -- as above
    tasks.map((each: any) => [
      each.task,
      `${each.every_seconds} s`,
      each.running ? "runs now" : `${Math.ceil(each.due_in_seconds)} s`,
      shortTime(each.last?.started ?? null),
      each.last?.outcome ?? "",
    ]),
  );
  if (runs.length === 0) return `${due}\nno run did anything yet\n`;
  const done = listing(
    ["started", "task", "ms", "outcome", "did"],
    ["ms"],
    // deno-lint-ignore no-explicit-any -- as above
    runs.map((run: any) => [
      shortTime(run.started),
      run.task,
      Math.round(run.duration_ms),
      run.outcome,
      run.error ?? run.did,
    ]),
  );
  return `${due}\n${done}`;
}
