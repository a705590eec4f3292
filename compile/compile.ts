/**
 * `npm run compile`: builds the executables into dist/, for this machine or for others.
 *
 * Everything comes from the npm registry: Bun's runtime and DuckDB's native parts for the target, verified
 * against package-lock.json (packages.ts). What is different in an executable stands in plugin.ts.
 */
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { errorMappings, OpenWitError, toOpenWitError } from "../core/error.ts";
import { bunPath } from "./bun.mjs";
import { libraryName } from "./native/load.ts";
import { packageFile } from "./packages.ts";
import { executablePlugin, type NativePlace } from "./plugin.ts";
import { releaseKey } from "./release-key.ts";
import { mainEntry, type Target, targets, workerEntries } from "./targets.ts";

const usage = `Builds the openwit executable.

usage: npm run compile -- [--target x64|x64-baseline|arm64|all] [--out DIR]

  --target NAME   what to build for; may be repeated (default: this machine)
  --out DIR       where to put openwit-linux-NAME (default: dist)
  --root DIR      the sources (default: this repository)
  --help          this text

example: npm run compile -- --target all

Parts of other machines are fetched from the npm registry once and kept in OPENWIT_BUILD_CACHE
(default: openwit-build in the cache folder of the user).
OPENWIT_RELEASE_KEY or OPENWIT_RELEASE_PUBLIC_KEY give the key that "openwit upgrade" believes
(compile/release-key.ts).
`;

export interface BuildRequest {
  readonly target: Target;
  /** Where the sources and node_modules are. */
  readonly root: string;
  /** Absolute path of the executable to write. */
  readonly outfile: string;
  /** The public key that "openwit upgrade" believes, in its short form. */
  readonly publicKey?: string;
  /** Default: embedded. */
  readonly native?: NativePlace;
}

/**
 * Builds one executable; it appears whole under its name, or not at all.
 * @throws OpenWitError `invalid_argument` when the sources do not bundle
 */
export async function buildExecutable(request: BuildRequest): Promise<void> {
  const { target, root, outfile, publicKey, native = "embedded" } = request;
  const runtime = target.arch === process.arch
    ? bunPath()
    : packageFile(root, target.runtimePackage, "bin/bun");
  const library = packageFile(root, target.duckdbPackage, libraryName);
  mkdirSync(dirname(outfile), { recursive: true });
  // A folder beside it and not another name: the bundle knows the name that it is given here.
  const unfinished = mkdtempSync(join(dirname(outfile), ".unfinished-"));
  const executable = join(unfinished, basename(outfile));
  try {
    await Bun.build({
      entrypoints: [mainEntry, ...workerEntries].map((entry) => join(root, entry)),
      root,
      target: "bun",
      // Measured for --version, and to the first SQL answer: one file 18 ms and 155 ms; split where the
      // sources say import(), 3 ms and 153 ms; with bytecode 3 ms and 129 ms, for 3 MB more.
      format: "esm",
      splitting: true,
      bytecode: true,
      minify: { syntax: true, whitespace: true, identifiers: false }, // names stay readable in stack traces
      define: publicKey === undefined ? {} : { OPENWIT_RELEASE_PUBLIC_KEY: JSON.stringify(publicKey) },
      plugins: [executablePlugin({ root, workerEntries, duckdbFolder: dirname(library), native })],
      compile: {
        target: target.bunTarget,
        executablePath: runtime,
        outfile: executable,
        // The folder that a person happens to stand in has no say in what we run.
        autoloadDotenv: false,
        autoloadBunfig: false,
      },
    });
    chmodSync(executable, 0o755);
    renameSync(executable, outfile);
  } catch (error) {
    if (error instanceof AggregateError) {
      throw new OpenWitError("invalid_argument", error.errors.map(String).join("\n"), { cause: error });
    }
    throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArguments(args);
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const root = resolve(values.root ?? join(import.meta.dirname, ".."));
  const chosen = chooseTargets(values.target ?? [process.arch]);
  const out = resolve(values.out ?? join(root, "dist"));
  const { publicKey } = releaseKey(process.env);
  for (const target of chosen) {
    const outfile = join(out, `openwit-linux-${target.name}`);
    const startMs = performance.now();
    await buildExecutable({ target, root, outfile, publicKey });
    const megabytes = (statSync(outfile).size / 1e6).toFixed(1);
    const seconds = ((performance.now() - startMs) / 1e3).toFixed(1);
    process.stderr.write(`${outfile}: ${megabytes} MB, built in ${seconds} s\n`);
  }
}

function parseArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        target: { type: "string", multiple: true },
        out: { type: "string" },
        root: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new OpenWitError("invalid_argument", (error as Error).message, { hint: "see --help" });
  }
}

export function chooseTargets(names: readonly string[]): readonly Target[] {
  if (names.includes("all")) return targets;
  return names.map((name) => {
    const target = targets.find((candidate) => candidate.name === name);
    if (target) return target;
    throw new OpenWitError("invalid_argument", `cannot build for "${name}"`, {
      hint: `--target takes ${targets.map((known) => known.name).join(", ")} or all`,
    });
  });
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (thrown) {
    const error = toOpenWitError(thrown);
    process.stderr.write(`compile: ${error.message}${error.hint ? ` · ${error.hint}` : ""}\n`);
    process.exitCode = errorMappings[error.code].exit;
  }
}
