/**
 * Stands in for `@duckdb/node-bindings` in the executable: finds or unpacks DuckDB's two native parts and loads
 * them. The build (../plugin.ts) puts it there; it runs when DuckDB is first imported and never before.
 *
 * Order of linking: `duckdb.node` needs `libduckdb.so` and would find it by its RUNPATH ($ORIGIN), but
 * LD_LIBRARY_PATH comes before a RUNPATH, and a memory file has no folder. So the library is loaded first, by its
 * own path; the linker then takes what it has under that SONAME.
 */
import { accessSync, constants } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import {
  isPackaged,
  nativeFolders,
  type NativePart,
  type NativeSurroundings,
  prepareFolder,
} from "./folder.ts";
import { memoryFile } from "./memory.ts";

export const libraryName = "libduckdb.so";
export const addonName = "duckdb.node";

/**
 * The exports of the addon.
 * @throws OpenWitError `unavailable` naming each place that was tried and why it would not do
 */
export function loadBindings(parts: readonly NativePart[]): unknown {
  const around = surroundings();
  const refusals: string[] = [];
  const attempt = (label: string, pathOf: () => (part: NativePart) => string): unknown => {
    try {
      const path = pathOf();
      return link(path(named(parts, libraryName)), path(named(parts, addonName)));
    } catch (error) {
      refusals.push(`${label}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  for (const folder of nativeFolders(parts, around)) {
    const bindings = attempt(folder.label, () => {
      const path = prepareFolder(folder, parts, around.uid);
      return (part) => join(path, part.name);
    });
    if (bindings !== undefined) return bindings;
  }
  // Who names a folder wants that one, and not 70 MB of memory taken in its place.
  if (!around.env["OPENWIT_NATIVE_DIR"] && !isPackaged(parts)) {
    const bindings = attempt("memory", () => memoryFile);
    if (bindings !== undefined) return bindings;
  }
  throw new OpenWitError("unavailable", `cannot load the SQL engine: ${refusals.join(" · ")}`, {
    hint: isPackaged(parts)
      ? `${libraryName} and ${addonName} belong beside the executable: install the package again`
      : "set OPENWIT_NATIVE_DIR to a folder of this user's own on a file system that allows execution, " +
        "with 80 MB free",
    retryable: false,
  });
}

function surroundings(): NativeSurroundings {
  return {
    env: process.env,
    executable: process.execPath,
    home: process.env["HOME"] || homeOfUser(),
    temporary: tmpdir(),
    uid: process.geteuid!(),
  };
}

function homeOfUser(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    return undefined; // a user id that /etc/passwd does not know, as containers have
  }
}

function named(parts: readonly NativePart[], name: string): NativePart {
  return parts.find((part) => part.name === name)!;
}

function link(library: string, addon: string): unknown {
  accessSync(library, constants.R_OK);
  const { dlopen } = require("bun:ffi") as typeof import("bun:ffi");
  dlopen(library, { duckdb_library_version: { args: [], returns: "cstring" } });
  const module: { exports: unknown } = { exports: {} };
  process.dlopen(module, addon);
  return module.exports;
}
