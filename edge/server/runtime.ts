/**
 * Makes the runtime fit for a server, by starting the process over in its own place: what the runtime reads once, when a
 * process starts, can only be set before that.
 *
 * A thread pool that is large enough. A SQL statement holds a thread of the pool for as long as it runs, and the WAL's
 * writes and syncs need the same pool: with its default of one thread a core and two statements running, an fsync waited
 * 1.7 s on two cores; with 16 threads at most 0.1 s.
 *
 * A collector that does not run beside what it collects for. Where both cores have work, a thread that goes on while another
 * one marks waits for it again and again: statements beside ingest took half as long again
 * (docs/decisions/018-collections.md).
 */
import process from "node:process";

const variables = { UV_THREADPOOL_SIZE: "16", BUN_JSC_useConcurrentGC: "0" } as const;

/** Does not return when the process has to start over, for a variable is not set; where it cannot, all stays as it is. */
export function ensureRuntime(): void {
  if (Object.keys(variables).some((name) => process.env[name] === undefined)) beginAnew();
}

/** Starts the process over in its own place, with the same arguments. Returns only where that cannot be done. */
export function beginAnew(): void {
  if (typeof process.execve !== "function") return;
  const isSource = process.argv[1] !== undefined && /\.[cm]?[jt]s$/.test(process.argv[1]) &&
    !process.argv[1].startsWith("/$bunfs");
  const args = isSource ? process.argv.slice(1) : process.argv.slice(2);
  process.execve(process.execPath, [process.argv0, ...process.execArgv, ...args], {
    ...variables,
    ...process.env,
  });
}
