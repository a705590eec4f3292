/** A server of its own for the time of a measurement: in a scratch folder, at ports that are free, as a child process. */
import { join } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import type { Endpoints } from "../server/listeners.ts";
import { readEndpoints } from "../server/discovery.ts";

export interface PrivateNode {
  readonly endpoints: Endpoints;
  /** Resident memory, bytes. */
  residentBytes(): Promise<number>;
  stop(): Promise<void>;
}

const startMsMax = 30_000;

/** @param folder made by the caller, who removes it. @throws OpenWitError `unavailable` when it does not start */
export async function startPrivateNode(
  folder: string,
  memoryBytes: number,
  abort: AbortSignal,
): Promise<PrivateNode> {
  const dataDir = join(folder, "data");
  const child = Bun.spawn([
    ...ourselves(),
    ...["serve", "--config", "", "--data-dir", dataDir, "--log-level", "error"],
    ...["http", "otlp-http", "otlp-grpc"].flatMap((flag) => [`--${flag}`, "127.0.0.1:0"]),
  ], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    // Ctrl-C is for us: we end it, and clear up behind it.
    detached: true,
    env: { ...withoutOurs(process.env), OPENWIT_MEMORY__LIMIT: String(memoryBytes) },
  });
  // We may be ended without a word to anybody: it must not stay behind.
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(end, 10_000);
    await child.exited;
    clearTimeout(timer);
    process.removeListener("exit", end);
  };
  try {
    const endpoints = await untilReady(dataDir, () => child.exitCode !== null, abort);
    return {
      endpoints,
      stop,
      async residentBytes() {
        return (await (await fetch(`${endpoints.http}/api/v1/status`)).json()).resident_bytes;
      },
    };
  } catch (error) {
    await stop();
    abort.throwIfAborted();
    const said = (await new Response(child.stderr).text()).trim().split("\n").at(-1) ?? "";
    throw new OpenWitError("unavailable", `a server to measure with does not start: ${said || error}`, {
      hint: "openwit doctor says what is wrong with the box",
      cause: error,
    });
  }
}

/** The command of this program, built or from its sources. */
function ourselves(): string[] {
  const script = process.argv[1] ?? "";
  const isFromSources = /\.[cm]?[jt]s$/.test(script) && !script.startsWith("/$bunfs");
  return isFromSources ? [process.execPath, script] : [process.execPath];
}

/** What the box is configured to by environment is not what is measured. */
function withoutOurs(environment: NodeJS.ProcessEnv): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith("OPENWIT_") && name !== "NOTIFY_SOCKET"),
  );
}

async function untilReady(dataDir: string, hasEnded: () => boolean, abort: AbortSignal): Promise<Endpoints> {
  const deadlineMs = performance.now() + startMsMax;
  while (performance.now() < deadlineMs) {
    abort.throwIfAborted();
    if (hasEnded()) throw new Error("it ended");
    const recorded = await readEndpoints(dataDir);
    if (recorded !== undefined) {
      const isReady = await fetch(`${recorded.endpoints.http}/ready`).then(({ ok }) => ok, () => false);
      if (isReady) return recorded.endpoints;
    }
    await Bun.sleep(20);
  }
  throw new Error(`it was not ready within ${startMsMax / 1_000} s`);
}
