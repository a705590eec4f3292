/**
 * What the catalog's PGlite needs, inside an executable: the module that stands in for edge/catalog/assets.ts there.
 * WebAssembly and PostgreSQL's folder are the same for every target.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { templateFile } from "../edge/catalog/assets.ts";

/** Path of the module that is replaced, from the root of the repository. */
export const assetsModule = "edge/catalog/assets.ts";

/** @param work a folder, empty as yet, that takes the compressed files */
export async function embeddedAssets(root: string, work: string): Promise<string> {
  const distribution = join(root, "node_modules/@electric-sql/pglite/dist");
  const packed = ["pglite.wasm", "pglite.data"].map((name) => {
    const file = join(work, `${name}.zst`);
    writeFileSync(file, zstdCompressSync(readFileSync(join(distribution, name)), compression));
    return file;
  });
  const [wasm, data, template] = [...packed, await templateFile(distribution)].map((file) =>
    JSON.stringify(file)
  );
  return `import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import wasm from ${wasm} with { type: "file" };
import data from ${data} with { type: "file" };
import template from ${template} with { type: "file" };
const unpack = (file) => zstdDecompressSync(readFileSync(file));
export async function catalogAssets() {
  return { wasm: () => unpack(wasm), data: () => unpack(data), template: () => unpack(template) };
}
`;
}

/** Level 10 gives 4.6 MB and level 19 3.9 MB, of an executable of 150 MB: it is not worth its 10 s. */
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 10 } };
