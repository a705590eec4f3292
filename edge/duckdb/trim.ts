/**
 * Gives what was freed back to the system. Two allocators keep it: DuckDB's own, jemalloc (200 MB after a result of
 * 250 MB, for a second and more; `arena.4096.purge`, jemalloc(3)), and glibc's, where blocks between the freed ones are
 * still in use (390 MB after a large histogram; malloc_trim(3)). Where there is no such call, nothing is given back.
 */
import { readFileSync } from "node:fs";
import process from "node:process";

/** The calls, bound when first needed: then DuckDB's library is loaded. */
export function allocatorTrim(): () => void {
  let trims: (() => void)[] | undefined;
  return () => (trims ??= [bind(purgeOf), bind(trimOf)]).forEach((trim) => trim());
}

function bind(of: (ffi: typeof import("bun:ffi")) => () => void): () => void {
  try {
    // Looked up at run time: a runtime without it must be able to load this file.
    return of(process.getBuiltinModule("bun:ffi" as "fs") as unknown as typeof import("bun:ffi"));
  } catch {
    return () => {}; // another libc, or a DuckDB without jemalloc: their memory comes back by itself, or does not
  }
}

function purgeOf({ dlopen }: typeof import("bun:ffi")): () => void {
  const [library] = /\/\S*libduckdb\.so/.exec(readFileSync("/proc/self/maps", "utf8")) ?? [];
  const { symbols } = dlopen(library!, {
    duckdb_je_mallctl: { args: ["cstring", "ptr", "ptr", "ptr", "usize"], returns: "i32" },
  });
  const allArenas = Buffer.from("arena.4096.purge\0");
  return () => void symbols.duckdb_je_mallctl(allArenas, null, null, null, 0);
}

function trimOf({ dlopen }: typeof import("bun:ffi")): () => void {
  const { symbols } = dlopen("libc.so.6", { malloc_trim: { args: ["usize"], returns: "i32" } });
  return () => void symbols.malloc_trim(0n);
}
