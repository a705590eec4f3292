/**
 * The last good configuration and the state of a trial, in the data folder (mode 0600, for there may be secrets in them):
 *
 *   run/config.good.yaml    every key as it was written, secrets in files as the names of these
 *   run/config.trial.json   what is on trial or has failed (trial.ts); absent when nothing is
 *
 * Written under a temporary name, synced, renamed, the folder synced: after a power cut there is the old one or the new one.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { type ConfigKeyName, configKeyNames, configKeys } from "./keys.ts";
import { plainYaml, type Texts } from "./render.ts";
import { type Configuration, configurationOf, type Setting, settingOf, type Settings } from "./settings.ts";
import type { TrialRecord } from "./trial.ts";
import { readConfigFile } from "./yaml.ts";

export const goodPath = join("run", "config.good.yaml");
export const trialPath = join("run", "config.trial.json");

export interface LastGood {
  readonly configuration: Configuration;
  readonly fingerprint: string;
  /** The configuration file that it was read from, absolute; absent when there was none. */
  readonly file?: string;
}

/** What two configurations have in common when they are the same: every value, but not where the data lies. */
export function fingerprintOf(settings: Settings): string {
  const values = configKeyNames.filter((key) => key !== "storage.data_dir")
    .map((key) => [key, settings[key].value]);
  return createHash("sha256").update(JSON.stringify(values)).digest("hex");
}

/** Of a configuration that cannot be read: of its text. */
export function fingerprintOfText(text: string): string {
  return createHash("sha256").update(`unreadable\n${text}`).digest("hex");
}

/**
 * The last good configuration of a data folder; `undefined` when there is none, or none that can be used. Keys that this
 * version does not know are left out, and those that it has new are as by default.
 */
export async function readLastGood(dataDir: string): Promise<LastGood | undefined> {
  const path = join(dataDir, goodPath);
  const text = readText(path);
  if (text === undefined) return undefined;
  const { leaves } = await readConfigFile({ path, text });
  try {
    const settings = Object.fromEntries(
      configKeyNames.map((key): [ConfigKeyName, Setting] => {
        const written = key === "storage.data_dir" ? dataDir : leaves.get(key)?.text;
        return [key, settingOf(key, written ?? configKeys[key].default, { kind: "last_good", path })];
      }),
    ) as Settings;
    const file = fileLine.exec(text)?.[1];
    return {
      configuration: configurationOf(settings),
      fingerprint: fingerprintOf(settings),
      ...file === undefined ? {} : { file },
    };
  } catch {
    return undefined; // a value that this version does not take, or a secret's file that is gone
  }
}

const fileLine = /^# Read from: (.+)$/m;

/** @throws OpenWitError `io` */
export async function writeLastGood(dataDir: string, settings: Settings, file?: string): Promise<void> {
  const texts: Texts = Object.fromEntries(configKeyNames.map((key) => [key, settings[key].text]));
  const heading = [
    "The last configuration that this box was well with. OpenWit keeps it, and goes back to it when a new one fails.",
    ...file === undefined ? [] : [`Read from: ${resolve(file)}`],
  ];
  await writeDurably(join(dataDir, goodPath), plainYaml(texts, heading));
}

/** `undefined` when nothing is on trial, or what is kept of it cannot be read. */
export function readTrial(dataDir: string): TrialRecord | undefined {
  const text = readText(join(dataDir, trialPath));
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as TrialRecord;
    const isWhole = ["trial", "rolled_back"].includes(record.state) &&
      typeof record.fingerprint === "string" &&
      Number.isInteger(record.starts);
    return isWhole ? record : undefined;
  } catch {
    return undefined; // not ours: a trial that is forgotten begins anew
  }
}

/** @throws OpenWitError `io` */
export async function writeTrial(dataDir: string, record: TrialRecord | undefined): Promise<void> {
  const path = join(dataDir, trialPath);
  if (record === undefined) await rm(path, { force: true });
  else await writeDurably(path, JSON.stringify(record, null, 2) + "\n");
}

export async function forgetLastGood(dataDir: string): Promise<void> {
  for (const path of [goodPath, trialPath]) await rm(join(dataDir, path), { force: true });
}

async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    await rm(temporary, { force: true }); // one of before may have another mode
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const folder = await open(dirname(path), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {}); // the write's own error is the one to tell
    throw new OpenWitError("io", `cannot write ${path}: ${toOpenWitError(cause).message}`, { cause });
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // absent: nothing is kept
  }
}
