/** `openwit config reload`: has the running server read its configuration anew. */
import process from "node:process";
import { type Change, describeChanges } from "../config/diff.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import { expectOk, findTarget } from "./target.ts";

export async function reloadConfig(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    "dry-run": { type: "boolean" },
    url: { type: "string" },
    "data-dir": { type: "string" },
    json: { type: "boolean" },
  }, "config reload");
  refuseArguments(positionals, "config reload");
  const target = await findTarget({
    url: values.url as string | undefined,
    dataDir: values["data-dir"] as string | undefined,
  });
  const path = `/api/v1/admin/reload?dry_run=${values["dry-run"] ?? false}`;
  const answer = await target.fetch(path, { method: "POST" });
  if (answer.status === 400) return await tellRefusal(answer); // the file is wrong, and the command was right
  const report = await (await expectOk(answer)).json();
  process.stdout.write(values.json ? JSON.stringify(report) + "\n" : describe(report));
  return 0;
}

interface ReloadAnswer {
  readonly dry_run: boolean;
  readonly changes: readonly Change[];
  readonly restart_needed: readonly string[];
}

function describe({ dry_run: isDryRun, changes, restart_needed: waiting }: ReloadAnswer): string {
  if (changes.length === 0) return "nothing has changed\n";
  const applied = changes.length - waiting.length;
  const summary = isDryRun
    ? `${applied} would be applied now, ${waiting.length} at the next start`
    : `${applied} applied, ${waiting.length} wait for a restart`;
  return `${describeChanges(changes).join("\n")}\n${summary}\n`;
}

async function tellRefusal(answer: Response): Promise<number> {
  const { error: { message, hint } } = await answer.json();
  process.stderr.write(
    `openwit: nothing was changed: ${message}\n${hint === undefined ? "" : `  hint: ${hint}\n`}`,
  );
  return 1;
}
