/** What the completions of each shell are made of: the commands of `openwit`, with what their usage says. */
import type { UsageOption } from "../cli/usage.ts";

export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly subcommands: readonly string[];
  readonly takesFile: boolean;
  readonly options: readonly UsageOption[];
}

/** What stands after a flag, or in an argument's place. */
export type Completed = "nothing" | "file" | "folder" | readonly string[];

/** What the value of a flag is completed with; `undefined` for a flag that takes none. */
export function completedValue({ value, choices }: UsageOption): Completed | undefined {
  if (value === undefined) return undefined;
  if (choices.length > 0) return choices;
  if (/^DIR$|^path$/.test(value)) return "folder";
  return /FILE|^PATH$/.test(value) ? "file" : "nothing";
}

/** Options that every command has. */
export const helpFlags: readonly string[] = ["--help"];
