/**
 * What the bundler does differently for an executable, where no node_modules exist at run time:
 * - `@duckdb/node-bindings` becomes native/load.ts with DuckDB's two native parts embedded, zstd-compressed, or with what
 *   is to be known of them where a package ships them beside the executable;
 * - edge/catalog/assets.ts becomes the assets themselves, zstd-compressed;
 * - `new URL("./worker.ts", import.meta.url)` becomes the worker's path inside the executable, where all modules
 *   are one file and a path relative to the source means nothing.
 */
import type { BunPlugin } from "bun";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { OpenWitError } from "../core/error.ts";
import { type Assets, assetsModule, embeddedAssets } from "./catalog.ts";
import { checksumOf, inPieces } from "./native/folder.ts";
import { addonName, libraryName } from "./native/load.ts";

/**
 * Level 10 takes 1.5 s and gives 19.8 MB; level 19 takes 27 s and gives 17.7 MB, of an executable of 150 MB.
 */
const compressionLevel = 10;

export interface ExecutablePluginOptions {
  /** Where the sources are. */
  readonly root: string;
  /** Modules that run in a worker, relative to `root`; a worker that is not among them fails the build. */
  readonly workerEntries: readonly string[];
  /** Where the target's DuckDB package was unpacked. */
  readonly duckdbFolder: string;
  /** `embedded`: the executable carries DuckDB's parts. `beside`: a package puts them beside it. */
  readonly native: NativePlace;
}

export type NativePlace = "embedded" | "beside";

export function executablePlugin(
  { root, workerEntries, duckdbFolder, native }: ExecutablePluginOptions,
): BunPlugin {
  const ours = new RegExp(`^${RegExp.escape(root)}/(cmd|edge)/.*\\.ts$`);
  const assets: Assets = new Map();
  return {
    name: "openwit-executable",
    setup(build) {
      build.onResolve({ filter: /^@duckdb\/node-bindings$/ }, () => ({ path: "bindings", namespace }));
      build.onLoad({ filter: /.*/, namespace }, () => ({
        loader: "js",
        contents: bindingsModule(duckdbFolder, native, assets),
      }));
      // From memory, under names of our own: the bundle takes up the paths of files, and one in a temporary folder would
      // make every build another one.
      build.onResolve({ filter: assetName }, ({ path }) => ({ path, namespace: assetNamespace }));
      build.onLoad({ filter: /.*/, namespace: assetNamespace }, ({ path }) => ({
        loader: "file",
        contents: assets.get(path)!,
      }));
      build.onLoad({ filter: ours }, async ({ path }) => ({
        loader: "ts",
        contents: path === join(root, assetsModule)
          ? await embeddedAssets(root, assets)
          : withWorkerPaths(path, root, workerEntries),
      }));
    },
  };
}

const namespace = "openwit-native";
const assetNamespace = "openwit-asset";
const assetName = /^openwit-asset:/;

function bindingsModule(duckdbFolder: string, native: NativePlace, assets: Assets): string {
  const parts = [libraryName, addonName].map((name) => {
    const content = readFileSync(join(duckdbFolder, name));
    const facts = JSON.stringify({
      name,
      bytes: content.length,
      sha256: createHash("sha256").update(content).digest("hex"),
      checksum: checksumOf(inPieces(content)),
    });
    if (native === "beside") return facts;
    const asset = `openwit-asset:${name}.zst`;
    assets.set(asset, Bun.zstdCompressSync(content, { level: compressionLevel }));
    return `embedded(${facts}, require(${JSON.stringify(asset)}))`;
  });
  const load = JSON.stringify(join(import.meta.dirname, "native/load.ts"));
  const embedded = JSON.stringify(join(import.meta.dirname, "native/embedded.ts"));
  return `const { loadBindings } = require(${load});
const { embedded } = require(${embedded});
module.exports = loadBindings([${parts.join(", ")}]);
`;
}

function withWorkerPaths(path: string, root: string, workerEntries: readonly string[]): string {
  return readFileSync(path, "utf8").replace(moduleUrl, (_, specifier) => {
    const entry = relative(root, join(dirname(path), specifier));
    if (workerEntries.includes(entry)) return JSON.stringify(`/$bunfs/root/${entry.replace(/\.ts$/, ".js")}`);
    throw new OpenWitError(
      "invalid_argument",
      `${path} names ${entry}, which is no entry point of the build`,
      {
        hint: "add it to workerEntries in compile/targets.ts",
      },
    );
  });
}

const moduleUrl = /new URL\(\s*["'](\.[^"']+\.ts)["'],\s*import\.meta\.url,?\s*\)/g;
