/** What an executable is made of besides our sources: the packages of the lock file that ship, for one target. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageFile } from "../packages.ts";
import type { Target } from "../targets.ts";

export interface Component {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly licence: string;
  /** `sha512-` and base64, of the package in the registry. */
  readonly integrity: string;
  /** Names of those that it needs, among the components. */
  readonly needs: readonly string[];
  /** Texts of licences and notices that came with it. */
  readonly notices: readonly string[];
}

interface LockedPackage {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Sorted by name; the runtime and the native parts are those of the target. */
export function componentsOf(root: string, target: Target): Component[] {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Readonly<Record<string, LockedPackage>>;
  };
  const ofTarget = new Set([target.runtimePackage, target.duckdbPackage]);
  const ships = ([path, { dev, optional }]: [string, LockedPackage]) => {
    const name = nameOf(path);
    return ofTarget.has(name) || (path !== "" && !dev && !optional && !isTypes(name));
  };
  const shipped = Object.entries(packages).filter(ships);
  const names = new Set(shipped.map(([path]) => nameOf(path)));
  return shipped.map(([path, locked]) => {
    const name = nameOf(path);
    const folder = ofTarget.has(name) ? packageFolder(root, name) : join(root, path);
    return {
      name,
      version: locked.version,
      licence: locked.license ?? "NOASSERTION",
      integrity: locked.integrity ?? "",
      // The binding for the target is an optional dependency of the one that chooses.
      needs: [
        ...Object.keys(locked.dependencies ?? {}),
        ...(name === "@duckdb/node-bindings" ? [target.duckdbPackage] : []),
      ].filter((needed) => names.has(needed)).sort(),
      notices: noticesIn(folder),
    };
  }).sort((a, b) => a.name < b.name ? -1 : 1);
}

/** All licences and notices in one text, for whoever gets the executable. */
export function noticesText(components: readonly Component[]): string {
  const heads = components.map(({ name, version, licence, notices }) => {
    const texts = notices.length > 0
      ? notices
      : [`The package has no text of its licence, which is ${licence}.`];
    return [`${name} ${version} (${licence})`, ...texts.map((text) => text.trim())].join("\n\n");
  });
  return `What openwit is made of besides its own sources, and under which terms.\n\n${
    heads.join(`\n\n${"-".repeat(80)}\n\n`)
  }\n`;
}

/** Types are gone when the sources are bundled. */
function isTypes(name: string): boolean {
  return name.startsWith("@types/") || name === "undici-types";
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
}

function packageFolder(root: string, name: string): string {
  return dirname(packageFile(root, name, "package.json"));
}

function noticesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => /^(licen[cs]e|notice|copying)/i.test(name)).sort()
    .map((name) => readFileSync(join(folder, name), "utf8"));
}
