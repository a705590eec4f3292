/** An executable of the same sources under another version, for tests that upgrade to it. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { bunPath } from "../../compile/bun.mjs";

const root = resolve(import.meta.dir, "../..");

/** @param folder to build in. @returns the path of the executable */
export function buildVersion(version: string, folder: string): string {
  const sources = join(folder, "sources");
  mkdirSync(sources, { recursive: true });
  for (const name of ["cmd", "core", "edge", "compile", "package-lock.json", "tsconfig.json"]) {
    cpSync(join(root, name), join(sources, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(sources, "node_modules"));
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  writeFileSync(join(sources, "package.json"), JSON.stringify({ ...manifest, version }));
  const out = join(folder, "dist");
  const { exitCode, stderr } = Bun.spawnSync(
    [bunPath(), join(root, "compile/compile.ts"), "--root", sources, "--out", out],
    { stderr: "pipe" },
  );
  if (exitCode !== 0) throw new Error(stderr.toString());
  return join(out, `openwit-linux-${process.arch}`);
}
