/**
 * Safe mode of a node: carries out what edge/config/trial.ts decides.
 *
 *   planned ─lock─▶ what is on trial is kept in the folder ─ready─▶ health is looked at until the trial is over
 *      well throughout ─▶ it becomes the last good one
 *      not well        ─▶ the last good one: at once where its keys can change while the node runs, else by a restart
 *      the process dies ─▶ the next start finds what was kept, and counts
 *
 * Invariants: (1) Nothing is written before the data folder is ours. (2) A failure to keep any of it is told, and stops
 * nothing. (3) A node that is told to stop on trial has not died of it.
 */
import type { Log } from "../../core/env/log.ts";
import { toOpenWitError } from "../../core/error.ts";
import { diffSettings, isSame } from "../config/diff.ts";
import { configKeyNames, configKeys } from "../config/keys.ts";
import {
  fingerprintOf,
  forgetLastGood,
  type LastGood,
  writeLastGood,
  writeTrial,
} from "../config/last_good.ts";
import type { Configuration } from "../config/settings.ts";
import {
  type StartPlan,
  type TrialEvent,
  type TrialRecord,
  type TrialState,
  trialTable,
} from "../config/trial.ts";
import type { NodeHealth } from "./health.ts";
import type { Reloader } from "./reload.ts";

export interface SafeModeEnv {
  readonly dataDir: string;
  /** The configuration file, when there is one. */
  readonly file?: string;
  readonly bootId: string;
  readonly log: Log;
  readonly health: () => NodeHealth;
  /** Whether the rows of the last run are still brought back: until then the trial does not begin. */
  readonly isRecovering: () => boolean;
  /** Told when a configuration was rolled back. */
  readonly onRollback: (reason: string) => void;
  /** Ends this process in good order and begins it anew in its place. */
  readonly restart: () => void | Promise<void>;
}

/** As the API and `openwit status` tell of it. */
export interface TrialStatus {
  readonly state: TrialState | "off";
  /** When a trial ends, ISO 8601. */
  readonly until?: string;
  /** Why the configuration that was asked for is not in force. */
  readonly reason?: string;
}

/** How a trial is planned at a start: what boot.ts found. */
export interface PlannedStart {
  readonly plan: StartPlan;
  readonly good?: LastGood;
}

type Statuses = Readonly<Record<string, string>>;

/** Components that say nothing of a configuration. */
const besides: ReadonlySet<string> = new Set(["clock", "config"]);
/** Of these a trouble that they work on with is a sign already: what they need was configured wrongly. */
const telling: ReadonlySet<string> = new Set(["catalog", "store", "listeners"]);

/** What load alone can make ill is a sign where keys of these sections have changed. */
const illOfLoad: Readonly<Record<string, readonly string[]>> = {
  memory: ["memory", "search", "processing", "ingestion"],
  engine: ["memory", "search"],
};

const lookEveryMs = 250;
/** Nothing is rolled back for a moment's trouble. */
const troubleMsMax = 5_000;

export class SafeMode {
  #state: TrialState;
  #record: TrialRecord | undefined;
  #reason: string | undefined;
  /** What ran well, and takes the place of what does not. */
  #fallback: Configuration | undefined;
  #goodFingerprint: string | undefined;
  #reloader: Reloader | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #endsMs: number | undefined;
  #troubleSinceMs: number | undefined;
  /** How components were before the configuration came: what was ill then is not ill of it. */
  #before: Statuses = {};
  #last: Promise<unknown> = Promise.resolve();

  constructor(readonly env: SafeModeEnv, readonly planned: PlannedStart) {
    const { plan, good } = planned;
    this.#state = plan.state;
    this.#reason = plan.record?.reason;
    this.#fallback = good?.configuration;
    this.#goodFingerprint = good?.fingerprint;
  }

  /** The folder is ours: what is on trial is kept before it can do harm. */
  async begin(): Promise<void> {
    const { record } = this.planned.plan;
    await this.#keep(record === undefined ? undefined : { ...record, since: now() });
  }

  /** The node is ready: the trial, or the proof of a first configuration, begins. */
  ready(reloader: Reloader): void {
    this.#reloader = reloader;
    reloader.listeners.add((phase) => {
      // What has become ill on trial is not taken for what was ill before, whatever is reloaded meanwhile.
      if (phase === "begin" && this.#state !== "trial") this.#before = this.#statuses();
    });
    reloader.appliedListeners.add((running, asked, before) => this.#applied(running, asked, before));
    if (reloader.running.config.trialMs === 0) return this.#turnOff();
    if (this.#state === "rolled_back") {
      this.env.log("error", "the last good configuration is in force: the one that was asked for failed", {
        reason: this.#reason,
        differs: differences(reloader.running, reloader.asked) || undefined,
      });
      return this.env.onRollback(this.#reason ?? "it failed");
    }
    if (this.#state === "trial") {
      this.env.log("info", "a new configuration is on trial", {
        for_ms: reloader.running.config.trialMs,
        starts: this.#record?.starts,
      });
    }
    if (this.#state === "good") this.#accept(); // what is kept may be in another version's words
    else this.#watch();
  }

  status(): TrialStatus {
    if (this.#reloader?.running.config.trialMs === 0) return { state: "off" };
    return {
      state: this.#state,
      ...this.#endsMs === undefined
        ? {}
        : { until: new Date(Date.now() + this.#endsMs - performance.now()).toISOString() },
      ...this.#state === "rolled_back" && this.#reason !== undefined ? { reason: this.#reason } : {},
    };
  }

  /** The node was told to stop: its end is nobody's death. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#record?.state === "trial") {
      await this.#keep({ ...this.#record, began: "start", starts: Math.max(0, this.#record.starts - 1) });
    }
    await this.settled();
  }

  /** Resolves when all that was to be kept is. */
  async settled(): Promise<void> {
    await this.#last;
  }

  /** A reload has put another configuration in force. */
  #applied(running: Configuration, asked: Configuration, before: Configuration): void {
    if (running.config.trialMs === 0) return this.#turnOff();
    const fingerprint = fingerprintOf(running.settings);
    // What differs waits for a restart. But who asks again for what has failed is to have it tried again then.
    if (fingerprint === fingerprintOf(before.settings) && this.#state !== "rolled_back") return;
    if (this.#state === "good") this.#fallback = before;
    this.#go(fingerprint === this.#goodFingerprint ? "asked_good" : "asked_new");
    this.#reason = undefined;
    if (this.#state === "trial") {
      this.#keepLater({
        state: "trial",
        fingerprint: fingerprintOf(asked.settings),
        began: "reload",
        starts: 1,
        since: now(),
        bootId: this.env.bootId,
      });
    } else this.#keepLater(undefined);
    if (this.#state === "good") this.#unwatch();
    else this.#watch();
  }

  #go(event: TrialEvent): void {
    this.#state = trialTable[this.#state][event];
  }

  #watch(): void {
    this.#unwatch();
    const { trialMs } = this.#reloader!.running.config;
    this.#endsMs = performance.now() + trialMs;
    this.#timer = setInterval(() => this.#look(), Math.min(lookEveryMs, Math.max(1, trialMs / 10)));
    this.#timer.unref();
  }

  #unwatch(): void {
    clearInterval(this.#timer);
    this.#endsMs = undefined;
    this.#troubleSinceMs = undefined;
  }

  #look(): void {
    const nowMs = performance.now();
    if (this.env.isRecovering()) {
      this.#endsMs = nowMs + this.#reloader!.running.config.trialMs;
      return;
    }
    const trouble = troubleOf(this.env.health(), this.#before, this.#changedSections());
    if (trouble === undefined) this.#troubleSinceMs = undefined;
    else this.#troubleSinceMs ??= nowMs;
    const { trialMs } = this.#reloader!.running.config;
    const patienceMs = Math.min(troubleMsMax, trialMs / 3);
    const isLasting = trouble !== undefined && nowMs - this.#troubleSinceMs! >= patienceMs;
    if (isLasting && this.#state === "trial") return this.#rollBack(trouble);
    if (nowMs >= this.#endsMs! && trouble === undefined) this.#accept();
  }

  #changedSections(): ReadonlySet<string> {
    const before = this.#fallback?.settings, { settings } = this.#reloader!.running;
    const changed = configKeyNames.filter((key) =>
      before !== undefined && !isSame(before[key], settings[key])
    );
    return new Set(changed.map((key) => key.split(".")[0]));
  }

  /** The trial is over, and was passed. */
  #accept(): void {
    const { running } = this.#reloader!;
    const isNews = this.#state === "trial";
    this.#unwatch();
    this.#go("passed");
    this.#fallback = running;
    const fingerprint = fingerprintOf(running.settings);
    if (isNews) {
      this.env.log("info", "the new configuration has passed its trial: it is the last good one now");
    }
    if (fingerprint === this.#goodFingerprint) return this.#keepLater(undefined);
    this.#goodFingerprint = fingerprint;
    this.#later(async () => {
      await writeLastGood(this.env.dataDir, running.settings, this.env.file);
      await writeTrial(this.env.dataDir, undefined);
    });
    this.#record = undefined;
  }

  #rollBack(reason: string): void {
    const reloader = this.#reloader!;
    const fallback = this.#fallback!;
    this.#unwatch();
    this.#go("unhealthy");
    this.#reason = reason;
    const { running } = reloader;
    const differs = differences(fallback, running);
    const needsRestart = configKeyNames.some((key) =>
      configKeys[key].reload === "restart" && !isSame(running.settings[key], fallback.settings[key])
    );
    this.env.log("error", "the new configuration failed its trial: the last good one takes its place", {
      reason,
      restores: differs,
      ...needsRestart ? { restart: true } : {},
    });
    const record = this.#record!;
    this.#keepLater({ ...record, state: "rolled_back", reason, since: now() });
    if (needsRestart) return this.#later(async () => await this.env.restart());
    try {
      reloader.restore(fallback);
    } catch (thrown) {
      this.env.log("error", "the last good configuration could not be restored: the process is begun anew", {
        error: toOpenWitError(thrown),
      });
      return this.#later(async () => await this.env.restart());
    }
    this.env.onRollback(reason);
  }

  /** What was good once must not come back later, when nobody wants to be saved. */
  #turnOff(): void {
    this.#unwatch();
    this.#state = "first";
    this.#record = undefined;
    this.#fallback = undefined;
    this.#goodFingerprint = undefined;
    this.#later(() => forgetLastGood(this.env.dataDir));
  }

  #statuses(): Statuses {
    return Object.fromEntries(
      Object.entries(this.env.health().components).map(([name, { status }]) => [name, status]),
    );
  }

  #keepLater(record: TrialRecord | undefined): void {
    this.#later(() => this.#keep(record));
  }

  async #keep(record: TrialRecord | undefined): Promise<void> {
    this.#record = record;
    try {
      await writeTrial(this.env.dataDir, record);
    } catch (error) {
      this.env.log("error", "the state of the configuration's trial could not be kept", { error });
    }
  }

  /** One write after another. */
  #later(work: () => Promise<void>): void {
    this.#last = this.#last.then(work).catch((error) => {
      this.env.log("error", "the last good configuration could not be kept", { error });
    });
  }
}

/** What does not work, and did before. */
function troubleOf(
  { phase, components }: NodeHealth,
  before: Statuses,
  changedSections: ReadonlySet<string>,
): string | undefined {
  if (phase === "failed") return "the node has failed";
  for (const [name, { status, reason }] of Object.entries(components)) {
    if (besides.has(name) || status === "ok") continue;
    if (illOfLoad[name]?.every((section) => !changedSections.has(section))) continue;
    const isIll = status === "failed" || telling.has(name);
    const wasIll = before[name] === "failed" || before[name] === status;
    if (isIll && !wasIll) return `${name} is ${status}: ${reason ?? "without a reason"}`;
  }
  return undefined;
}

/** `key from → to, …`, of what is in force and what was asked for. */
function differences(from: Configuration, to: Configuration): string {
  return diffSettings(from.settings, to.settings).map(({ key, from, to }) =>
    `${key} ${from || '""'} → ${to || '""'}`
  ).join(", ");
}

function now(): string {
  return new Date().toISOString();
}
