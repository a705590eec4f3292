/** What the configuration of an installation says: a file that is there goes before what would be written. */
import { OpenWitError } from "../../core/error.ts";
import { loadConfig } from "../config/settings.ts";
import type { Layout } from "./layout.ts";
import type { Found } from "./step.ts";

/**
 * The layout with the data folder that the configuration names, when there is one.
 * @param wishedDataDir what --data-dir says
 * @throws OpenWitError `invalid_argument` when the file is wrong, or says another folder than was wished
 */
export async function withConfiguredData(
  layout: Layout,
  found: Found,
  wishedDataDir?: string,
): Promise<Layout> {
  const text = found.text(layout.configFile);
  if (text === undefined) return layout;
  const { dataDir } = await loadConfig({
    flags: {},
    environment: variablesOf(found.text(layout.environmentFile) ?? ""),
    file: { path: layout.configFile, text },
  });
  if (wishedDataDir !== undefined && wishedDataDir !== dataDir) {
    throw new OpenWitError(
      "invalid_argument",
      `--data-dir is ${wishedDataDir}, and ${layout.configFile} says ${dataDir}`,
      { hint: "change storage.data_dir there, then install again without --data-dir" },
    );
  }
  return { ...layout, dataDir };
}

/** Of an EnvironmentFile= (systemd.exec(5)): `NAME=value`, quoted or not; comments begin with # or ;. */
export function variablesOf(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^\s*([A-Za-z_]\w*)=(.*)$/.exec(line);
    if (match) variables[match[1]] = match[2].trim().replace(/^(["'])(.*)\1$/, "$2");
  }
  return variables;
}
