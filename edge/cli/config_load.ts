/** Reads a configuration for the commands that show it: what is wrong in it is told whole, and is no misuse of theirs. */
import process from "node:process";
import { type ConfigInputs, type Configuration, readConfiguration } from "../config/settings.ts";

/** @returns `undefined` when something is wrong, which was told on stderr */
export async function loadOrTell(inputs: ConfigInputs): Promise<Configuration | undefined> {
  const { problems, configuration } = await readConfiguration(inputs);
  for (const { message, hint } of problems) {
    process.stderr.write(`openwit: ${message}\n${hint === undefined ? "" : `  hint: ${hint}\n`}`);
  }
  return configuration;
}
