/**
 * `openwit config show`: every key with its value and where that came from, as a start here and now would have it, or as
 * the running server has it.
 */
import process from "node:process";
import { readInputs } from "../config/files.ts";
import { readTrial } from "../config/last_good.ts";
import { describeSource, type ShownSetting, shownSettings } from "../config/shown.ts";
import type { TrialStatus } from "../server/safe_mode.ts";
import { loadOrTell } from "./config_load.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import { serveFlags } from "./serve_flags.ts";
import { renderTable } from "./table.ts";
import { expectOk, findTarget } from "./target.ts";

/** As GET /api/v1/admin/config answers it. */
export interface ShownConfig {
  readonly file?: string;
  readonly overlay?: string;
  readonly settings: readonly ShownSetting[];
  readonly restart_needed?: readonly string[];
  readonly trial?: TrialStatus;
}

export async function showConfig(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(
    args,
    { ...serveFlags, running: { type: "boolean" }, url: { type: "string" }, json: { type: "boolean" } },
    "config show",
  );
  refuseArguments(positionals, "config show");
  const document = values.running || values.url !== undefined
    ? await runningConfig(values)
    : await configHere(values);
  if (document === undefined) return 1;
  process.stdout.write(values.json ? JSON.stringify(document) + "\n" : describe(document));
  return 0;
}

async function configHere(
  values: Record<string, string | boolean | undefined>,
): Promise<ShownConfig | undefined> {
  const inputs = await readInputs(values, process.env);
  const configuration = await loadOrTell(inputs);
  if (configuration === undefined) return undefined;
  const { settings, config } = configuration;
  return {
    file: inputs.file?.path,
    overlay: inputs.overlay?.path,
    settings: shownSettings(settings),
    ...failedTrial(config.dataDir),
  };
}

/** That a server on this folder would not take it, for it has failed there. */
function failedTrial(dataDir: string): { trial?: TrialStatus } {
  const record = readTrial(dataDir);
  if (record?.state !== "rolled_back") return {};
  return { trial: { state: record.state, ...record.reason === undefined ? {} : { reason: record.reason } } };
}

/** @throws OpenWitError `not_found` when there is no server */
export async function runningConfig(
  values: Record<string, string | boolean | undefined>,
): Promise<ShownConfig> {
  const target = await findTarget({
    url: values.url as string | undefined,
    dataDir: values["data-dir"] as string | undefined,
  });
  return await (await expectOk(await target.fetch("/api/v1/admin/config"))).json();
}

function describe({ file, overlay, settings, restart_needed: waiting = [], trial }: ShownConfig): string {
  const columns = ["key", "value", "from"].map((name) => ({ name, type: "VARCHAR" }));
  const rows = settings.map(({ key, value, source }) => [key, value, describeSource(source)]);
  const files = [file ?? "no file", ...overlay === undefined ? [] : [overlay]].join(", ");
  const notes = waiting.length === 0 ? "" : `a restart would change ${waiting.join(", ")}\n`;
  return `${renderTable(columns, rows, process.stdout.columns ?? 160)}\n${files}\n${notes}${
    describeTrial(trial)
  }`;
}

/** A line for what a person should know of; empty when all is well. */
export function describeTrial(trial: TrialStatus | undefined): string {
  switch (trial?.state) {
    case "trial":
      return `on trial until ${trial.until}: the last good configuration takes its place when it fails\n`;
    case "rolled_back":
      return `rolled back: the last good configuration is in force; what was asked for failed: ${trial.reason}\n`;
    default:
      return "";
  }
}
