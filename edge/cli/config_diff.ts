/**
 * `openwit config diff`: what differs between two configuration files, or between a file and the running server, by value,
 * and which keys need a restart.
 */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { type Change, describeChanges, diffSettings, maskedText, shown } from "../config/diff.ts";
import { readInputs } from "../config/files.ts";
import { configKeyNames } from "../config/keys.ts";
import { type Setting, settingOf, type Settings } from "../config/settings.ts";
import { loadOrTell } from "./config_load.ts";
import { runningConfig } from "./config_show.ts";
import { parseFlags } from "./flags.ts";

export async function diffConfig(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    environment: { type: "string" },
    url: { type: "string" },
    "data-dir": { type: "string" },
    json: { type: "boolean" },
  }, "config diff");
  const [from, to, ...more] = positionals;
  if (from === undefined || more.length > 0) {
    throw new OpenWitError(
      "invalid_argument",
      `config diff takes one or two files, and got ${positionals.length}`,
      {
        hint:
          "openwit config diff openwit.yaml new.yaml; with one file the running server is what it is compared to",
      },
    );
  }
  const settings = await settingsOf(from, values);
  const others = to === undefined ? undefined : await settingsOf(to, values);
  if (settings === undefined || to !== undefined && others === undefined) return 1;
  const changes = others === undefined ? await fromRunning(settings, values) : diffSettings(settings, others);
  process.stdout.write(values.json ? JSON.stringify({ changes }) + "\n" : describe(changes));
  return 0;
}

/** Of the file alone: what flags and variables set is the same on both sides. */
async function settingsOf(file: string, flags: Record<string, unknown>): Promise<Settings | undefined> {
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^OPENWIT_.*__/.test(name)),
  );
  const overlay = flags.environment as string | undefined;
  return (await loadOrTell(await readInputs({ config: file, environment: overlay }, environment)))?.settings;
}

/** What the server's own flags and variables set, a file would not change; a secret that is not shown is not compared. */
async function fromRunning(
  wanted: Settings,
  flags: Record<string, string | boolean | undefined>,
): Promise<Change[]> {
  const { settings: running } = await runningConfig(flags);
  const before: Record<string, Setting> = { ...wanted };
  for (const key of configKeyNames) {
    const now = running.find((each) => each.key === key);
    if (now === undefined || ["flag", "environment"].includes(now.source.kind)) continue;
    const isHidden = now.value === maskedText && shown(key, wanted[key]) === maskedText;
    if (isHidden || now.value === shown(key, wanted[key])) continue;
    before[key] = now.value === maskedText
      ? { text: now.value, source: now.source, value: now.value }
      : settingOf(key, now.value, now.source);
  }
  return diffSettings(before as Settings, wanted);
}

function describe(changes: readonly Change[]): string {
  if (changes.length === 0) return "no key differs\n";
  return `${describeChanges(changes).join("\n")}\n`;
}
