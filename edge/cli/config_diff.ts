/** `openwit config diff A B`: what differs between two configuration files, by value, and which keys need a restart. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { type Change, describeChanges, diffSettings } from "../config/diff.ts";
import { readInputs } from "../config/files.ts";
import { loadConfiguration, type Settings } from "../config/settings.ts";
import { parseFlags } from "./flags.ts";

export async function diffConfig(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    environment: { type: "string" },
    json: { type: "boolean" },
  }, "config diff");
  if (positionals.length !== 2) {
    throw new OpenWitError("invalid_argument", `config diff takes two files, and got ${positionals.length}`, {
      hint: "openwit config diff openwit.yaml new.yaml",
    });
  }
  const [from, to] = await Promise.all(positionals.map((file) => settingsOf(file, values)));
  const changes = diffSettings(from, to);
  process.stdout.write(values.json ? JSON.stringify({ changes }) + "\n" : describe(changes));
  return 0;
}

/** Of the file alone: what flags and variables set is the same on both sides. */
async function settingsOf(file: string, flags: Record<string, unknown>): Promise<Settings> {
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^OPENWIT_.*__/.test(name)),
  );
  const overlay = flags.environment as string | undefined;
  return (await loadConfiguration(
    await readInputs({ config: file, environment: overlay }, environment),
  )).settings;
}

function describe(changes: readonly Change[]): string {
  if (changes.length === 0) return "no key differs\n";
  return `${describeChanges(changes).join("\n")}\n`;
}
