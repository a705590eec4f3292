/** What an answer waits for while a node still brings back the rows of its last run: without them it would be wrong. */
import { OpenWitError } from "../../core/error.ts";
import { systemClock } from "../../core/env/clock.ts";
import type { QueryHost } from "./host.ts";

/**
 * @param timeoutMs of the answer, waiting included
 * @returns milliseconds of it that are left
 * @throws OpenWitError `unavailable` when the rows are not all back in time; `cancelled`; what ended the recovery
 */
export async function waitForRecovery(
  host: Pick<QueryHost, "store" | "recovery">,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<number> {
  const store = host.store();
  if (!store.isRecovering) return timeoutMs;
  const startedMs = systemClock.monotonicMs();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new OpenWitError("cancelled", "the client has gone"));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const timer = setTimeout(() =>
    reject(
      new OpenWitError("unavailable", `this node is still ${host.recovery ?? "recovering"}`, {
        hint: "ask again in a moment; new records are taken meanwhile",
        retryAfterMs: 5_000,
      }),
    ), timeoutMs);
  try {
    await Promise.race([store.recovered, ended]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
  return Math.max(1, timeoutMs - (systemClock.monotonicMs() - startedMs));
}
