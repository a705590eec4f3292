/**
 * How a node is, component by component, as a pure function of facts (facts.ts gathers them): what is served at
 * `/health` and `/ready`, and what `openwit status` shows.
 *
 *   ok        it does its work
 *   degraded  it does its work, and a person should know of something
 *   failed    it cannot do its work now: a node that cannot take or answer says so at `/ready`
 *
 * No status here ends the process: a box that is restarted for a full disk is a box that is down, with a full disk.
 */
import type { CatalogFact, ComponentName, NodeFacts, WalFact } from "./facts.ts";

export type ComponentStatus = "ok" | "degraded" | "failed";

export interface Verdict {
  readonly status: ComponentStatus;
  /** In words; absent while it is ok. */
  readonly reason?: string;
}

export interface ComponentHealth extends Verdict {
  /** When it came to be as it is: ISO 8601. */
  readonly since: string;
}

/** The document of `/health`; names as they are served. */
export interface NodeHealth {
  /** The worst of the components'. */
  readonly status: ComponentStatus;
  readonly phase: NodeFacts["phase"];
  /** Whether a record sent now would be taken, and a question answered; why not stands in `reasons`. */
  readonly takes_records: boolean;
  readonly answers_queries: boolean;
  /** One for each component that is not ok, and for a phase that is not ready. */
  readonly reasons: readonly string[];
  readonly components: Readonly<Record<ComponentName, ComponentHealth>>;
}

/** Without these no record is taken. */
const taking: readonly ComponentName[] = ["wal", "store", "disk", "memory", "listeners"];
/** Without these no question is answered. */
const answering: readonly ComponentName[] = ["store", "engine", "listeners"];

/** A write that takes this long is a disk that stands still; the client has given up by then. */
const walStandsStillMs = 10_000;
/** An fsync of an SD card takes 5 to 50 ms; a dying one takes seconds. */
const walSlowMs = 1_000;
/**
 * How long a failed WAL keeps a node from being ready: nobody sends to a node that is not, and only a request that is
 * tried can show that the disk is well again.
 */
const walFailedMs = 30_000;
/** Beyond the age at which rows are flushed, and a flush's own time. */
const flushLateMs = 5 * 60_000;
/** The longest merge of a large box takes minutes. */
const taskStuckMs = 60 * 60_000;

const ok: Verdict = { status: "ok" };
const degraded = (reason: string): Verdict => ({ status: "degraded", reason });
const failed = (reason: string): Verdict => ({ status: "failed", reason });

/** Every component by what is known of it. */
export function judge(facts: NodeFacts): Readonly<Record<ComponentName, Verdict>> {
  return {
    wal: facts.wal === undefined ? ok : judgeWal(facts.wal),
    store: judgeStore(facts),
    disk: judgeDisk(facts.disk),
    memory: judgeMemory(facts.memory),
    clock: facts.isTimeSynced
      ? ok
      : degraded("the clock cannot be believed: no hour is closed and nothing goes by age"),
    engine: judgeEngine(facts.engine),
    janitor: judgeJanitor(facts.tasks),
    catalog: judgeCatalog(facts.catalog),
    encoder: judgeWorker(facts.encoderFailure, "the segment encoder"),
    indexer: judgeWorker(facts.indexerFailure, "the indexer"),
    listeners: facts.listeners.open === facts.listeners.wanted
      ? ok
      : failed(`${facts.listeners.open} of ${facts.listeners.wanted} ports are open`),
    config: facts.configTrouble === undefined ? ok : degraded(facts.configTrouble),
  };
}

function judgeWal({ trouble, writingMs, syncMs }: WalFact): Verdict {
  if (writingMs >= walStandsStillMs) {
    return failed(`a write to the WAL has been under way for ${seconds(writingMs)}`);
  }
  if (trouble !== undefined) {
    const reason = `the WAL could not be written ${seconds(trouble.agoMs)} ago: ${trouble.message}`;
    return trouble.agoMs < walFailedMs ? failed(reason) : degraded(`${reason}; nothing was sent since`);
  }
  if (syncMs >= walSlowMs) return degraded(`an fsync of the WAL takes ${seconds(syncMs)}`);
  return ok;
}

function judgeStore({ phase, reason, store }: NodeFacts): Verdict {
  if (phase === "failed") return failed(reason ?? "the start failed");
  if (store === undefined) return degraded(reason ?? "starting");
  const { recovery, flushTroubles, damagedSegments, oldestUnflushedMs, flushAgeMs } = store;
  if (recovery !== undefined) return degraded(`${recovery}; queries wait for it`);
  const [first] = flushTroubles;
  if (first !== undefined) {
    const others = flushTroubles.length === 1 ? "" : `, and of ${flushTroubles.length - 1} more streams`;
    return degraded(`${first.failures} flushes of ${first.stream} failed: ${first.message}${others}`);
  }
  if (oldestUnflushedMs > flushAgeMs + flushLateMs) {
    return degraded(`a row has waited for its flush for ${seconds(oldestUnflushedMs)}`);
  }
  if (damagedSegments > 0) {
    return degraded(`${damagedSegments} damaged segments are left out of answers; openwit verify says more`);
  }
  return ok;
}

function judgeDisk(disk: NodeFacts["disk"]): Verdict {
  if (disk === undefined) return ok;
  if (disk.refusal !== undefined) return failed(disk.refusal);
  return disk.isNearlyFull
    ? degraded("there is hardly room left, and storage.when_full is refuse: records will be refused soon")
    : ok;
}

function judgeMemory({ refusal, residentBytes, limitBytes }: NodeFacts["memory"]): Verdict {
  if (refusal !== undefined) return failed(refusal);
  return residentBytes <= limitBytes
    ? ok
    : degraded(`the process has ${mebibytes(residentBytes)} of ${mebibytes(limitBytes)}`);
}

function judgeEngine(engine: NodeFacts["engine"]): Verdict {
  if (engine === undefined || engine.waitingMax === 0 || engine.waiting < engine.waitingMax) return ok;
  return failed(`${engine.waiting} statements wait, which is the most: others are refused`);
}

function judgeJanitor(tasks: NodeFacts["tasks"]): Verdict {
  const reasons = tasks.flatMap(({ name, error, runningMs }) => [
    ...(error === undefined ? [] : [`${name} failed: ${error}`]),
    ...(runningMs < taskStuckMs ? [] : [`${name} has been running for ${seconds(runningMs)}`]),
  ]);
  return reasons.length === 0 ? ok : degraded(reasons.join("; "));
}

function judgeCatalog(catalog: CatalogFact | undefined): Verdict {
  return catalog?.error === undefined ? ok : degraded(`the catalog is not written: ${catalog.error}`);
}

function judgeWorker(failure: string | undefined, what: string): Verdict {
  return failure === undefined ? ok : degraded(`${what} failed last time: ${failure}; it is tried again`);
}

/** Since when each component has been as it is. */
export class HealthBook {
  readonly #seen = new Map<ComponentName, { verdict: Verdict; sinceNs: bigint }>();

  /**
   * The document of these facts.
   * @param onChange told of each component whose status is another one than it was
   */
  look(
    facts: NodeFacts,
    nowNs: bigint,
    onChange: (name: ComponentName, verdict: Verdict) => void = () => {},
  ): NodeHealth {
    const verdicts = judge(facts);
    const names = Object.keys(verdicts) as ComponentName[];
    for (const name of names) {
      const verdict = verdicts[name];
      const before = this.#seen.get(name);
      const isSame = before?.verdict.status === verdict.status;
      this.#seen.set(name, { verdict, sinceNs: isSame ? before!.sinceNs : nowNs });
      if (before !== undefined && !isSame) onChange(name, verdict);
    }
    const isReady = facts.phase === "ready";
    // A store that is open takes records, also while it brings back those of its last run.
    const isTaking = isReady || facts.phase === "starting" && facts.store !== undefined;
    const works = (needed: readonly ComponentName[]) =>
      needed.every((name) => verdicts[name].status !== "failed");
    const statuses = names.map((name) => verdicts[name].status);
    return {
      status: statuses.includes("failed") ? "failed" : statuses.includes("degraded") ? "degraded" : "ok",
      phase: facts.phase,
      takes_records: isTaking && works(taking) && facts.drained === undefined,
      answers_queries: isReady && works(answering),
      reasons: [
        ...(isReady
          ? []
          : [`the node is ${facts.phase}${facts.reason === undefined ? "" : `: ${facts.reason}`}`]),
        ...(facts.drained === undefined ? [] : [facts.drained]),
        ...names.flatMap((name) =>
          verdicts[name].reason === undefined ? [] : [`${name}: ${verdicts[name].reason}`]
        ),
      ],
      components: Object.fromEntries(names.map((name) => [name, {
        ...verdicts[name],
        since: new Date(Number(this.#seen.get(name)!.sinceNs / 1_000_000n)).toISOString(),
      }])) as Record<ComponentName, ComponentHealth>,
    };
  }
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
