/** Dependencies are pinned, explained, and the same everywhere they are named. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { targets } from "../../compile/targets.ts";
import { root } from "./sources.ts";

const read = (path: string) => readFileSync(join(root, path), "utf8");
const manifest = JSON.parse(read("package.json"));
const lock = JSON.parse(read("package-lock.json"));
const dependencies: Record<string, string> = { ...manifest.dependencies, ...manifest.devDependencies };

test("versions are exact", () => {
  const loose = Object.entries(dependencies).filter(([, version]) =>
    !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)
  );
  expect(loose).toEqual([]);
});

test("the lock file has the versions of package.json", () => {
  const locked = Object.keys(dependencies).map((
    name,
  ) => [name, lock.packages[`node_modules/${name}`]?.version]);
  expect(Object.fromEntries(locked)).toEqual(dependencies);
});

test("every dependency has a line in docs/dependencies.md, and every line a dependency", () => {
  const lines = [...read("docs/dependencies.md").matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  expect(lines.sort()).toEqual(Object.keys(dependencies).sort());
});

test("the lock file names no registry, so that any mirror serves", () => {
  const bound = Object.values<{ resolved?: string }>(lock.packages).filter(({ resolved }) =>
    resolved !== undefined
  );
  expect(bound).toEqual([]);
});

test("the lock file holds the parts of every target that we compile for", () => {
  for (const { runtimePackage, duckdbPackage } of targets) {
    expect(lock.packages[`node_modules/${runtimePackage}`]?.version).toBe(dependencies["bun"]);
    expect(lock.packages[`node_modules/${duckdbPackage}`]?.version).toBe(dependencies["@duckdb/node-api"]);
  }
});
