/**
 * Which configuration a start puts in force: the one that is asked for or, when that has failed or cannot be read, the last
 * good one of the data folder (edge/config/trial.ts decides).
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type OpenWitError, toOpenWitError } from "../../core/error.ts";
import type { ConfigPaths } from "../config/files.ts";
import {
  fingerprintOf,
  fingerprintOfText,
  type LastGood,
  readLastGood,
  readTrial,
} from "../config/last_good.ts";
import {
  type ConfigInputs,
  type Configuration,
  environmentName,
  readConfiguration,
} from "../config/settings.ts";
import { planStart } from "../config/trial.ts";
import { parseDuration } from "../config/parse.ts";
import { type Environment, readConfigFile } from "../config/yaml.ts";
import type { PlannedStart } from "./safe_mode.ts";

export interface Boot extends PlannedStart {
  /** To be put in force. */
  readonly running: Configuration;
  /** What was asked for; what runs when that cannot be read. */
  readonly asked: Configuration;
  /** Why what was asked for cannot be read. */
  readonly problem?: OpenWitError;
}

export interface BootEnv {
  readonly flags: ConfigInputs["flags"];
  readonly environment: Environment;
  readonly paths: ConfigPaths;
  /** Reads what is asked for. @throws OpenWitError */
  readonly load: () => Promise<Configuration>;
  readonly bootId: string;
}

/** @throws OpenWitError what is wrong with what is asked for, when there is nothing to fall back to, or nobody wants it */
export async function boot(env: BootEnv): Promise<Boot> {
  let asked: Configuration;
  try {
    asked = await env.load();
  } catch (thrown) {
    return await bootWithout(toOpenWitError(thrown), env);
  }
  const { dataDir, trialMs } = asked.config;
  if (trialMs === 0) return { plan: { state: "first", run: "asked" }, running: asked, asked };
  const good = await readLastGood(dataDir);
  const record = readTrial(dataDir);
  const plan = planStart({
    asked: fingerprintOf(asked.settings),
    ...good === undefined ? {} : { good: good.fingerprint },
    ...record === undefined ? {} : { record },
    bootId: env.bootId,
  });
  const running = plan.run === "good" ? good!.configuration : asked;
  return { plan, running, asked, ...good === undefined ? {} : { good } };
}

async function bootWithout(problem: OpenWitError, env: BootEnv): Promise<Boot> {
  // Flags are said by whoever starts it, now: he hears of it. So does who has said that he wants no safe mode.
  const { problems } = await readConfiguration({ flags: env.flags, environment: {} });
  const { overlay } = env.paths;
  const isMisnamed = env.flags.environment !== undefined && overlay !== undefined && !existsSync(overlay);
  if (problems.length > 0 || isMisnamed || isSaidOff(env.environment)) throw problem;
  for (const dataDir of await dataFoldersOf(env)) {
    const good = await readLastGood(dataDir);
    if (good === undefined || !isOfFile(good, env.paths.file)) continue;
    const record = readTrial(dataDir);
    const plan = planStart({
      asked: fingerprintOfText(Object.values(env.paths).map(textOf).join("\n")),
      problem: problem.message,
      good: good.fingerprint,
      ...record === undefined ? {} : { record },
      bootId: env.bootId,
    });
    return { plan, good, problem, running: good.configuration, asked: good.configuration };
  }
  throw problem;
}

function isSaidOff(environment: Environment): boolean {
  const name = environmentName("control_plane.trial");
  const text = environment[name];
  try {
    return text !== undefined && parseDuration(text, name) === 0;
  } catch {
    return false; // it is what is wrong, perhaps
  }
}

function isOfFile({ file }: LastGood, path: string | undefined): boolean {
  return file === (path === undefined ? undefined : resolve(path));
}

/** Where the data may lie, as far as it can be told: the last is what systemd made for the service (systemd.exec(5)). */
export async function dataFoldersOf(
  { flags, environment, paths }: Pick<BootEnv, "flags" | "environment" | "paths">,
): Promise<string[]> {
  const said = (flags["data-dir"] as string | undefined) ?? environment[environmentName("storage.data_dir")];
  if (said !== undefined) return [said];
  const folders: string[] = [];
  for (const path of [paths.overlay, paths.file]) {
    if (path === undefined) continue;
    const text = textOf(path);
    const { leaves } = await readConfigFile({ path, text }, environment);
    // A file that is no YAML may have a line that says it all the same.
    const found = leaves.get("storage.data_dir")?.text ??
      /^\s*data_dir:\s*["']?([^"'#\n]+?)["']?\s*$/m.exec(text)?.[1];
    if (found !== undefined) folders.push(found);
  }
  const { STATE_DIRECTORY } = environment;
  if (STATE_DIRECTORY !== undefined) folders.push(...STATE_DIRECTORY.split(":"));
  return folders.length > 0 ? folders : ["./data"];
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // that it is missing is what is wrong
  }
}

/** Of this run of the machine; empty where nobody knows. */
export function bootIdOf(path = "/proc/sys/kernel/random/boot_id"): string {
  return textOf(path).trim();
}
