/** The source files of the repository, as the house rules see them. */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");

export interface SourceFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** Code that people write: TypeScript and plain modules, in all folders. */
export function codeFiles(): SourceFile[] {
  return textFiles().filter(({ path }) => [".ts", ".mjs"].includes(extname(path)));
}

/** Everything that is written as text, documents and configuration included. */
export function textFiles(): SourceFile[] {
  return [...walk(root)]
    .filter((path) => textExtensions.has(extname(path)))
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, "utf8") }));
}

export function isTest(path: string): boolean {
  return path.startsWith("tests/") || path.endsWith(".test.ts");
}

/**
 * What a file imports or re-exports: packages as they are named, files from the root of the repository.
 * Type imports count: they bind the reader as much as the others.
 */
export function importsOf({ path, text }: SourceFile): string[] {
  const specifiers = new Set<string>();
  for (const [, specifier] of text.matchAll(staticImport)) specifiers.add(specifier);
  // Finds the dynamic ones without being fooled by strings and comments, but drops imports of types.
  for (const { path: specifier } of transpiler.scanImports(text.replace(/^#!.*/, ""))) {
    specifiers.add(specifier);
  }
  return [...specifiers].map((specifier) =>
    specifier.startsWith(".") ? relative(root, resolve(root, path, "..", specifier)) : specifier
  );
}

const transpiler = new Bun.Transpiler({ loader: "ts" });
const staticImport = /^(?:import|export)\b[^;"'`]*?from\s+["']([^"']+)["']/gm;
const textExtensions = new Set([
  ".ts",
  ".mjs",
  ".js",
  ".json",
  ".md",
  ".toml",
  ".yaml",
  ".yml",
  ".proto",
  ".sh",
  ".py",
  "",
]);
const skipped = new Set(["node_modules", "dist", "data", ".git"]);

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (skipped.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}
