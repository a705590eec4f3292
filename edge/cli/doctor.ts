/** `openwit doctor`: what is wrong with this box, and what to do about it. */
import process from "node:process";
import { type OpenWitError, toOpenWitError } from "../../core/error.ts";
import type { Config } from "../config/config.ts";
import { type FileFlags, fileFlags, pathsOf, readInputs } from "../config/files.ts";
import { loadConfig } from "../config/settings.ts";
import type { Check } from "../doctor/check.ts";
import { checkBox } from "../doctor/doctor.ts";
import { dataFoldersOf } from "../server/boot.ts";
import { parseFlags } from "./flags.ts";
import { dataFolder, refuseArguments } from "./folder.ts";
import type { Command } from "./main.ts";

export const doctorCommand: Command = {
  usage: `openwit doctor: what is wrong with this box, and what to do about it.

Usage: openwit doctor [options]

Options:
  --data-dir DIR         data folder (default ./data)
  --config FILE          configuration of the server, for its budget, limits and ports (default OPENWIT_CONFIG)
  --environment NAME     with the overlay for it (default OPENWIT_ENVIRONMENT)
  --json                 one JSON document: data_dir, ok, warn, fail, checks of {check, status, found, hint}

Exit status: 0 nothing failed (there may be warnings), 1 something failed, 2 misuse.

Example:
  openwit doctor --data-dir /var/lib/openwit
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      "data-dir": { type: "string" },
      ...fileFlags,
      json: { type: "boolean" },
    }, "doctor");
    refuseArguments(positionals, "doctor");
    const { config, configProblem, folder } = await configured(values);
    const dataDir = dataFolder(folder);
    const checks = await checkBox({
      dataDir,
      config,
      ...configProblem === undefined ? {} : { configProblem },
    });
    const counts = { ok: 0, warn: 0, fail: 0 };
    for (const { status } of checks) counts[status]++;
    process.stdout.write(
      values.json
        ? JSON.stringify({ data_dir: dataDir, ...counts, checks }) + "\n"
        : describe(dataDir, checks, counts),
    );
    return counts.fail === 0 ? 0 : 1;
  },
};

/** A configuration that cannot be read is a finding, and the rest of the box is looked at all the same. */
async function configured(
  flags: Readonly<Record<string, string | boolean | undefined>>,
): Promise<{ config: Config; folder: string; configProblem?: OpenWitError }> {
  const paths = pathsOf(flags as FileFlags, process.env);
  try {
    const config = await loadConfig(await readInputs(flags, process.env, paths));
    return { config, folder: config.dataDir };
  } catch (thrown) {
    const config = await loadConfig({ flags: {}, environment: {} });
    const [folder] = await dataFoldersOf({ flags, environment: process.env, paths });
    return { config, folder, configProblem: toOpenWitError(thrown) };
  }
}

function describe(
  dataDir: string,
  checks: readonly Check[],
  counts: Record<Check["status"], number>,
): string {
  const inColour = process.stdout.isTTY && !process.env.NO_COLOR;
  const colours = { ok: "\x1b[32m", warn: "\x1b[33m", fail: "\x1b[31m" };
  const word = (status: Check["status"]) =>
    inColour ? `${colours[status]}${status.padEnd(4)}\x1b[0m` : status.padEnd(4);
  const width = Math.max(...checks.map(({ check }) => check.length));
  const lines = checks.flatMap(({ check, status, found, hint }) => [
    `${word(status)}  ${check.padEnd(width)}  ${found}`,
    ...(hint === undefined ? [] : [`${" ".repeat(width + 8)}what to do: ${hint}`]),
  ]);
  return `${
    lines.join("\n")
  }\n\n${dataDir}: ${counts.ok} ok, ${counts.warn} warnings, ${counts.fail} failed\n`;
}
