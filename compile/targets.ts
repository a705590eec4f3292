/** What `npm run compile` can build, and from which npm packages the parts of each target come. */

export interface Target {
  /** As in `--target`, and in the name of the executable. */
  readonly name: string;
  /** As Bun calls it in `--compile --target`. */
  readonly bunTarget: "bun-linux-x64" | "bun-linux-x64-baseline" | "bun-linux-arm64";
  /** As Node and Bun name it. */
  readonly arch: "x64" | "arm64";
  /** Bun's runtime. */
  readonly runtimePackage: string;
  /** DuckDB's library and its Node addon. */
  readonly duckdbPackage: string;
}

export const targets: readonly Target[] = [
  {
    name: "x64",
    arch: "x64",
    bunTarget: "bun-linux-x64",
    runtimePackage: "@oven/bun-linux-x64",
    duckdbPackage: "@duckdb/node-bindings-linux-x64",
  },
  {
    // For processors without AVX2. Since Bun 1.4 its x64 runtime asks for SSE4.2 alone and finds out the rest when
    // it starts, as DuckDB's parts do, so this is the same executable under the name that people look for.
    name: "x64-baseline",
    arch: "x64",
    bunTarget: "bun-linux-x64-baseline",
    runtimePackage: "@oven/bun-linux-x64",
    duckdbPackage: "@duckdb/node-bindings-linux-x64",
  },
  {
    name: "arm64",
    arch: "arm64",
    bunTarget: "bun-linux-arm64",
    runtimePackage: "@oven/bun-linux-aarch64",
    duckdbPackage: "@duckdb/node-bindings-linux-arm64",
  },
];

/** The executable's main module, from the root of the repository. */
export const mainEntry = "cmd/openwit.ts";

/**
 * Modules that run in a worker, from the root of the repository. A worker in an executable is found only when it
 * is an entry point of the build, so each `new Worker(…)` of the sources has its line here (layout.test.ts looks).
 */
export const workerEntries: readonly string[] = [
  "edge/background/worker.ts",
  "edge/catalog/pglite-worker.ts",
  "edge/index/lookup-worker.ts",
  "edge/parquet/worker.ts",
  "edge/rows/row-worker.ts",
];
