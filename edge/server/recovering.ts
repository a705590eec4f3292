/** What a long recovery says of how far it is: in `/ready`, in `status`, and in the log now and then. */
import { systemClock } from "../../core/env/clock.ts";
import type { Log } from "../../core/env/log.ts";
import type { ReplayProgress } from "../../core/store/replay.ts";

export function recoveryTeller(log: Log, say: (text: string) => void): (progress: ReplayProgress) => void {
  let loggedMs = systemClock.monotonicMs();
  return ({ bytes, bytesRead, rows }) => {
    const share = `${Math.floor(100 * bytesRead / Math.max(1, bytes))}%`;
    const size = `${Math.round(bytes / 1024 / 1024)} MiB`;
    say(`recovering the data folder: ${share} of ${size} of WAL replayed, ${rows} rows`);
    const nowMs = systemClock.monotonicMs();
    if (nowMs - loggedMs < logEveryMs) return;
    loggedMs = nowMs;
    log("info", "recovering", { wal_bytes: bytes, wal_bytes_read: bytesRead, rows });
  };
}

const logEveryMs = 3_000;
