/**
 * How a typed OTLP value (AnyValue) is kept as text, and comes back exactly.
 *
 * A value is a type letter and a text. In a MAP column the text is the map's value and the letters stand in
 * attribute_types, one for each key in the map's order; no letters at all mean that all are strings. The body
 * of a log is the same, with body_type.
 *
 * | letter | type   | text                                                                             |
 * |--------|--------|----------------------------------------------------------------------------------|
 * | s      | string | as it is                                                                         |
 * | b      | bool   | true, false                                                                      |
 * | i      | int64  | decimal digits                                                                   |
 * | d      | double | the shortest decimal that reads back the same; -0, NaN, Infinity, -Infinity      |
 * | y      | bytes  | base64 with padding                                                              |
 * | a      | array  | typed JSON                                                                       |
 * | m      | kvlist | typed JSON                                                                       |
 * | n      | empty  | none: SQL NULL                                                                   |
 *
 * Typed JSON is JSON in which digits alone are an int64; a double has a "." or an "e", or is
 * {"$double":"NaN"}, {"$double":"Infinity"}, {"$double":"-Infinity"}; bytes are {"$bytes":"base64"}; empty is
 * null. A key that begins with "$" has one more "$" before it. A kvlist keeps its entries in order, keys that
 * occur twice included: a reader that wants those must not parse it into a dictionary.
 *
 * The columns resource_attributes, scope_attributes and metric_metadata are one such object, keys sorted.
 *
 * core/otlp writes these texts from the wire, byte by byte; the functions here are their other end.
 */
import { OpenWitError } from "../error.ts";

export type TypeLetter = "s" | "b" | "i" | "d" | "y" | "a" | "m" | "n";

/** int64 is a bigint, double a number, empty null. */
export type TypedValue =
  | string
  | boolean
  | bigint
  | number
  | Uint8Array
  | null
  | readonly TypedValue[]
  | TypedKvlist;

/** A KeyValueList, which may hold a key twice. */
export interface TypedKvlist {
  readonly kvlist: readonly (readonly [key: string, value: TypedValue])[];
}

/**
 * The value that a letter and a text stand for.
 * @param letter of attribute_types or body_type; empty is "s".
 * @param text the map's value or the body; null for SQL NULL.
 * @throws OpenWitError `corrupt` when the text is none of that type.
 */
export function parseTypedValue(letter: string, text: string | null): TypedValue {
  if (text === null) return null;
  switch (letter) {
    case "":
    case "s":
      return text;
    case "b":
      if (text === "true" || text === "false") return text === "true";
      break;
    case "i":
      if (/^-?\d+$/.test(text)) return BigInt(text);
      break;
    case "d":
      if (text === "NaN" || /^[-\dI]/.test(text) && !Number.isNaN(Number(text))) return Number(text);
      break;
    case "y":
      return base64Bytes(text);
    case "a":
    case "m":
      return parseTypedJson(text);
  }
  throw new OpenWitError(
    "corrupt",
    `cannot read the text "${text.slice(0, 80)}" as a value of type ${letter}`,
  );
}

/** The letter and the text of a value; `null` text is SQL NULL. */
export function formatTypedValue(
  value: TypedValue,
): { readonly letter: TypeLetter; readonly text: string | null } {
  if (value === null) return { letter: "n", text: null };
  if (typeof value === "string") return { letter: "s", text: value };
  if (typeof value === "boolean") return { letter: "b", text: String(value) };
  if (typeof value === "bigint") return { letter: "i", text: String(value) };
  if (typeof value === "number") return { letter: "d", text: Object.is(value, -0) ? "-0" : String(value) };
  if (value instanceof Uint8Array) return { letter: "y", text: base64Text(value) };
  return { letter: "kvlist" in value ? "m" : "a", text: formatTypedJson(value) };
}

/** Typed JSON of a value. */
export function formatTypedJson(value: TypedValue): string {
  if (typeof value === "number") return jsonDouble(value);
  if (typeof value === "string") return jsonString(value);
  if (value === null || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return `{"$bytes":"${base64Text(value)}"}`;
  if ("kvlist" in value) {
    const entries = value.kvlist.map(([key, inner]) =>
      `${jsonString(key.startsWith("$") ? "$" + key : key)}:${formatTypedJson(inner)}`
    );
    return `{${entries.join(",")}}`;
  }
  return `[${value.map(formatTypedJson).join(",")}]`;
}

/** The value of typed JSON. @throws OpenWitError `corrupt` */
export function parseTypedJson(text: string): TypedValue {
  const parser = new TypedJsonParser(text);
  const value = parser.value(0);
  parser.expectEnd();
  return value;
}

/** Far above what decoding accepts; it only keeps foreign text from exhausting the stack. */
const jsonDepthMax = 256;
const numberPattern = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;
const stringPattern = /"(?:[^"\\]|\\.)*"/sy;
const spacePattern = /[ \t\r\n]*/y;

class TypedJsonParser {
  #at = 0;

  constructor(readonly text: string) {}

  value(depth: number): TypedValue {
    if (depth > jsonDepthMax) this.#fail(`no more than ${jsonDepthMax} levels`);
    this.#space();
    switch (this.text[this.#at]) {
      case '"':
        return this.#string();
      case "[":
        return this.#array(depth);
      case "{":
        return this.#object(depth);
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
    }
    const digits = this.#match(numberPattern) ?? this.#fail("a value");
    return /^-?\d+$/.test(digits) ? BigInt(digits) : Number(digits);
  }

  expectEnd(): void {
    this.#space();
    if (this.#at < this.text.length) this.#fail("the end of the text");
  }

  #array(depth: number): TypedValue {
    const items: TypedValue[] = [];
    this.#at++;
    if (this.#accept("]")) return items;
    do items.push(this.value(depth + 1)); while (this.#accept(","));
    if (!this.#accept("]")) this.#fail('"," or "]"');
    return items;
  }

  #object(depth: number): TypedValue {
    const entries: [string, TypedValue][] = [];
    this.#at++;
    if (this.#accept("}")) return { kvlist: entries };
    do {
      this.#space();
      const key = this.#string();
      if (!this.#accept(":")) this.#fail('":"');
      entries.push([key, this.value(depth + 1)]);
    } while (this.#accept(","));
    if (!this.#accept("}")) this.#fail('"," or "}"');
    const [key, value] = entries[0];
    if (key === "$double" && typeof value === "string") return Number(value);
    if (key === "$bytes" && typeof value === "string") return base64Bytes(value);
    return { kvlist: entries.map(([key, value]) => [key.startsWith("$$") ? key.slice(1) : key, value]) };
  }

  #string(): string {
    const text = this.#match(stringPattern) ?? this.#fail("a string");
    return JSON.parse(text);
  }

  #word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.#at)) this.#fail(word);
    this.#at += word.length;
    return value;
  }

  #accept(character: string): boolean {
    this.#space();
    if (this.text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    this.#match(spacePattern);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fail(expected: string): never {
    throw new OpenWitError(
      "corrupt",
      `cannot read typed JSON: expected ${expected} at character ${this.#at}`,
    );
  }
}

function jsonDouble(value: number): string {
  if (!Number.isFinite(value)) return `{"$double":"${value}"}`;
  const text = Object.is(value, -0) ? "-0" : String(value);
  return /[.e]/.test(text) ? text : text + ".0";
}

/** As core/otlp writes it: only what JSON demands is escaped, and only \n, \r and \t by letter. */
function jsonString(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what JSON demands to be escaped
  return '"' + text.replace(/["\\\u0000-\u001f]/g, (character) => {
    const short = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
    return short ?? "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0");
  }) + '"';
}

function base64Text(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function base64Bytes(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new OpenWitError("corrupt", `cannot read "${text.slice(0, 80)}" as base64`, { cause });
  }
}
