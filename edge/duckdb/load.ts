/**
 * DuckDB's two packages, loaded at the first query: a process that answers none does without their 60 MB.
 */
import type * as Api from "@duckdb/node-api";
import type * as Bindings from "@duckdb/node-bindings";

export interface DuckDB {
  readonly api: typeof Api;
  /** The C API, which alone copies whole buffers into vectors. */
  readonly bindings: typeof Bindings;
}

export async function loadDuckDB(): Promise<DuckDB> {
  const [api, bindings] = await Promise.all([import("@duckdb/node-api"), import("@duckdb/node-bindings")]);
  // The package is CommonJS: its exports may arrive as names or as the default export, by runtime and bundler.
  return { api, bindings: (bindings as unknown as { default?: typeof Bindings }).default ?? bindings };
}
