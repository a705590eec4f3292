/**
 * Makes the runtime's thread pool large enough for a server, by starting the process over in its own place.
 *
 * A SQL statement holds a thread of the pool for as long as it runs, and the WAL's writes and syncs need the same
 * pool: with its default of one thread a core and two statements running, an fsync waited 1.7 s on two cores; with
 * 16 threads at most 0.1 s. The size is read once, when a process starts, so it can only be set before that.
 */
import process from "node:process";

const variable = "UV_THREADPOOL_SIZE";
const threads = "16";

/** Does not return when the process has to start over; where it cannot, the pool stays as it is. */
export function ensureThreadPool(): void {
  if (process.env[variable] === undefined) beginAnew();
}

/** Starts the process over in its own place, with the same arguments. Returns only where that cannot be done. */
export function beginAnew(): void {
  if (typeof process.execve !== "function") return;
  const isSource = process.argv[1] !== undefined && /\.[cm]?[jt]s$/.test(process.argv[1]) &&
    !process.argv[1].startsWith("/$bunfs");
  const args = isSource ? process.argv.slice(1) : process.argv.slice(2);
  process.execve(process.execPath, [process.argv0, ...process.execArgv, ...args], {
    ...process.env,
    [variable]: process.env[variable] ?? threads,
  });
}
