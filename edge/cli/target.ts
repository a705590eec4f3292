/**
 * Finds whom to ask: `--url`, else the server that runs on the data folder, else the folder itself, read-only.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { configKeys } from "../config/keys.ts";
import { parseListen } from "../config/parse.ts";
import { readEndpoints } from "../server/discovery.ts";

export interface Target {
  /** Where requests go, for messages. */
  readonly name: string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

export interface TargetFlags {
  readonly url?: string;
  readonly dataDir?: string;
}

/** Flags of every command that asks a node something. */
export const targetFlags = {
  url: { type: "string" },
  "data-dir": { type: "string" },
  tenant: { type: "string" },
} as const;

export const targetUsage =
  `  --url URL              ask this server (default: OPENWIT_URL, or the one that runs here)
  --data-dir DIR         data folder (default ./data); without a running server it is read directly
  --tenant NAME          tenant (default "default")`;

/**
 * @param offline opens the folder when no server runs on it; absent for commands that need a running one
 * @throws OpenWitError `not_found` when there is neither server nor folder
 */
export async function findTarget(
  flags: TargetFlags,
  offline?: (dataDir: string) => Promise<Target>,
): Promise<Target> {
  const url = flags.url ?? process.env.OPENWIT_URL;
  if (url !== undefined) return remote(url);
  const dataDir = flags.dataDir ?? process.env.OPENWIT_STORAGE__DATA_DIR ??
    configKeys["storage.data_dir"].default;
  const recorded = await readEndpoints(dataDir);
  if (recorded !== undefined && await answers(recorded.endpoints.http)) {
    return remote(recorded.endpoints.http);
  }
  if (await isDataFolder(dataDir)) {
    if (offline !== undefined) return await offline(dataDir);
    throw new OpenWitError("not_found", `no server runs on ${dataDir}`, {
      hint: `openwit serve --data-dir ${dataDir}`,
    });
  }
  const { host, port } = parseListen(configKeys["networking.http"].default, "networking.http");
  const usual = `http://${host}:${port}`;
  if (flags.dataDir === undefined && await answers(usual)) return remote(usual);
  throw new OpenWitError("not_found", `no data folder at ${dataDir}, and no server at ${usual}`, {
    hint: "name one with --data-dir or --url, or start one with openwit serve",
  });
}

function remote(url: string): Target {
  const base = url.replace(/\/+$/, "");
  return {
    name: base,
    async fetch(path, init) {
      try {
        return await fetch(base + path, init);
      } catch (cause) {
        if (init?.signal?.aborted) throw new OpenWitError("cancelled", "interrupted", { cause });
        throw new OpenWitError("unavailable", `cannot reach ${base}: ${(cause as Error).message}`, {
          hint: "is the server running? openwit status",
          cause,
        });
      }
    },
    close: () => Promise.resolve(),
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false; // a stale record of a server that is gone
  }
}

async function isDataFolder(dataDir: string): Promise<boolean> {
  for (const part of ["manifest", "wal"]) {
    try {
      if ((await stat(join(dataDir, part))).isDirectory()) return true;
    } catch { /* not there: perhaps the other one is */ }
  }
  return false;
}

/** Throws what an answer that is not 2xx says. */
export async function expectOk(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await response.text();
  let error;
  try {
    error = JSON.parse(text).error;
  } catch {
    error = undefined; // not ours: a proxy's page, say
  }
  if (error === undefined) {
    throw new OpenWitError("unavailable", `HTTP ${response.status}: ${text.slice(0, 200)}`);
  }
  throw new OpenWitError(error.code, error.message, { hint: error.hint, position: error.position });
}
