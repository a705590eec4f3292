/** `openwit config check`: everything about a configuration that can be known before a start. */
import { existsSync, statSync } from "node:fs";
import process from "node:process";
import { configDoubts } from "../config/doubts.ts";
import { readInputs } from "../config/files.ts";
import { type ConfigKey, configKeyNames, configKeys } from "../config/keys.ts";
import { type ConfigInputs, type Configuration, readConfiguration, whereOf } from "../config/settings.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";

interface Finding {
  readonly message: string;
  readonly hint?: string;
}

export async function checkConfig(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    config: { type: "string" },
    environment: { type: "string" },
    json: { type: "boolean" },
  }, "config check");
  const [file = values.config, ...rest] = positionals;
  refuseArguments(rest, "config check");
  const inputs = await readInputs({ ...values, config: file }, process.env);
  const { problems, configuration } = await readConfiguration(inputs);
  const wrong: Finding[] = [
    ...problems.map(({ message, hint }) => hint === undefined ? { message } : { message, hint }),
    ...configuration === undefined ? [] : folderProblems(configuration),
  ];
  const doubtful = configuration === undefined ? [] : [
    ...configDoubts(configuration),
    ...exposedSecrets(configuration),
  ];
  const files = filesOf(inputs);
  process.stdout.write(
    values.json
      ? JSON.stringify({ ok: wrong.length === 0, files, problems: wrong, warnings: doubtful }) + "\n"
      : describe(files, wrong, doubtful),
  );
  return wrong.length === 0 ? 0 : 1;
}

function filesOf({ file, overlay }: ConfigInputs): string[] {
  return [file, overlay].flatMap((each) => each === undefined ? [] : [each.path]);
}

function describe(files: readonly string[], wrong: readonly Finding[], doubtful: readonly Finding[]): string {
  const lines = ({ message, hint }: Finding, prefix: string) => [
    `${prefix}${message}`,
    ...hint === undefined ? [] : [`  hint: ${hint}`],
  ];
  const where = files.join(" with ") || "the environment (there is no file)";
  return [
    ...wrong.flatMap((each) => lines(each, "")),
    ...doubtful.flatMap((each) => lines(each, "warning: ")),
    wrong.length === 0
      ? `${where}: nothing is wrong`
      : `${where}: ${wrong.length === 1 ? "1 thing is" : `${wrong.length} things are`} wrong`,
  ].join("\n") + "\n";
}

/** Whether the data folder may be written only its server's user can tell; whether it is a folder, everybody. */
function folderProblems({ settings, config: { dataDir } }: Configuration): Finding[] {
  if (!existsSync(dataDir) || statSync(dataDir).isDirectory()) return [];
  const where = whereOf("storage.data_dir", settings["storage.data_dir"]);
  return [{ message: `${where} is ${dataDir}, which is no folder`, hint: "name another" }];
}

/** Passwords in files that every user of the box may read. */
function exposedSecrets({ settings }: Configuration): Finding[] {
  return configKeyNames.flatMap((key) => {
    const { text, source } = settings[key];
    const { secret } = configKeys[key] as ConfigKey;
    if (!secret || text === "" || text.startsWith("file://") || !("path" in source)) return [];
    const mode = statSync(source.path).mode & 0o777;
    return (mode & 0o004) === 0 ? [] : [{
      message: `${whereOf(key, settings[key])} is a secret in a file that everybody may read (mode ${
        mode.toString(8).padStart(4, "0")
      })`,
      hint: `chmod 0640 ${source.path}, or keep it in a file of its own: file:///run/secrets/…`,
    }];
  });
}
