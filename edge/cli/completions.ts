/** `openwit completions`: what makes a shell complete openwit's commands, flags and values; made of their usage. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import type { CompletedCommand } from "../completion/model.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { choose, parseFlags } from "./flags.ts";
import { type Command, commands } from "./main.ts";
import { parseUsage } from "./usage.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

export const completionsCommand: Command = {
  usage: `openwit completions: print what makes a shell complete openwit.

Usage: openwit completions bash|zsh|fish

The packages install it already.

Exit status: 0 done, 2 misuse.

Example:
  source <(openwit completions bash)
  openwit completions fish > ~/.config/fish/completions/openwit.fish
`,
  async run(args) {
    const { positionals } = parseFlags(args, {}, "completions");
    if (positionals.length !== 1) {
      throw new OpenWitError("invalid_argument", "completions takes the name of one shell", {
        hint: shells.join(", "),
      });
    }
    process.stdout.write(await completionsOf(choose("the shell", positionals[0], shells)));
    return 0;
  },
};

export async function completionsOf(shell: Shell): Promise<string> {
  return scripts[shell](await completedCommands());
}

async function completedCommands(): Promise<CompletedCommand[]> {
  return await Promise.all(
    Object.entries(commands).map(async ([name, { summary, load }]) => ({
      name,
      summary,
      ...parseUsage((await load()).usage),
    })),
  );
}
