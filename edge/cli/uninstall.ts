/** `openwit uninstall`: takes back what `openwit install` did; data stays unless told. */
import process from "node:process";
import { createInterface } from "node:readline/promises";
import { OpenWitError } from "../../core/error.ts";
import { checkRights } from "../install/access.ts";
import { carryOut, describeAll } from "../install/carry-out.ts";
import { hostAt } from "../install/host.ts";
import { planUninstall } from "../install/plan.ts";
import { withConfiguredData } from "../install/settings.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import { installFlags, installFlagsUsage, isRoot, layoutOfFlags, say } from "./install_flags.ts";
import type { Command } from "./main.ts";

export const uninstallCommand: Command = {
  usage: `openwit uninstall: stop the service and remove what openwit install put in place.

Data and configuration stay, unless told.

Usage: openwit uninstall [options]

Options:
${installFlagsUsage}
  --purge                remove the configuration too
  --purge-data           remove all data too; asked once more, unless --yes
  --yes                  do not ask
  --dry-run              say all that would be done, and do nothing

Exit status: 0 removed, 1 failed, 2 misuse.

Example:
  sudo openwit uninstall --dry-run
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      ...installFlags,
      purge: { type: "boolean" },
      "purge-data": { type: "boolean" },
      yes: { type: "boolean" },
      "dry-run": { type: "boolean" },
    }, "uninstall");
    refuseArguments(positionals, "uninstall");
    const host = hostAt();
    const wished = layoutOfFlags(values);
    const isDry = values["dry-run"] === true;
    if (!isDry) checkRights("uninstall", wished, { isRoot: isRoot(), isImage: false });
    const purgesData = values["purge-data"] === true;
    // Which folder the data is in must be known to remove it, and only then may a wrong configuration stand in the way.
    const layout = purgesData ? await withConfiguredData(wished, host) : wished;
    const steps = planUninstall({
      layout,
      purgesConfig: values.purge === true,
      purgesData,
      tellsSystemd: host.hasProgram("systemctl") &&
        (layout.scope === "user" || host.exists("/run/systemd/system")),
    }, host);
    if (isDry) {
      say("What openwit uninstall would do:");
      process.stdout.write(describeAll(steps));
      return 0;
    }
    if (purgesData && values.yes !== true) await confirm(layout.dataDir);
    say("Removing OpenWit");
    await carryOut(steps, host, say);
    return 0;
  },
};

/** @throws OpenWitError `cancelled` unless the folder's path is typed */
async function confirm(dataDir: string): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new OpenWitError(
      "invalid_argument",
      "--purge-data asks before it removes, and nobody is here to answer",
      {
        hint: "say --yes as well",
      },
    );
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`All data in ${dataDir} will be gone. Type ${dataDir} to go on: `);
  lines.close();
  if (answer.trim() !== dataDir) throw new OpenWitError("cancelled", "nothing was removed");
}
