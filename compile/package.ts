/**
 * `npm run package`: what is given away, in dist/packages: for each target a tarball, a Debian package and a bill of
 * materials, and SHA256SUMS over them all, signed when the build has a key (release-key.ts).
 *
 * The same commit gives the same bytes: every time is that of the commit (SOURCE_DATE_EPOCH, as
 * reproducible-builds.org has it), every order is sorted, everything belongs to root.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { errorMappings, OpenWitError, toOpenWitError } from "../core/error.ts";
import { completionsOf } from "../edge/cli/completions.ts";
import { version } from "../edge/version.ts";
import { buildExecutable, chooseTargets } from "./compile.ts";
import { libraryName } from "./native/load.ts";
import { packageFile } from "./packages.ts";
import { componentsOf, noticesText } from "./package/components.ts";
import { debControl, debEntries, type Parts, tarballEntries } from "./package/contents.ts";
import { debOf, debVersion } from "./package/deb.ts";
import { withFolders } from "./package/entry.ts";
import { commandsPage, configurationPage } from "./package/man.ts";
import { sbomOf } from "./package/sbom.ts";
import { signFolder } from "./package/sign.ts";
import { tarOf } from "./package/tar.ts";
import { debChangelog, debCopyright } from "./package/texts.ts";
import { xz } from "./package/xz.ts";
import { releaseKey } from "./release-key.ts";
import type { Target } from "./targets.ts";

const usage = `Builds the packages of openwit.

usage: npm run package -- [--target x64|x64-baseline|arm64|all] [--out DIR] [--fast]

  --target NAME   what to build for; may be repeated (default: all)
  --out DIR       where to put them (default: dist/packages)
  --root DIR      the sources (default: this repository)
  --fast          compress little: the same content in larger files, to be tried and not given away
  --help          this text

example: OPENWIT_RELEASE_KEY=key.pem npm run package
`;

/** What a download may have: people fetch it over mobile links. */
const downloadBytesMax = 70e6;

export interface PackageRequest {
  readonly target: Target;
  readonly root: string;
  /** Folder that takes the files. */
  readonly out: string;
  readonly publicKey?: string;
  readonly timeSeconds: number;
  readonly isFast: boolean;
}

/** Writes the files of one target and returns their names. @throws OpenWitError `too_large` */
export async function buildPackages(request: PackageRequest): Promise<string[]> {
  const { target, out, timeSeconds, isFast } = request;
  const parts = await buildParts(request);
  const folder = `openwit-${version}-linux-${target.name}`;
  const level = isFast ? 0 : 6;
  const architecture = target.arch === "x64" ? "amd64" : "arm64";
  const suffix = target.name.replace(/^[^-]+/, "");
  const tar = tarOf(withFolders(tarballEntries(parts, folder)), "", timeSeconds);
  const [tarball, deb] = await Promise.all([
    xz(tar, level),
    debOf(debControl(version, architecture), debEntries(parts), timeSeconds, level),
  ]);
  const files: [string, Uint8Array | string][] = [
    [`${folder}.tar.xz`, tarball],
    [`openwit_${debVersion(version)}_${architecture}${suffix}.deb`, deb],
    [`${folder}.cdx.json`, parts.sbom],
  ];
  mkdirSync(out, { recursive: true });
  for (const [name, content] of files) {
    if (!isFast && content.length > downloadBytesMax) {
      throw new OpenWitError(
        "too_large",
        `${name} has ${megabytes(content.length)} MB, more than a download may`,
      );
    }
    writeFileSync(join(out, name), content);
    process.stderr.write(`${join(out, name)}: ${megabytes(content.length)} MB\n`);
  }
  return files.map(([name]) => name);
}

/** Everything that a package of the target is put together from. */
export async function buildParts({ target, root, publicKey, timeSeconds }: PackageRequest): Promise<Parts> {
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const duckdb = dirname(packageFile(root, target.duckdbPackage, libraryName));
  const components = componentsOf(root, target);
  const date = new Date(timeSeconds * 1000).toISOString().slice(0, 10);
  return {
    executable: await executableOf({ target, root, publicKey }),
    library: readFileSync(join(duckdb, libraryName)),
    addon: readFileSync(join(duckdb, "duckdb.node")),
    manPages: { "openwit.1": await commandsPage(date), "openwit.yaml.5": configurationPage(date) },
    completions: {
      bash: await completionsOf("bash"),
      zsh: await completionsOf("zsh"),
      fish: await completionsOf("fish"),
    },
    sbom: sbomOf(components, target, timeSeconds),
    notices: noticesText(components),
    licence: read("LICENSE"),
    readme: read("README.md"),
    install: read("docs/install.md"),
    watch: read("docs/watch.md"),
    alerts: read("docs/alerts/openwit.rules.yml"),
    changelog: debChangelog(read("CHANGELOG.md"), debVersion(version), timeSeconds),
    copyright: debCopyright(components, timeSeconds),
  };
}

/** SOURCE_DATE_EPOCH, or the time of the commit. @throws OpenWitError `invalid_argument` when there is neither */
export function sourceTime(root: string, environment: Readonly<Record<string, string | undefined>>): number {
  const given = environment["SOURCE_DATE_EPOCH"];
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  const log = Bun.spawnSync(["git", "log", "-1", "--format=%ct"], { cwd: root });
  if (given === undefined && log.exitCode === 0) return Number(log.stdout.toString());
  throw new OpenWitError(
    "invalid_argument",
    given === undefined ? `${root} is no checkout of git` : `SOURCE_DATE_EPOCH is ${JSON.stringify(given)}`,
    { hint: "set SOURCE_DATE_EPOCH to the time of the sources, in seconds since 1970" },
  );
}

async function executableOf(
  request: Pick<PackageRequest, "target" | "root" | "publicKey">,
): Promise<Uint8Array> {
  const work = mkdtempSync(join(tmpdir(), "openwit-package-"));
  try {
    const outfile = join(work, "openwit");
    await buildExecutable({ ...request, outfile, native: "beside" });
    return readFileSync(outfile);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArguments(args);
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const root = resolve(values.root ?? join(import.meta.dirname, ".."));
  const targets = chooseTargets(values.target ?? ["all"]);
  const out = resolve(values.out ?? join(root, "dist/packages"));
  const { publicKey, privateKey } = releaseKey(process.env);
  const timeSeconds = sourceTime(root, process.env);
  const names: string[] = [];
  for (const target of targets) {
    names.push(
      ...await buildPackages({ target, root, out, publicKey, timeSeconds, isFast: values.fast ?? false }),
    );
  }
  await signFolder(out, names, privateKey);
  if (!privateKey) process.stderr.write("not signed: OPENWIT_RELEASE_KEY names no key\n");
}

function parseArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        target: { type: "string", multiple: true },
        out: { type: "string" },
        root: { type: "string" },
        fast: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new OpenWitError("invalid_argument", (error as Error).message, { hint: "see --help" });
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (thrown) {
    const error = toOpenWitError(thrown);
    process.stderr.write(`package: ${error.message}${error.hint ? ` · ${error.hint}` : ""}\n`);
    process.exitCode = errorMappings[error.code].exit;
  }
}
