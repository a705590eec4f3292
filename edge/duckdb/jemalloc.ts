/**
 * The allocator inside of DuckDB's library, jemalloc: what it has, and how it gives back what was freed (jemalloc(3),
 * `mallctl`). Not in every build of DuckDB, and not before the first statement has loaded the library.
 */
import { readFileSync } from "node:fs";
import process from "node:process";

export interface Jemalloc {
  /** What is in use, and what of it and of freed memory is resident. */
  bytes(): { readonly allocated: number; readonly resident: number };
  /** Gives what was freed back to the system. */
  purge(): void;
}

/** `undefined` while the library is not loaded. @throws where it has no such allocator */
export function jemallocOf(): Jemalloc | undefined {
  const [library] = /\/\S*libduckdb\.so/.exec(readFileSync("/proc/self/maps", "utf8")) ?? [];
  if (library === undefined) return undefined;
  // Looked up at run time: a runtime without it must be able to load this file.
  const { dlopen, ptr } = process.getBuiltinModule("bun:ffi" as "fs") as unknown as typeof import("bun:ffi");
  const { symbols: { duckdb_je_mallctl: mallctl } } = dlopen(library, {
    duckdb_je_mallctl: { args: ["cstring", "ptr", "ptr", "ptr", "usize"], returns: "i32" },
  });
  const value = new BigUint64Array(1), length = new BigUint64Array(1);
  const name = (text: string) => Buffer.from(`${text}\0`);
  const [epoch, allocated, resident] = ["epoch", "stats.allocated", "stats.resident"].map(name);
  const allArenas = name("arena.4096.purge");
  const read = (stat: Uint8Array): number => {
    length[0] = BigInt(value.byteLength);
    return mallctl(stat, ptr(value), ptr(length), null, 0) === 0 ? Number(value[0]) : 0;
  };
  return {
    bytes() {
      value[0] = 1n; // any value has it count anew
      mallctl(epoch, null, null, ptr(value), value.byteLength);
      return { allocated: read(allocated), resident: read(resident) };
    },
    purge: () => void mallctl(allArenas, null, null, null, 0),
  };
}
