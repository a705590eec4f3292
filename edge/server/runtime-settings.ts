/**
 * What the runtime reads once, when a process starts: set by starting the process over in its own place. Who has set the
 * size of the thread pool has the process begin as it is, and whatever else is set in the environment goes before.
 */
import process from "node:process";

const settings = {
  /**
   * A SQL statement holds a thread of the pool for as long as it runs, and the WAL's writes and syncs need the same pool:
   * with its default of one thread a core and two statements running, an fsync waited 1.7 s on two cores; with 16 threads
   * at most 0.1 s.
   */
  UV_THREADPOOL_SIZE: "16",
  /**
   * Bytes that the collector takes the machine to have: a heap may then grow by a quarter or a half until it is collected,
   * and not to twice its size. A server's heap is buffers of requests mostly, garbage a moment later.
   */
  BUN_JSC_forceRAMSize: String(128 * 1024 * 1024),
  /** Milliseconds until the allocator gives freed pages back; by default some seconds, and a burst stays resident. */
  MIMALLOC_PURGE_DELAY: "10",
} as const;

/** Does not return when the process has to start over; where it cannot, the runtime stays as it is. */
export function ensureRuntimeSettings(): void {
  if (process.env.UV_THREADPOOL_SIZE === undefined) beginAnew();
}

/** Starts the process over in its own place, with the same arguments. Returns only where that cannot be done. */
export function beginAnew(): void {
  if (typeof process.execve !== "function") return;
  const isSource = process.argv[1] !== undefined && /\.[cm]?[jt]s$/.test(process.argv[1]) &&
    !process.argv[1].startsWith("/$bunfs");
  const args = isSource ? process.argv.slice(1) : process.argv.slice(2);
  process.execve(process.execPath, [process.argv0, ...process.execArgv, ...args], {
    ...settings,
    ...process.env,
  });
}
