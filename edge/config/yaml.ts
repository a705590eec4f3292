/**
 * A configuration file as its leaves: dotted key, text and line of each (YAML 1.2, https://yaml.org/spec/1.2.2/).
 *
 * A section that holds nothing is allowed, so that a sample may have all of its keys commented out. What is wrong is
 * collected with its line rather than thrown: a check tells all of it at once.
 */
import type { Alias, Document, Node, YAMLMap } from "yaml";
import { OpenWitError } from "../../core/error.ts";
import { type ConfigKeyName, configKeys } from "./keys.ts";
import { hintOfOriginal } from "./original.ts";
import { nearestWord } from "./parse.ts";

export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

export interface Leaf {
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
}

export interface FileReading {
  readonly leaves: ReadonlyMap<ConfigKeyName, Leaf>;
  readonly problems: readonly OpenWitError[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** @param environment for `${VAR}` and `${VAR:-default}`; absent when these are only text */
export async function readConfigFile(file: ConfigFile, environment?: Environment): Promise<FileReading> {
  const { LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
  const lineOf = (node: Node) => lines.linePos(node.range?.[0] ?? 0).line;
  const at = (line: number) => `${file.path}:${line}`;
  const problems = document.errors.map((error) =>
    invalid(`${at(lines.linePos(error.pos[0]).line)}: this is not valid YAML: ${error.message}`)
  );
  const leaves = new Map<ConfigKeyName, Leaf>();
  const walk = (node: Node | null, key: string, line: number) => {
    const value = dealias(node, document);
    const name = `${at(line)}: ${key}`;
    if (problems.length >= problemsMax) return;
    if (key.split(".").length <= levelsMax && isMap(value) && (value.items.length > 0 || key === "")) {
      for (const { key: keyNode, value: inner } of value.items) {
        const word = String((keyNode as { value?: unknown }).value ?? keyNode);
        walk(inner as Node | null, key === "" ? word : `${key}.${word}`, lineOf(keyNode as Node));
      }
    } else if (key === "") {
      if (!isEmpty(value)) problems.push(invalid(`${at(line)}: expected sections such as "storage:"`));
    } else if (!Object.hasOwn(configKeys, key)) {
      const holdsNothing = isEmpty(value) || isMap(value);
      if (!(holdsNothing && isSection(key))) problems.push(unknownKey(name, key));
    } else if (isEmpty(value) || !isScalar(value)) {
      problems.push(invalid(`${name} has no single value`, `its default is ${defaultOf(key)}`));
    } else {
      try {
        const text = textOf(value);
        leaves.set(key as ConfigKeyName, {
          text: environment === undefined ? text : expand(text, environment, name),
          line,
        });
      } catch (error) {
        problems.push(error as OpenWitError);
      }
    }
  };
  walk(document.contents as Node | null, "", 1);
  return { leaves, problems };
}

/** Of any configuration that is known: an alias may name what it stands in, and have no end. */
const levelsMax = 8;
/** More help nobody, and aliases of aliases may stand for any number of keys. */
const problemsMax = 100;

/** The refusal of a key, with what may have been meant. */
export function unknownKey(
  what: string,
  key: string,
  known: readonly string[] = Object.keys(configKeys),
): OpenWitError {
  const near = nearestWord(key, known);
  const hint = hintOfOriginal(key) ??
    (near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`);
  return invalid(`${what} is unknown`, hint);
}

/** `${VAR}` and `${VAR:-default}`. @throws OpenWitError for a variable that is not set */
function expand(text: string, environment: Environment, name: string): string {
  return text.replaceAll(/\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g, (_, variable: string, fallback?: string) => {
    const value = environment[variable] ?? fallback;
    if (value === undefined) throw invalid(`${name}: variable ${variable} is not set`);
    return value;
  });
}

interface Scalar {
  readonly value: unknown;
  readonly source?: string;
}

/** As it stands in the file: the number 1.50 is not 1.5 to whoever wrote it. */
function textOf({ value, source }: Scalar): string {
  return typeof value === "string" ? value : source ?? String(value);
}

function isMap(node: Node | null): node is YAMLMap {
  return node !== null && Array.isArray((node as YAMLMap).items) &&
    (node as YAMLMap).items.every((item) => item !== null && "key" in item);
}

function isScalar(node: Node | null): node is Node & Scalar {
  return node !== null && "value" in node;
}

function isEmpty(node: Node | null): boolean {
  return node === null || isScalar(node) && (node.value === null || node.value === undefined);
}

function isSection(key: string): boolean {
  return Object.keys(configKeys).some((each) => each.startsWith(`${key}.`));
}

function dealias(node: Node | null, document: Document): Node | null {
  const isAlias = node !== null && "source" in node && !("value" in node);
  return isAlias ? (node as Alias).resolve(document) as Node ?? null : node;
}

function defaultOf(key: string): string {
  return configKeys[key as ConfigKeyName].default || "nothing";
}

function invalid(message: string, hint?: string): OpenWitError {
  return new OpenWitError("invalid_argument", message, hint === undefined ? {} : { hint });
}
