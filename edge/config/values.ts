/** Texts of configuration keys as typed values: what keys.ts says of a key's type and range, held. */
import { OpenWitError } from "../../core/error.ts";
import { type ConfigKey, type ConfigKeyName, configKeys, type KeyType } from "./keys.ts";
import {
  type Listen,
  nearestWord,
  parseBoolean,
  parseDuration,
  parseInteger,
  parseListen,
  parseShare,
  parseSize,
} from "./parse.ts";

export type Share = { readonly bytes: number } | { readonly percent: number };

/** What a text of each type becomes. */
type ValueOf<Type extends KeyType> = Type extends readonly string[] ? Type[number]
  : Type extends "size" | "duration" | "integer" ? number
  : Type extends "share" ? Share
  : Type extends "listen" ? Listen
  : Type extends "boolean" ? boolean
  : string;

/** A value of every key of the table: sizes in bytes, durations in milliseconds. */
export type ConfigValues = {
  readonly [Key in ConfigKeyName]: ValueOf<(typeof configKeys)[Key]["type"]>;
};

export type ConfigValue = ConfigValues[ConfigKeyName];

/**
 * The value of a key.
 * @param name what to call it in an error: a flag, a variable, or a file with its line
 * @throws OpenWitError `invalid_argument` for another form, and for what is out of range
 */
export function parseValue(key: ConfigKeyName, text: string, name: string): ConfigValue {
  const { type, least, most } = configKeys[key] as ConfigKey;
  if (typeof type !== "string") return oneOf(type, text, name) as ConfigValue;
  const value = parsers[type](text, name);
  const amount = amountOf(value);
  if (amount === undefined) return value;
  if (least !== undefined && amount < amountOf(parsers[type](least, key))!) {
    throw outOfRange(name, text, `at least ${least}`);
  }
  if (most !== undefined && amount > amountOf(parsers[type](most, key))!) {
    throw outOfRange(name, text, `at most ${most}`);
  }
  return value;
}

type PlainType = Exclude<KeyType, readonly string[]>;

const parsers: { readonly [Type in PlainType]: (text: string, name: string) => ValueOf<Type> } = {
  size: parseSize,
  share: parseShare,
  duration: parseDuration,
  listen: parseListen,
  path: parsePath,
  integer: parseInteger,
  text: (text) => text,
  boolean: parseBoolean,
};

/** What a range bounds: a number, or the bytes of a share that is given in bytes. */
function amountOf(value: ConfigValue): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "object" && "bytes" in value ? value.bytes : undefined;
}

function parsePath(text: string, name: string): string {
  if (text.trim() !== "") return text;
  throw new OpenWitError("invalid_argument", `${name} is empty; expected a path`);
}

function oneOf(words: readonly string[], text: string, name: string): string {
  if (words.includes(text)) return text;
  const near = nearestWord(text, words);
  throw new OpenWitError(
    "invalid_argument",
    `${name} is ${JSON.stringify(text)}; expected ${words.join(", ")}`,
    near === undefined ? {} : { hint: `did you mean ${near}?` },
  );
}

function outOfRange(name: string, text: string, expected: string): OpenWitError {
  return new OpenWitError("invalid_argument", `${name} is ${JSON.stringify(text)}; expected ${expected}`);
}
