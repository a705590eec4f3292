/** Values of a statement's parameters as flags: `--param VALUE`, `NAME=VALUE`, and with `:=` JSON instead of text. */
import { OpenWitError } from "../../core/error.ts";
import { nearestWord } from "../config/parse.ts";

type Value = string | number | boolean | null;

/**
 * A list for $1, $2, … or an object for names. A value is named when the statement has a parameter of its name, so
 * that `a=b` may be the value of $1.
 * @throws OpenWitError `invalid_argument`
 */
export function parseParams(
  flags: readonly string[] | undefined,
  sql: string,
): Value[] | Record<string, Value> | undefined {
  if (flags === undefined) return undefined;
  const names = new Set([...sql.matchAll(/\$([a-z_]\w*)/gi)].map(([, name]) => name));
  const listed: Value[] = [];
  const named: Record<string, Value> = {};
  for (const flag of flags) {
    const [, name, operator, text] = /^([a-z_]\w*)?(:=|=)([^]*)$/i.exec(flag) ?? [];
    if (name !== undefined && names.has(name)) {
      if (Object.hasOwn(named, name)) {
        throw new OpenWitError("invalid_argument", `--param gives a value for $${name} twice`);
      }
      named[name] = operator === ":=" ? parseJson(flag, text) : text;
    } else if (name === undefined && operator === ":=") listed.push(parseJson(flag, text));
    else if (names.size > 0) throw unknown(flag, name, [...names]);
    else listed.push(flag);
  }
  return names.size > 0 ? named : listed;
}

function parseJson(flag: string, text: string): Value {
  try {
    const value = JSON.parse(text);
    if (value === null || typeof value !== "object") return value;
  } catch { /* said below, like a value of another type */ }
  throw new OpenWitError("invalid_argument", `--param is ${JSON.stringify(flag)}`, {
    hint: "after := stands a number, true, false, null or a text in double quotes",
  });
}

function unknown(flag: string, name: string | undefined, names: readonly string[]): OpenWitError {
  const near = name === undefined ? undefined : nearestWord(name, names);
  return new OpenWitError(
    "invalid_argument",
    `--param ${JSON.stringify(flag)} is for no parameter of the statement`,
    {
      hint: near === undefined
        ? `it has ${names.map((each) => `$${each}`).join(", ")}`
        : `did you mean ${near}=…?`,
    },
  );
}
