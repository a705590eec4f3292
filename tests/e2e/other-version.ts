/** The same sources under another version: an executable, or signed packages, for tests that upgrade to it. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { bunPath } from "../../compile/bun.mjs";

const root = resolve(import.meta.dir, "../..");

/** @param folder to build in. @returns the path of the executable */
export function buildVersion(version: string, folder: string): string {
  const out = join(folder, "dist");
  build("compile.ts", ["--root", sourcesOf(version, folder), "--out", out]);
  return join(out, `openwit-linux-${process.arch}`);
}

/** @param keyFile private key that signs. @returns the folder with this machine's packages and SHA256SUMS */
export function packageVersion(version: string, folder: string, keyFile: string): string {
  const out = join(folder, "packages");
  const target = ["--fast", "--target", process.arch];
  build("package.ts", ["--root", sourcesOf(version, folder), "--out", out, ...target], {
    OPENWIT_RELEASE_KEY: keyFile,
    SOURCE_DATE_EPOCH: "1795650000",
  });
  return out;
}

function build(script: string, args: string[], environment: Record<string, string> = {}): void {
  // The scripts of the sources themselves: what they import has the version too.
  const sources = args[1];
  const { exitCode, stderr } = Bun.spawnSync([bunPath(), join(sources, "compile", script), ...args], {
    env: { ...process.env, ...environment },
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

function sourcesOf(version: string, folder: string): string {
  const sources = join(folder, "sources");
  mkdirSync(sources, { recursive: true });
  const copied = ["cmd", "core", "edge", "compile", "docs", "README.md", "CHANGELOG.md", "LICENSE"];
  for (const name of [...copied, "package-lock.json", "tsconfig.json"]) {
    cpSync(join(root, name), join(sources, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(sources, "node_modules"));
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  writeFileSync(join(sources, "package.json"), JSON.stringify({ ...manifest, version }));
  return sources;
}
