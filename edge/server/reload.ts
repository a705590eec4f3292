/**
 * Takes a new configuration while the node runs: all of it or nothing.
 *
 *   files, environment, flags ─▶ read and check ─▶ what differs from what runs ─▶ "live" keys applied, the others named
 *
 * Invariants: (1) Reloads run one after another. (2) When anything is wrong, in the files, between keys, or in applying,
 * what ran before runs on, and the answer and the log say why. (3) A key that needs a restart keeps its running value,
 * whatever the file says, and is named until then.
 */
import type { Log } from "../../core/env/log.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { type Config, configProblems } from "../config/config.ts";
import type { ConfigPaths } from "../config/files.ts";
import { type Change, diffSettings, isSame } from "../config/diff.ts";
import { type ConfigKeyName, configKeyNames, configKeys } from "../config/keys.ts";
import { type Configuration, configurationOf, type Settings, summary, whereOf } from "../config/settings.ts";

/** Who asked for it. */
export type ReloadCause = "signal" | "file" | "api";

export interface ReloadReport {
  /** By value, between what runs and what is asked for. */
  readonly changes: readonly Change[];
  readonly isDryRun: boolean;
}

export interface ReloaderEnv {
  /** What is read. */
  readonly paths: ConfigPaths;
  /** Reads all that a start would read. @throws OpenWitError */
  readonly load: () => Promise<Configuration>;
  /** Gives the parts of the node their settings. @throws OpenWitError when the node cannot take them now */
  readonly apply: (config: Config) => void;
  readonly log: Log;
  /** Told what came of a reload, and what a person should know of it. */
  readonly onOutcome: (outcome: "applied" | "refused", trouble?: string) => void;
}

/** Told when a reload begins and when it has ended, whatever came of it: a supervisor wants to know. */
export type ReloadListener = (phase: "begin" | "end") => void;

/** Told of each configuration that was applied, and of what had been asked for. */
export type AppliedListener = (running: Configuration, asked: Configuration, before: Configuration) => void;

export class Reloader {
  readonly listeners = new Set<ReloadListener>();
  readonly appliedListeners = new Set<AppliedListener>();
  #running: Configuration;
  #asked: Configuration;
  #last: Promise<unknown> = Promise.resolve();

  /** @param asked what files, environment and flags say, when that is not what runs */
  constructor(readonly env: ReloaderEnv, running: Configuration, asked = running) {
    this.#running = running;
    this.#asked = asked;
  }

  /** What is in force. */
  get running(): Configuration {
    return this.#running;
  }

  /** What was asked for last. */
  get asked(): Configuration {
    return this.#asked;
  }

  /** Keys whose new value waits for a restart. */
  get restartNeeded(): ConfigKeyName[] {
    const { settings } = this.#running;
    return configKeyNames.filter((key) =>
      configKeys[key].reload === "restart" && !isSame(settings[key], this.#asked.settings[key])
    );
  }

  /** @throws OpenWitError what is wrong; nothing has changed then */
  reload(cause: ReloadCause, options: { readonly isDryRun?: boolean } = {}): Promise<ReloadReport> {
    const isDryRun = options.isDryRun ?? false;
    const run = this.#last.then(() => isDryRun ? this.#look() : this.#reload(cause));
    this.#last = run.catch(() => {}); // who asked is told; the next one runs all the same
    return run;
  }

  /** Puts a configuration in force that ran before: the end of a trial. @throws OpenWitError */
  restore(configuration: Configuration): void {
    this.env.apply(configuration.config);
    this.#running = configuration;
  }

  async #look(): Promise<ReloadReport> {
    const asked = await this.env.load();
    mergeOf(this.#running, asked);
    return { changes: diffSettings(this.#running.settings, asked.settings), isDryRun: true };
  }

  async #reload(cause: ReloadCause): Promise<ReloadReport> {
    const { log, onOutcome } = this.env;
    for (const listener of this.listeners) listener("begin");
    try {
      const changes = this.#take(await this.env.load());
      onOutcome("applied");
      const live = changes.filter(({ applied }) => applied === "live").map(toldOf);
      const waiting = changes.filter(({ applied }) => applied !== "live").map(toldOf);
      log("info", changes.length === 0 ? "reloaded: nothing has changed" : "reloaded", {
        cause,
        ...live.length === 0 ? {} : { applied: live.join(", ") },
        ...waiting.length === 0 ? {} : { restart_needed: waiting.join(", ") },
      });
      return { changes, isDryRun: false };
    } catch (thrown) {
      const error = toOpenWitError(thrown);
      onOutcome("refused", `the new configuration was refused, the one before runs on: ${error.message}`);
      log("error", "the new configuration was refused: the one before runs on", { cause, error });
      throw error;
    } finally {
      for (const listener of this.listeners) listener("end");
    }
  }

  /** One synchronous turn. */
  #take(asked: Configuration): readonly Change[] {
    const before = this.#running;
    const running = mergeOf(before, asked);
    const changes = diffSettings(before.settings, asked.settings);
    try {
      this.env.apply(running.config);
    } catch (error) {
      this.env.apply(before.config);
      throw error;
    }
    this.#running = running;
    this.#asked = asked;
    for (const listener of this.appliedListeners) listener(running, asked, before);
    return changes;
  }
}

/** The running configuration with the live keys of another. @throws OpenWitError when these do not go together */
export function mergeOf(running: Configuration, asked: Configuration): Configuration {
  const settings = Object.fromEntries(
    configKeyNames.map((key) => {
      const isLive = configKeys[key].reload === "live" || isSame(running.settings[key], asked.settings[key]);
      return [key, (isLive ? asked : running).settings[key]];
    }),
  ) as Settings;
  const merged = configurationOf(settings);
  const problems = configProblems(merged.config, (key) => whereOf(key, settings[key]));
  if (problems.length === 0) return merged;
  const first = summary(problems);
  throw new OpenWitError("invalid_argument", `${first.message}, until the server is started again`, {
    hint: first.hint,
  });
}

function toldOf({ key, from, to }: Change): string {
  return `${key} ${from || '""'} → ${to || '""'}`;
}
