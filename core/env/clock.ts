/**
 * Time as the database sees it: injected, so that the simulator can run an hour in a millisecond.
 *
 * Wall time names instants and may jump; intervals and time-outs use the monotonic clock only.
 */
export interface Clock {
  /** Unix time in nanoseconds. */
  nowNs(): bigint;
  /** Milliseconds that only grow, from an arbitrary start. */
  monotonicMs(): number;
  /** Resolves after `ms` of monotonic time, or rejects with the reason of `signal`. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  // Date, not performance.timeOrigin: the latter does not follow a wall clock that is set later (NTP after boot).
  nowNs: () => BigInt(Date.now()) * 1_000_000n,
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal!.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
};
