/**
 * `run/server.json` (mode 0600): where the server that runs on a data folder listens, so that `openwit query` and
 * the other commands find it without being told. It says nothing about whether that server lives: its lock does.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import type { Endpoints } from "./listeners.ts";

export interface ServerRecord {
  readonly pid: number;
  readonly endpoints: Endpoints;
}

const fileName = join("run", "server.json");

export async function publishEndpoints(dataDir: string, endpoints: Endpoints): Promise<void> {
  const path = join(dataDir, fileName);
  const record: ServerRecord = { pid: process.pid, endpoints };
  const temporary = `${path}.tmp`;
  try {
    await writeFile(temporary, JSON.stringify(record, null, 2) + "\n", { mode: 0o600 });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new OpenWitError("io", `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

export async function withdrawEndpoints(dataDir: string): Promise<void> {
  await rm(join(dataDir, fileName), { force: true });
}

/** The record that the last server left, or undefined. It may be stale after a crash: connecting decides. */
export async function readEndpoints(dataDir: string): Promise<ServerRecord | undefined> {
  try {
    return JSON.parse(await readFile(join(dataDir, fileName), "utf8")) as ServerRecord;
  } catch {
    return undefined; // absent or torn: there is no server to be found this way
  }
}
