/**
 * Safe mode as a state machine: a new configuration is on trial until the box was well with it for a while; when it was
 * not, the last good one takes its place, and stays there until somebody asks for yet another one.
 *
 * Pure: who reads, writes, times and restarts is edge/server/safe_mode.ts.
 */

export type TrialState =
  /** No configuration has proved itself yet: there is none to fall back to. */
  | "first"
  | "good"
  | "trial"
  /** What was asked for has failed, and the last good one is in force. */
  | "rolled_back";

export type TrialEvent =
  /** A start or a reload asked for what is known to be good. */
  | "asked_good"
  /** One asked for something else. */
  | "asked_new"
  /** A start asks again for what is on trial, or for what has failed. */
  | "asked_again"
  /** The process that ran it ended without having been told to, once too often. */
  | "died"
  /** A component does not work with it. */
  | "unhealthy"
  /** What is asked for cannot even be read. */
  | "unreadable"
  /** The box was well with it for as long as a trial lasts. */
  | "passed";

export const trialTable: Readonly<Record<TrialState, Readonly<Record<TrialEvent, TrialState>>>> = {
  first: {
    asked_good: "good",
    asked_new: "first",
    asked_again: "first",
    died: "first",
    unhealthy: "first",
    unreadable: "first",
    passed: "good",
  },
  good: {
    asked_good: "good",
    asked_new: "trial",
    asked_again: "trial",
    died: "good",
    unhealthy: "good",
    unreadable: "rolled_back",
    passed: "good",
  },
  trial: {
    asked_good: "good",
    asked_new: "trial",
    asked_again: "trial",
    died: "rolled_back",
    unhealthy: "rolled_back",
    unreadable: "rolled_back",
    passed: "good",
  },
  rolled_back: {
    asked_good: "good",
    asked_new: "trial",
    asked_again: "rolled_back",
    died: "rolled_back",
    unhealthy: "rolled_back",
    unreadable: "rolled_back",
    passed: "rolled_back",
  },
};

/** What is kept while a trial lasts and after it has failed: `run/config.trial.json`. */
export interface TrialRecord {
  readonly state: "trial" | "rolled_back";
  /** Of the configuration that is on trial, or has failed. */
  readonly fingerprint: string;
  /** Whether it was put in force by a start or while the node ran. */
  readonly began: "start" | "reload";
  /** Processes that have run it. */
  readonly starts: number;
  /** ISO 8601. */
  readonly since: string;
  /** Of the machine: a death by power cut is not the configuration's. */
  readonly bootId: string;
  /** Why it was rolled back. */
  readonly reason?: string;
}

/** What a start finds. */
export interface StartFacts {
  /** Of what is asked for; of its text when it cannot be read. */
  readonly asked: string;
  /** Why it cannot be read. */
  readonly problem?: string;
  /** Of the last good configuration, when there is one. */
  readonly good?: string;
  readonly record?: TrialRecord;
  readonly bootId: string;
}

export interface StartPlan {
  readonly state: TrialState;
  /** Which is put in force. */
  readonly run: "asked" | "good";
  /** To be kept once the folder is ours; `undefined` when there is nothing to be kept. */
  readonly record?: Omit<TrialRecord, "since">;
}

/** Processes that may die of a configuration before the last good one takes its place. */
export const startsMax = 3;

export function planStart(facts: StartFacts): StartPlan {
  const { asked, problem, good, record, bootId } = facts;
  const before: TrialState = good === undefined ? "first" : record?.state ?? "good";
  const { event, reason } = startEvent(facts);
  const state = trialTable[before][event];
  if (state === "first" || state === "good") return { state, run: "asked" };
  if (state === "trial") {
    const ran = record?.fingerprint === asked ? record.starts : 0;
    return {
      state,
      run: "asked",
      record: { state, fingerprint: asked, began: "start", starts: ran + 1, bootId },
    };
  }
  const why = problem ?? reason ?? record?.reason;
  const { began = "start", starts = 0 } = record ?? {};
  const kept = { state, fingerprint: asked, began, starts, bootId };
  return { state, run: "good", record: why === undefined ? kept : { ...kept, reason: why } };
}

function startEvent(
  { asked, problem, good, record, bootId }: StartFacts,
): { readonly event: TrialEvent; readonly reason?: string } {
  if (problem !== undefined) return { event: "unreadable" };
  if (asked === good) return { event: "asked_good" };
  if (record?.fingerprint !== asked) return { event: "asked_new" };
  if (record.state === "rolled_back") return { event: "asked_again" };
  // What was applied while the node ran has killed a process that was well: that is enough, unless the power went.
  if (record.began === "reload" && record.bootId === bootId) {
    return { event: "died", reason: "the process died on trial, after the reload" };
  }
  return record.starts < startsMax
    ? { event: "asked_again" }
    : { event: "died", reason: `the process died ${record.starts} times on trial` };
}
