/** `openwit config …`: what is configured and from where, whether it is right, what would change. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { nearestWord } from "../config/parse.ts";
import { sampleYaml } from "../config/render.ts";
import { configSchema } from "../config/schema.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import type { Command } from "./main.ts";

/** Each takes what follows its name, and resolves with the exit status. */
const actions: Readonly<Record<string, (args: string[]) => Promise<number>>> = {
  show: async (args) => await (await import("./config_show.ts")).showConfig(args),
  check: async (args) => await (await import("./config_check.ts")).checkConfig(args),
  diff: async (args) => await (await import("./config_diff.ts")).diffConfig(args),
  reload: async (args) => await (await import("./config_reload.ts")).reloadConfig(args),
  sample: (args) => print(args, "sample", () => sampleYaml()),
  schema: (args) => print(args, "schema", () => `${JSON.stringify(configSchema(), null, 2)}\n`),
};

export const configCommand: Command = {
  usage: `openwit config: what is configured and from where, whether it is right, what would change.

Usage: openwit config show [options]     every key with its value and where that came from
       openwit config check [FILE]       everything that can be checked before a start
       openwit config diff A [B]         from A to B, or from the running server to A: what differs, what needs a restart
       openwit config reload [--dry-run] have the running server read its configuration anew
       openwit config sample             a file with every key, its meaning and its default
       openwit config schema             the file as a JSON Schema, for editors

Options:
  --config FILE          the file (default OPENWIT_CONFIG; an installed openwit looks for /etc/openwit/openwit.yaml)
  --environment NAME     with the overlay for it: openwit.NAME.yaml (default OPENWIT_ENVIRONMENT)
  --running              show: what is in force in the running server
  --url URL              diff, reload, show: ask this server (default OPENWIT_URL, or the one that runs here)
  --data-dir DIR         the same: the one that runs on this folder (default ./data)
  --dry-run              reload: say only what would change
  --json                 one JSON document
  show also takes the flags of serve, as in openwit config show --budget 20GB

Exit status: 0 done or right, 1 something is wrong in a file, 2 misuse.

Example:
  openwit config sample > openwit.yaml
  openwit config check openwit.yaml
`,
  async run(args) {
    const [name = "", ...rest] = args;
    if (Object.hasOwn(actions, name)) return await actions[name](rest);
    const near = nearestWord(name, Object.keys(actions));
    throw new OpenWitError("invalid_argument", `config cannot ${name || "do nothing"}`, {
      hint: near === undefined
        ? `it can ${Object.keys(actions).join(", ")}`
        : `did you mean openwit config ${near}?`,
    });
  },
};

async function print(args: string[], name: string, text: () => string): Promise<number> {
  const { positionals } = parseFlags(args, {}, `config ${name}`);
  refuseArguments(positionals, `config ${name}`);
  process.stdout.write(text());
  return await Promise.resolve(0);
}
