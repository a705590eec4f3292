/**
 * Does a node's maintenance by itself: runs tasks, one at a time, each at its interval with some jitter, and keeps
 * what became of the last runs for `system.tasks`. What somebody waits for has a lane of its own, beside the others.
 *
 * A task resolves with what it did, in words, or rejects; it ends soon when its signal aborts, and may be cut off at
 * any point without harm. A task that fails is logged and comes again at its next time.
 */
import type { Clock } from "../env/clock.ts";
import type { Log } from "../env/log.ts";
import { type Random, randomUnit } from "../env/random.ts";
import { OpenWitError, toOpenWitError } from "../error.ts";
import type { Metrics } from "../metrics/metrics.ts";

export interface MaintenanceTask {
  /** Lowercase words joined by "-". */
  readonly name: string;
  readonly everyMs: number;
  /** Resolves with what it did; an empty text when there was nothing to do. */
  run(signal: AbortSignal): Promise<string>;
}

export interface TaskRun {
  readonly task: string;
  readonly startedNs: bigint;
  readonly durationMs: number;
  readonly outcome: "done" | "failed" | "aborted";
  /** What it did. */
  readonly did: string;
  readonly error?: OpenWitError;
}

export interface TaskState {
  readonly name: string;
  readonly everyMs: number;
  readonly isRunning: boolean;
  /** 0 while it does not run. */
  readonly runningMs: number;
  /** Until it is due; 0 when it is. */
  readonly dueInMs: number;
  readonly last: TaskRun | undefined;
}

export interface JanitorEnv {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Told of each run that did something or failed; must not throw. */
  readonly onRun?: (run: TaskRun) => void;
}

interface Entry {
  readonly task: MaintenanceTask;
  readonly lane: Lane;
  everyMs: number;
  dueMs: number;
  last: TaskRun | undefined;
}

/** Its tasks run one after another, whoever asks for them. */
class Lane {
  last: Promise<unknown> = Promise.resolve();
  running: Entry | undefined;
  runningSinceMs = 0;
  /** Ends the wait for the task that is due next. */
  wake: (() => void) | undefined;
  loop: Promise<void> = Promise.resolve();
}

/** Runs that are remembered: a day of a task that comes every five minutes. */
export const runsMax = 300;

export class Janitor {
  readonly #entries: Entry[];
  readonly #runs: TaskRun[] = [];
  readonly #stopping = new AbortController();
  readonly #main = new Lane();
  readonly #beside = new Lane();

  /** @param beside tasks that run one at a time as well, and do not wait for the others */
  constructor(
    readonly env: JanitorEnv,
    tasks: readonly MaintenanceTask[],
    beside: readonly MaintenanceTask[] = [],
  ) {
    const now = env.clock.monotonicMs();
    const entriesOf = (lane: Lane, tasks: readonly MaintenanceTask[]) =>
      tasks.map((task): Entry => ({
        task,
        lane,
        everyMs: task.everyMs,
        dueMs: now + this.#jittered(task.everyMs),
        last: undefined,
      }));
    this.#entries = [...entriesOf(this.#main, tasks), ...entriesOf(this.#beside, beside)];
  }

  /** Runs the tasks in the background until `stop`. */
  start(): void {
    for (const lane of this.#lanes()) lane.loop = this.#maintain(lane);
  }

  /** Aborts what runs, and resolves when it has ended. Nothing runs afterwards. */
  async stop(): Promise<void> {
    this.#stopping.abort(new OpenWitError("cancelled", "the node is shutting down"));
    for (const lane of this.#lanes()) {
      await lane.loop;
      await lane.last;
    }
  }

  /**
   * Runs a task as soon as nothing else runs.
   * @param run in place of the task's own
   * @throws OpenWitError `not_found` for an unknown name; what the task throws
   */
  async runNow(name: string, run?: MaintenanceTask["run"]): Promise<TaskRun> {
    const entry = this.#entryOf(name);
    const done = await this.#enqueue(entry, run ?? ((signal) => entry.task.run(signal)));
    if (done.error !== undefined) throw done.error;
    return done;
  }

  /** Has a task come at another interval; it is due within that from now. */
  reschedule(name: string, everyMs: number): void {
    const entry = this.#entries.find(({ task }) => task.name === name);
    if (entry === undefined || entry.everyMs === everyMs) return;
    entry.everyMs = everyMs;
    entry.dueMs = this.env.clock.monotonicMs() + this.#jittered(everyMs);
    entry.lane.wake?.();
  }

  /** Has a task come as soon as nothing else runs, if it does not run already. @throws OpenWitError `not_found` */
  hurry(name: string): void {
    const entry = this.#entryOf(name);
    if (entry.lane.running === entry) return;
    entry.dueMs = this.env.clock.monotonicMs();
    entry.lane.wake?.();
  }

  /** Runs work that is on no schedule as soon as nothing else runs. @throws what it throws */
  async runOnce(name: string, run: MaintenanceTask["run"]): Promise<void> {
    const done = await this.#enqueue({
      task: { name, everyMs: 0, run },
      lane: this.#main,
      everyMs: 0,
      dueMs: 0,
      last: undefined,
    }, run);
    if (done.error !== undefined) throw done.error;
  }

  /** The last runs that did something or failed, oldest first. */
  runs(): readonly TaskRun[] {
    return [...this.#runs];
  }

  tasks(): TaskState[] {
    const now = this.env.clock.monotonicMs();
    return this.#entries.map((entry) => ({
      name: entry.task.name,
      everyMs: entry.everyMs,
      isRunning: entry.lane.running === entry,
      runningMs: entry.lane.running === entry ? now - entry.lane.runningSinceMs : 0,
      dueInMs: Math.max(0, entry.dueMs - now),
      last: entry.last,
    }));
  }

  #entryOf(name: string): Entry {
    const entry = this.#entries.find(({ task }) => task.name === name);
    if (entry !== undefined) return entry;
    throw new OpenWitError("not_found", `there is no maintenance task ${JSON.stringify(name)}`, {
      hint: `there are ${this.#entries.map(({ task }) => task.name).join(", ")}`,
    });
  }

  #lanes(): readonly Lane[] {
    return [this.#main, this.#beside];
  }

  async #maintain(lane: Lane): Promise<void> {
    const { clock } = this.env;
    const { signal } = this.#stopping;
    const entries = this.#entries.filter((entry) => entry.lane === lane);
    while (!signal.aborted && entries.length > 0) {
      const next = entries.reduce((first, each) => each.dueMs < first.dueMs ? each : first);
      const waitMs = next.dueMs - clock.monotonicMs();
      if (waitMs > 0) await this.#sleep(lane, waitMs, signal);
      else await this.#enqueue(next, (signal) => next.task.run(signal));
    }
  }

  async #sleep(lane: Lane, ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    lane.wake = () => woken.abort();
    // An abort ends the loop at its head; who wakes it has changed what is due next.
    await this.env.clock.sleep(ms, AbortSignal.any([signal, woken.signal])).catch(() => {});
    lane.wake = undefined;
  }

  #enqueue(entry: Entry, run: MaintenanceTask["run"]): Promise<TaskRun> {
    const done = entry.lane.last.then(() => this.#run(entry, run));
    entry.lane.last = done;
    return done;
  }

  /** Never rejects: what became of it is in the result. */
  async #run(entry: Entry, run: MaintenanceTask["run"]): Promise<TaskRun> {
    const { clock, log, metrics } = this.env;
    const { signal } = this.#stopping;
    const { name: task } = entry.task;
    const startedNs = clock.nowNs();
    const startedMs = clock.monotonicMs();
    entry.lane.running = entry;
    entry.lane.runningSinceMs = startedMs;
    let outcome: TaskRun["outcome"] = "done";
    let did = "";
    let error: OpenWitError | undefined;
    try {
      signal.throwIfAborted();
      did = await run(signal);
    } catch (thrown) {
      error = toOpenWitError(thrown);
      outcome = signal.aborted ? "aborted" : "failed";
    }
    entry.lane.running = undefined;
    const now = clock.monotonicMs();
    entry.dueMs = now + this.#jittered(entry.everyMs);
    const durationMs = now - startedMs;
    const done = { task, startedNs, durationMs, outcome, did, ...(error === undefined ? {} : { error }) };
    entry.last = done;
    metrics.add("openwit_task_runs_total", 1, { task, outcome });
    metrics.observe("openwit_task_seconds", durationMs / 1_000, { task });
    // A ring full of runs that found nothing to do would tell nothing.
    if (did !== "" || outcome !== "done") {
      this.#runs.push(done);
      if (this.#runs.length > runsMax) this.#runs.shift();
      this.env.onRun?.(done);
    }
    if (outcome === "failed") log("error", `maintenance failed: ${task}`, { error });
    else if (did !== "") log("info", `maintenance: ${task}`, { did, ms: Math.round(durationMs) });
    return done;
  }

  /** A tenth more or less, so that the boxes of a fleet that started together do not work together. */
  #jittered(ms: number): number {
    return ms * (0.9 + 0.2 * randomUnit(this.env.random));
  }
}
