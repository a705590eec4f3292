/** Flags by node:util's parseArgs, with its errors in our words and the nearest flag suggested. */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { OpenWitError } from "../../core/error.ts";
import { nearestWord } from "../config/parse.ts";

export interface ParsedFlags {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
}

/** One of a flag's words. @throws OpenWitError `invalid_argument`, with the nearest word */
export function choose<Word extends string>(flag: string, value: unknown, words: readonly Word[]): Word {
  const word = words.find((each) => each === value);
  if (word !== undefined) return word;
  const near = nearestWord(String(value), words);
  throw new OpenWitError("invalid_argument", `${flag} is ${JSON.stringify(value)}`, {
    hint: `${near === undefined ? "" : `did you mean ${near}? `}it is one of ${words.join(", ")}`,
  });
}

/** @throws OpenWitError `invalid_argument` for a flag that is unknown or lacks its value */
export function parseFlags(args: string[], options: ParseArgsOptionsConfig, command: string): ParsedFlags {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true });
    return { values: values as ParsedFlags["values"], positionals };
  } catch (cause) {
    const unknown = /Unknown option '(--?[^']+)'/.exec((cause as Error).message)?.[1];
    if (unknown === undefined) {
      throw new OpenWitError("invalid_argument", (cause as Error).message, {
        hint: `openwit ${command} --help`,
        cause,
      });
    }
    const near = nearestWord(unknown.replace(/^-+/, ""), Object.keys(options));
    throw new OpenWitError("invalid_argument", `${command} has no flag ${unknown}`, {
      hint: near === undefined ? `openwit ${command} --help lists them` : `did you mean --${near}?`,
      cause,
    });
  }
}
