/**
 * What PGlite needs besides its code: its WebAssembly, its shared files, and the template of a new catalog. From
 * node_modules here; the build of an executable puts another module in this one's place (compile/catalog.ts).
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { zstdDecompressSync } from "node:zlib";
import { OpenWitError } from "../../core/error.ts";

/** Read when called, and not kept. */
export interface CatalogAssets {
  wasm(): Uint8Array<ArrayBuffer>;
  data(): Uint8Array<ArrayBuffer>;
  template(): Uint8Array;
}

export async function catalogAssets(): Promise<CatalogAssets> {
  const distribution = dirname(fileURLToPath(import.meta.resolve("@electric-sql/pglite")));
  const template = await templateFile(distribution);
  return {
    wasm: () => new Uint8Array(readFileSync(join(distribution, "pglite.wasm"))),
    data: () => new Uint8Array(readFileSync(join(distribution, "pglite.data"))),
    template: () => zstdDecompressSync(readFileSync(template)),
  };
}

/** Made in a process of its own at first, and kept with the packages from then on. @throws OpenWitError `internal` */
export async function templateFile(distribution: string): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(distribution, "../package.json"), "utf8"));
  const cache = join(distribution, "../../../.cache/openwit");
  const file = join(cache, `catalog-${version}-${templateVersion}.zst`);
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  const made = Bun.spawn([process.execPath, join(import.meta.dir, "initdb.ts"), file], {
    stdout: "ignore",
    stderr: "pipe",
  });
  if (await made.exited === 0) return file;
  throw new OpenWitError(
    "internal",
    `cannot make the catalog's template: ${await new Response(made.stderr).text()}`,
  );
}

/** Counts changes of initdb.ts. */
const templateVersion = 2;
