/** Who may import whom: cmd → edge → core, and core touches nothing of the world. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { workerEntries } from "../../compile/targets.ts";
import { codeFiles, importsOf, isTest, root, type SourceFile } from "./sources.ts";

const files = codeFiles();
const under = (folder: string) => files.filter(({ path }) => path.startsWith(`${folder}/`));

/** Lines such as `core/a.ts imports node:fs`; empty when all is well, so that a failure names each culprit. */
function offences(of: SourceFile[], isForbidden: (specifier: string) => boolean): string[] {
  return of.flatMap((file) =>
    importsOf(file).filter(isForbidden).map((specifier) => `${file.path} imports ${specifier}`)
  );
}

/** A file of ours in one of the folders, or anything beneath a package of that name. */
const within = (...folders: string[]) => (specifier: string) =>
  folders.some((folder) => specifier === folder || specifier.startsWith(`${folder}/`));

test("core imports neither edge nor cmd, not even in its tests", () => {
  expect(offences(under("core"), within("edge", "cmd"))).toEqual([]);
});

test("edge does not import cmd", () => {
  expect(offences(under("edge"), within("cmd"))).toEqual([]);
});

test("what ships imports nothing of compile and tests", () => {
  const shipped = ["cmd", "edge", "core"].flatMap(under).filter(({ path }) => !isTest(path));
  expect(offences(shipped, within("compile", "tests"))).toEqual([]);
});

test("core computes, and reaches the world only through what it is given", () => {
  const pure = under("core").filter(({ path }) => !isTest(path));
  expect(offences(pure, (specifier) => !within("core")(specifier) && !computing.has(specifier))).toEqual([]);
});

/** Modules that only compute. */
const computing = new Set(["node:buffer", "node:zlib", "node:util", "apache-arrow"]);

test("core calls nothing of the runtime that touches the world", () => {
  const found = under("core").filter(({ path }) => !isTest(path) && !seams.has(path)).flatMap((
    { path, text },
  ) => [...withoutComments(text).matchAll(worldly)].map(([call]) => `${path} uses ${call}`));
  expect(found).toEqual([]);
});

/** Where the real clock and the real randomness are, which everybody else is given. */
const seams = new Set(["core/env/clock.ts", "core/env/random.ts"]);
const worldly =
  /\bBun\.(?!hash\b|zstdCompress|zstdDecompress)\w+|\bprocess\.\w+|\bfetch\(|\bDate\.now\(|\bnew Date\(\)|\bperformance\.\w+|\bMath\.random\(|\bsetTimeout\(|\bsetInterval\(|\bnew Worker\(/g;

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}

test("imports of our files name files that exist", () => {
  const ours = (specifier: string) => within("cmd", "edge", "core", "compile", "tests")(specifier);
  expect(offences(files, (specifier) => ours(specifier) && !existsSync(join(root, specifier)))).toEqual([]);
});

test("every worker is an entry point of the executable", () => {
  const workers = [...under("cmd"), ...under("edge")].filter(({ path }) => !isTest(path)).flatMap((
    { path, text },
  ) =>
    [...text.matchAll(/new URL\(\s*["'](\.[^"']+)["'],\s*import\.meta\.url/g)].map(([, name]) =>
      join(dirname(path), name)
    )
  );
  expect([...new Set(workers)].sort()).toEqual([...workerEntries].sort());
});
