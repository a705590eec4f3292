/** Waits until a service is proved to work, or shows that it will not in time. */
import type { Clock } from "../../core/env/clock.ts";
import { toOpenWitError } from "../../core/error.ts";
import { unitName } from "../systemd/unit.ts";
import type { Host } from "./host.ts";
import { journalctl, type Layout, systemctl } from "./layout.ts";
import type { Prover, Sight } from "./proof.ts";

export interface Waiting {
  readonly layout: Layout;
  readonly host: Host;
  readonly prover: Prover;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** The version that must answer. */
  readonly version: string;
  /** Of the process that ran before: it does not count. */
  readonly oldPid: number | undefined;
  /** Ends the waiting: it counts as not healthy. */
  readonly interrupted?: AbortSignal;
}

export type Outcome =
  | { readonly isHealthy: true; readonly sight: Sight & { kind: "ready" }; readonly tookMs: number }
  /** Why, and the last lines of its log. */
  | { readonly isHealthy: false; readonly reason: string; readonly log: readonly string[] };

/** As often as it ends by itself, systemd starts it anew: so many times, and no more is to be expected. */
const endsMax = 3;
const lookEveryMs = 250;
const logLines = 15;

export async function awaitHealthy(waiting: Waiting): Promise<Outcome> {
  const { layout, host, prover, clock, timeoutMs, version, oldPid } = waiting;
  const beganMs = clock.monotonicMs();
  const before = await restarts(layout, host);
  let reason = "it was not looked at";
  do {
    const sight = await prover.look();
    if (sight.kind === "not-ready") reason = sight.reason;
    else if (sight.pid === oldPid) reason = `the process from before (${oldPid}) still runs`;
    else if (sight.version !== version) reason = `version ${sight.version} answers, not ${version}`;
    else {
      try {
        await prover.roundTrip(sight);
        return { isHealthy: true, sight, tookMs: clock.monotonicMs() - beganMs };
      } catch (error) {
        reason = toOpenWitError(error).message;
      }
    }
    const ends = await restarts(layout, host) - before;
    if (waiting.interrupted?.aborted) return await failed(waiting, `the waiting was interrupted (${reason})`);
    if (ends >= endsMax) return await failed(waiting, `it ended ${ends} times (${reason})`);
    await clock.sleep(lookEveryMs);
  } while (clock.monotonicMs() - beganMs < timeoutMs);
  return await failed(waiting, `it was not healthy within ${Math.round(timeoutMs / 1_000)} s: ${reason}`);
}

async function restarts(layout: Layout, host: Host): Promise<number> {
  const { stdout } = await host.run(systemctl(layout, "show", "--property=NRestarts", "--value", unitName));
  return Number(stdout.trim()) || 0;
}

async function failed({ layout, host }: Waiting, reason: string): Promise<Outcome> {
  const { status, stdout } = await host.run(
    journalctl(layout, "-n", String(logLines), "--no-pager", "-o", "cat"),
  );
  return { isHealthy: false, reason, log: status === 0 ? stdout.trimEnd().split("\n") : [] };
}
