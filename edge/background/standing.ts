/** The share of the cores that a thread gets beside the others. */
import os from "node:os";

/** How far a thread stands behind those that take requests and answer statements. */
export type Standing = "behind" | "far-behind";

/**
 * Beside a thread at nice 0 that wants the same core as well, one at nice 5 gets a quarter of it, and one at nice 10 a
 * tenth (sched(7)); either gets all of a core that is idle.
 */
const niceOf: Readonly<Record<Standing, number>> = { "behind": 5, "far-behind": 10 };

/**
 * Has the calling worker's thread stand behind the others: on Linux each thread has a priority of its own
 * (setpriority(2), NOTES). Where it may not be changed the thread stays as it is.
 */
export function goBehindOthers(standing: Standing): void {
  try {
    os.setPriority(niceOf[standing]);
  } catch {
    // a container or a filter of system calls that forbids it: the work is as right, and in the way of others
  }
}

/** Whether a thread may come to another standing: only root may have one go before where it stood. */
export function canGo(from: Standing, to: Standing): boolean {
  return niceOf[to] >= niceOf[from];
}

/**
 * How much waits to be merged, as it was last planned; what merges and indexes asks it before each job.
 *
 * Far behind requests and statements they are in nobody's way, and on a box that is always busy they might never end. So
 * they come forward when more waits than gathers during a few merges.
 */
export class MergeBacklog {
  /** Segments of the merges that are due. */
  segments = 0;

  get standing(): Standing {
    return this.segments > pressingSegments ? "behind" : "far-behind";
  }
}

/** At 60,000 log records a second some 32 gather in a quarter of a minute, and one merge takes them. */
const pressingSegments = 96;
