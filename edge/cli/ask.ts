/** Asking a node from the command line: whom, for which tenant, for how long a person waits, and how Ctrl-C ends it. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import type { ParsedFlags } from "./flags.ts";
import { type Spinner, spinner } from "./progress.ts";
import { expectOk, findTarget, type Target } from "./target.ts";

/** Exit status of what was interrupted: 128 and the number of SIGINT, as a shell tells it. */
export const interruptedStatus = 130;

export class Asking {
  constructor(
    readonly target: Target,
    readonly headers: Readonly<Record<string, string>>,
    /** Aborted by Ctrl-C. */
    readonly signal: AbortSignal,
    readonly spinner: Spinner,
  ) {}

  /** @throws OpenWitError what the node refused, or `cancelled` */
  async get(path: string, accept = "application/json"): Promise<Response> {
    return await this.#send(path, { headers: { ...this.headers, Accept: accept } });
  }

  /** @throws OpenWitError what the node refused, or `cancelled` */
  async post(path: string, body: unknown, accept = "application/json"): Promise<Response> {
    const headers = { ...this.headers, Accept: accept, "Content-Type": "application/json" };
    return await this.#send(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** A POST that says all in its path. @throws OpenWitError what the node refused, or `cancelled` */
  async order(path: string): Promise<Response> {
    return await this.#send(path, { method: "POST", headers: this.headers });
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    this.spinner.start();
    try {
      return await expectOk(await this.target.fetch(path, { ...init, signal: this.signal }));
    } finally {
      this.spinner.stop();
    }
  }
}

/**
 * Finds the node, runs, and lets go of it.
 * @param values with the flags of target.ts
 * @param offline whether a folder at rest can answer, or what answers in its place
 * @returns what `run` does, or `interruptedStatus` after Ctrl-C
 */
export async function withNode(
  values: ParsedFlags["values"],
  offline: boolean | ((dataDir: string) => Promise<Target>),
  run: (asking: Asking) => Promise<number>,
): Promise<number> {
  const interrupted = new AbortController();
  const onInterrupt = () => {
    if (interrupted.signal.aborted) process.exit(interruptedStatus); // once more: at once
    interrupted.abort(new OpenWitError("cancelled", "interrupted"));
  };
  process.on("SIGINT", onInterrupt);
  let target: Target | undefined;
  try {
    target = await findTarget(
      { url: values.url as string | undefined, dataDir: values["data-dir"] as string | undefined },
      typeof offline === "function"
        ? offline
        : offline
        ? async (dataDir) => (await import("./offline.ts")).openOffline(dataDir)
        : undefined,
    );
    const headers: Record<string, string> = values.tenant === undefined
      ? {}
      : { "X-Scope-OrgID": String(values.tenant) };
    return await run(new Asking(target, headers, interrupted.signal, spinner(`asking ${target.name}`)));
  } catch (error) {
    if (interrupted.signal.aborted) return interruptedStatus;
    throw error;
  } finally {
    await target?.close();
    process.removeListener("SIGINT", onInterrupt);
  }
}

/** Says on stderr why an answer is partial. @returns the exit status: 3 when it is, else 0 */
export function partialStatus(warnings: readonly string[]): number {
  for (const warning of warnings) process.stderr.write(`openwit: the answer is partial: ${warning}\n`);
  return warnings.length === 0 ? 0 : 3;
}
