/**
 * Gives what was freed back to the system. Two allocators keep it: DuckDB's own (jemalloc.ts; 200 MB after a result of
 * 250 MB, for a second and more), and glibc's, where blocks between the freed ones are still in use (390 MB after a large
 * histogram; malloc_trim(3)). Where there is no such call, nothing is given back.
 */
import process from "node:process";
import { jemallocOf } from "./jemalloc.ts";

/** The calls, each bound when first needed and there: DuckDB's library is loaded with the first statement. */
export function allocatorTrim(): () => void {
  const trims = [lazily(() => jemallocOf()?.purge), lazily(trimOf)];
  return () => trims.forEach((trim) => trim());
}

function lazily(bind: () => (() => void) | undefined): () => void {
  let bound: (() => void) | undefined;
  return () => {
    try {
      bound ??= bind();
    } catch {
      bound = () => {}; // another libc, or a DuckDB without jemalloc: their memory comes back by itself, or does not
    }
    bound?.();
  };
}

function trimOf(): () => void {
  // Looked up at run time: a runtime without it must be able to load this file.
  const { dlopen } = process.getBuiltinModule("bun:ffi" as "fs") as unknown as typeof import("bun:ffi");
  const { symbols } = dlopen("libc.so.6", { malloc_trim: { args: ["usize"], returns: "i32" } });
  return () => void symbols.malloc_trim(0n);
}
