/** Functions of the C library, called where the runtime has a foreign function interface. */
import process from "node:process";

/** As bun:ffi takes them: name, and the types of arguments and result. */
export type Declarations = Record<string, { readonly args: readonly string[]; readonly returns: string }>;

/**
 * The functions by their names; every one takes and returns numbers, bigints or pointers to typed arrays.
 * @returns `undefined` where there is no such interface, or no C library under a known name: the caller has a way without
 */
export function libc<Name extends string>(
  declarations: Record<Name, Declarations[string]>,
): Record<Name, (...args: unknown[]) => number> | undefined {
  for (const name of libraryNames()) {
    try {
      // Looked up at run time: a runtime without it must be able to load this file.
      const { dlopen } = process.getBuiltinModule("bun:ffi" as "fs") as unknown as {
        dlopen(name: string, declarations: Declarations): {
          symbols: Record<Name, (...args: unknown[]) => number>;
        };
      };
      return dlopen(name, declarations).symbols;
    } catch {
      continue; // the next name
    }
  }
  return undefined;
}

function libraryNames(): string[] {
  if (process.platform === "darwin") return ["libSystem.B.dylib"];
  return ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
}
