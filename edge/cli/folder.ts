/** A data folder at rest or at work, for the commands that look at its files rather than ask a server. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { configKeys } from "../config/keys.ts";
import { lockDataFolder, lockPath } from "../disk/lock.ts";

/** The folder by flag, environment or default, absolute. @throws OpenWitError `not_found` when there is none */
export function dataFolder(flag: string | boolean | undefined): string {
  const named = flag ?? process.env.OPENWIT_STORAGE__DATA_DIR ?? configKeys["storage.data_dir"].default;
  const path = resolve(String(named));
  if (existsSync(path) && statSync(path).isDirectory()) return path;
  throw new OpenWitError("not_found", `there is no data folder at ${path}`, {
    hint: "name one with --data-dir",
  });
}

/** Whether a server holds the folder's lock at this moment; asking leaves it free. */
export function isServed(dataDir: string): boolean {
  if (!existsSync(join(dataDir, lockPath))) return false; // none ever ran here
  try {
    lockDataFolder(dataDir).release();
    return false;
  } catch (thrown) {
    return toOpenWitError(thrown).code === "conflict"; // else it cannot be opened: nobody serves what he cannot lock
  }
}

/** Takes positional arguments for what they are: mistakes. */
export function refuseArguments(positionals: readonly string[], command: string): void {
  if (positionals.length === 0) return;
  throw new OpenWitError(
    "invalid_argument",
    `${command} takes no argument ${JSON.stringify(positionals[0])}`,
    {
      hint: `openwit ${command} --help`,
    },
  );
}
