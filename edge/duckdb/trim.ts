/**
 * Gives what was freed back to the system. Two allocators keep it: DuckDB's own, jemalloc (200 MB after a result of
 * 250 MB, for a second and more; `arena.4096.purge`, jemalloc(3)), and glibc's, where blocks between the freed ones are
 * still in use (390 MB after a large histogram; malloc_trim(3)). Where there is no such call, nothing is given back.
 */
import { readFileSync } from "node:fs";
import process from "node:process";

/** The calls, each bound when first needed and there: DuckDB's library is loaded with the first statement. */
export function allocatorTrim(): () => void {
  const trims = [lazily(purgeOf), lazily(trimOf)];
  return () => trims.forEach((trim) => trim());
}

type Ffi = typeof import("bun:ffi");

function lazily(bind: (ffi: Ffi) => (() => void) | undefined): () => void {
  let bound: (() => void) | undefined;
  return () => {
    try {
      // Looked up at run time: a runtime without it must be able to load this file.
      bound ??= bind(process.getBuiltinModule("bun:ffi" as "fs") as unknown as Ffi);
    } catch {
      bound = () => {}; // another libc, or a DuckDB without jemalloc: their memory comes back by itself, or does not
    }
    bound?.();
  };
}

/** `undefined` while the library is not loaded. */
function purgeOf({ dlopen }: Ffi): (() => void) | undefined {
  const [library] = /\/\S*libduckdb\.so/.exec(readFileSync("/proc/self/maps", "utf8")) ?? [];
  if (library === undefined) return undefined;
  const { symbols } = dlopen(library, {
    duckdb_je_mallctl: { args: ["cstring", "ptr", "ptr", "ptr", "usize"], returns: "i32" },
  });
  const allArenas = Buffer.from("arena.4096.purge\0");
  return () => void symbols.duckdb_je_mallctl(allArenas, null, null, null, 0);
}

function trimOf({ dlopen }: Ffi): () => void {
  const { symbols } = dlopen("libc.so.6", { malloc_trim: { args: ["usize"], returns: "i32" } });
  return () => void symbols.malloc_trim(0n);
}
