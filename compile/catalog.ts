/**
 * What the catalog's PGlite needs, inside an executable: the module that stands in for edge/catalog/assets.ts there.
 * WebAssembly and PostgreSQL's folder are the same for every target.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { templateFile } from "../edge/catalog/assets.ts";

/** Path of the module that is replaced, from the root of the repository. */
export const assetsModule = "edge/catalog/assets.ts";

/** What the bundle embeds, by the name under which its modules ask for it. */
export type Assets = Map<string, Uint8Array>;

/** Text of the module. @param assets takes what it asks for */
export async function embeddedAssets(root: string, assets: Assets): Promise<string> {
  const distribution = join(root, "node_modules/@electric-sql/pglite/dist");
  for (const name of ["pglite.wasm", "pglite.data"]) {
    assets.set(
      `openwit-asset:${name}.zst`,
      zstdCompressSync(readFileSync(join(distribution, name)), compression),
    );
  }
  assets.set("openwit-asset:template.zst", readFileSync(await templateFile(distribution)));
  return `import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import wasm from "openwit-asset:pglite.wasm.zst" with { type: "file" };
import data from "openwit-asset:pglite.data.zst" with { type: "file" };
import template from "openwit-asset:template.zst" with { type: "file" };
const unpack = (file) => zstdDecompressSync(readFileSync(file));
export async function catalogAssets() {
  return { wasm: () => unpack(wasm), data: () => unpack(data), template: () => unpack(template) };
}
`;
}

/** Level 10 gives 4.6 MB and level 19 3.9 MB, of an executable of 150 MB: it is not worth its 10 s. */
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 10 } };
