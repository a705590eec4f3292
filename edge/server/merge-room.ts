/**
 * Room for a merge in the memory of the whole process: a merge brings its sort on top of what memtables, requests and
 * the buffers of the last statements have, and none of these knows of it.
 *
 * What is not pressing waits for a calm moment. Then room is asked for: memory is given back until the merge fits below the
 * ceiling and what it may be passed by. Both for a bounded time only, or a box that is always busy would never merge.
 */
import type { Clock } from "../../core/env/clock.ts";

export interface MergeRoomEnv {
  readonly clock: Clock;
  residentBytes(): number;
  /** Flushes soon, and gives what was freed back to the system. */
  relieve(): void;
}

/**
 * @param limitBytes of the whole process
 * @param mergeBytes what the merge makes it grow by
 * @throws the signal's reason
 */
export async function makeMergeRoom(
  env: MergeRoomEnv,
  limitBytes: number,
  mergeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const residentMax = limitBytes * passedBy - mergeBytes;
  const untilMs = env.clock.monotonicMs() + waitMsMax;
  while (env.residentBytes() > residentMax && env.clock.monotonicMs() < untilMs) {
    env.relieve();
    if (env.residentBytes() <= residentMax) return;
    await env.clock.sleep(lookEveryMs, signal);
  }
}

export interface CalmEnv {
  readonly clock: Clock;
  residentBytes(): number;
  /** Whether the merge can wait and somebody would notice it: records come, are searched, and few segments wait. */
  isInTheWay(): Promise<boolean>;
}

/**
 * Waits for a moment in which a merge that is not pressing leaves memory for requests and statements: those who meet both a
 * merge and short memory wait longest. For a bounded time only.
 * @param limitBytes of the whole process
 * @throws the signal's reason
 */
export async function awaitCalm(env: CalmEnv, limitBytes: number, signal: AbortSignal): Promise<void> {
  const untilMs = env.clock.monotonicMs() + calmWaitMsMax;
  const isRoomy = () => env.residentBytes() <= limitBytes * roomyShare;
  while (!isRoomy() && await env.isInTheWay() && env.clock.monotonicMs() < untilMs) {
    await env.clock.sleep(lookEveryMs, signal);
  }
}

/** With a merge, which takes 60 to 100 MiB, a process of 512 MiB stays about the mark from which collections are urgent. */
const roomyShare = 0.65;
const calmWaitMsMax = 20_000;

/** Resident memory stays below the limit and this. */
const passedBy = 1.15;
const waitMsMax = 3_000;
const lookEveryMs = 500;
