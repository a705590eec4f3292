/** The share of the cores that a thread gets beside the others. */
import os from "node:os";

/**
 * A thread at nice 5 gets a quarter of a core that one at nice 0 wants as well (sched(7)), and all of one that is idle:
 * enough for merges to keep up with what comes.
 */
const backgroundNice = 5;

/**
 * Has the calling worker's thread go behind requests and statements: on Linux each thread has a priority of its own
 * (setpriority(2), NOTES). Where it may not be changed the thread stays as it is.
 */
export function goBehindOthers(): void {
  try {
    os.setPriority(backgroundNice);
  } catch {
    // a container or a filter of system calls that forbids it: the work is as right, and in the way of others
  }
}
