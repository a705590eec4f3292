/** Shows the steps of a plan, and carries them out one after the other. */
import { OpenWitError } from "../../core/error.ts";
import type { Host } from "./host.ts";
import type { Step } from "./step.ts";

/** @param say takes one line @throws OpenWitError of the step that failed; the steps before it stay done */
export async function carryOut(
  steps: readonly Step[],
  host: Host,
  say: (line: string) => void,
): Promise<void> {
  for (const step of steps) {
    await take(step, host);
    say(describe(step));
  }
}

async function take(step: Step, host: Host): Promise<void> {
  switch (step.kind) {
    case "folder":
      return host.makeFolder(step.path, step.mode, step.owner);
    case "write":
      return host.write(step.path, step.text, step.mode, step.owner);
    case "version":
      return host.copyVersion(step.from, step.to);
    case "link":
      return host.relink(step.path, step.target);
    case "remove":
      return host.remove(step.path);
    case "leave":
      return;
    case "run":
      return await runOrThrow(step.command, host);
  }
}

/** @throws OpenWitError `unavailable` with what the command said */
export async function runOrThrow(command: readonly string[], host: Host): Promise<void> {
  const { status, stdout, stderr } = await host.run(command);
  if (status === 0) return;
  const said = (stderr.trim() || stdout.trim()).split("\n").slice(-5).join(" · ");
  throw new OpenWitError(
    "unavailable",
    status === 127
      ? `there is no program ${command[0]}: ${said}`
      : `"${command.join(" ")}" ended with status ${status}${said === "" ? "" : `: ${said}`}`,
    { retryable: false },
  );
}

/** One line. */
export function describe(step: Step): string {
  const said = (what: string, rest = "") => `  ${what.padEnd(7)} ${rest}`;
  switch (step.kind) {
    case "folder":
      return said("folder", `${step.path}, ${rights(step)}`);
    case "write":
      return said(
        "write",
        `${step.path}, ${rights(step)}${step.note === undefined ? "" : ` (${step.note})`}`,
      );
    case "version":
      return said("copy", `${step.from.join(", ")} to ${step.to}`);
    case "link":
      return said("link", `${step.path} -> ${step.target}`);
    case "remove":
      return said("remove", `${step.path}${step.note === undefined ? "" : ` (${step.note})`}`);
    case "leave":
      return said("leave", `${step.path} (${step.why})`);
    case "run":
      return said("run", step.command.join(" "));
  }
}

/** What would be done, with the text of every file. */
export function describeAll(steps: readonly Step[]): string {
  return steps.map((step) => {
    if (step.kind !== "write") return `${describe(step)}\n`;
    const text = step.text.split("\n").slice(0, -1).map((line) => `      | ${line}\n`).join("");
    return `${describe(step)}\n${text}`;
  }).join("");
}

function rights({ mode, owner }: { readonly mode: number; readonly owner?: string }): string {
  return `mode ${mode.toString(8).padStart(4, "0")}${owner === undefined ? "" : `, owner ${owner}`}`;
}
