/** The executable that runs now, as what is to be installed. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { sha256OfFile } from "../release/checksums.ts";
import type { ReleaseFiles } from "./plan.ts";

/** Parts of the SQL engine that a package puts beside the executable (compile/native). */
const besides = ["libduckdb.so", "duckdb.node"];

/** @throws OpenWitError `invalid_argument` when the sources run, and there is no executable to install */
export async function runningRelease(version: string): Promise<ReleaseFiles> {
  if (isFromSources()) {
    throw new OpenWitError("invalid_argument", "what runs here are the sources, and not an executable", {
      hint: "npm run compile, then dist/openwit-linux-x64 install",
    });
  }
  return await releaseOf(process.execPath, version);
}

/** An executable with what lies beside it, named by its version and content. */
export async function releaseOf(executable: string, version: string): Promise<ReleaseFiles> {
  const folder = dirname(executable);
  const parts = besides.map((name) => join(folder, name));
  return {
    name: `${version}-${(await sha256OfFile(executable)).slice(0, 12)}`,
    files: [executable, ...(parts.every((part) => existsSync(part)) ? parts : [])],
  };
}

function isFromSources(): boolean {
  const script = process.argv[1] ?? "";
  return /\.[cm]?[jt]s$/.test(script) && !script.startsWith("/$bunfs");
}
