/** Checks of the server that runs on the folder: whether it answers, and what it says of itself. */
import { bytes } from "../cli/status.ts";
import type { Config } from "../config/config.ts";
import { readEndpoints } from "../server/discovery.ts";
import { describeHolder } from "../disk/lock.ts";
import { type Check, fail, ok, warn } from "./check.ts";
import { checkListening, checkSelf, checkVersion } from "./running.ts";

/** Rows may be this many flush ages old before a flush counts as stuck. */
const stuckFactor = 3;

export async function checkServer(dataDir: string, isServed: boolean, config: Config): Promise<Check[]> {
  const recorded = await readEndpoints(dataDir);
  if (!isServed) {
    return [
      recorded === undefined ? ok("server", "none runs on this folder") : warn(
        "server",
        `none runs; one (pid ${recorded.pid}) ended without a goodbye`,
        "see its log for why",
      ),
    ];
  }
  if (recorded === undefined) {
    return [
      warn(
        "server",
        `${describeHolder(dataDir)} holds the folder and does not listen yet`,
        "look again in a moment",
      ),
    ];
  }
  const { http } = recorded.endpoints;
  try {
    const answer = await fetch(`${http}/api/v1/status`, { signal: AbortSignal.timeout(5_000) });
    const status = await answer.json();
    if (!answer.ok) throw new Error(status.error?.message ?? `HTTP ${answer.status}`);
    const metrics = await (await fetch(`${http}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
    return [
      ...describe(status, metrics, config),
      await checkVersion(status.version, status.pid),
      await checkListening(recorded.endpoints),
      checkSelf(metrics, status.uptime_seconds, config.selfIntervalMs),
    ];
  } catch (error) {
    return [
      fail(
        "server",
        `pid ${recorded.pid} holds the folder and does not answer at ${http}: ${(error as Error).message}`,
        "see its log; restart it when it stays so",
      ),
    ];
  }
}

// deno-lint-ignore no-explicit-any -- the document of edge/api/status.ts
function describe(status: any, metrics: string, config: Config): Check[] {
  const said = `${status.phase}, pid ${status.pid}, up ${status.uptime_seconds} s, ${
    bytes(status.resident_bytes)
  }`;
  const server = status.phase === "ready"
    ? ok("server", said)
    : warn("server", `${said}: ${status.reason}`, "wait until it is ready");
  const intake = status.refusing
    ? fail("intake", `requests are refused: ${status.refusing}`, "see disk space, budget and memory above")
    : ok("intake", "requests are taken");
  const damaged = Object.entries(status.damaged ?? {});
  const answers = damaged.length === 0 ? ok("answers", "no segment is left out") : fail(
    "answers",
    `${damaged.length} segments are left out: ${damaged.slice(0, 3).map(([, why]) => why).join("; ")}`,
    "bring the files back, or stop the server and run openwit verify --repair",
  );
  return [server, intake, answers, flushes(status, metrics, config), components(status)];
}

/** Those that have a check of their own above are left to it. */
// deno-lint-ignore no-explicit-any -- as above
function components(status: any): Check {
  // deno-lint-ignore no-explicit-any -- as above
  const named = Object.entries((status.health?.components ?? {}) as Record<string, any>);
  const troubled = named.filter(([name, { status }]) =>
    status !== "ok" && !["store", "disk", "memory"].includes(name)
  );
  if (troubled.length === 0) return ok("components", `${named.length} are looked at, none is in trouble`);
  const found = troubled.map(([name, { status, reason, since }]) =>
    `${name}: ${status} since ${since}: ${reason}`
  ).join("; ");
  const hint = "openwit status shows it as it changes; see the server's log";
  return troubled.some(([, { status }]) => status === "failed")
    ? fail("components", found, hint)
    : warn("components", found, hint);
}

// deno-lint-ignore no-explicit-any -- as above
function flushes(status: any, metrics: string, config: Config): Check {
  const ages = Object.values(status.signals ?? {}).map((each) =>
    // deno-lint-ignore no-explicit-any -- as above
    Number((each as any).memtable_oldest_seconds ?? 0)
  );
  const oldest = Math.max(0, ...ages);
  const failed = [...metrics.matchAll(/^openwit_flush_failures_total(?:\{[^}]*\})? (\d+)/gm)]
    .reduce((sum, [, count]) => sum + Number(count), 0);
  // deno-lint-ignore no-explicit-any -- as above
  const failing = (status.flush_troubles ?? []).map((each: any) =>
    `; ${each.tenant}/${each.signal} has failed ${each.failures} times: ${each.error}`
  );
  const found = `oldest unflushed row ${Math.round(oldest)} s old, ${failed} flushes failed since the start` +
    failing.slice(0, 3).join("");
  const hint = "nothing is lost, it is in the WAL: see the server's log and the disk space";
  if (oldest > config.flushAgeMs / 1_000 * stuckFactor) return fail("flushes", `stuck: ${found}`, hint);
  return failing.length > 0 ? warn("flushes", found, hint) : ok("flushes", found);
}
