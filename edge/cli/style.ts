/** Colours of text on a terminal; none where the stream is no terminal, or NO_COLOR is set (no-color.org). */
import process from "node:process";
import type { Level } from "../../core/search/severity.ts";

export interface Style {
  readonly isOn: boolean;
  bold(text: string): string;
  dim(text: string): string;
  /** What was searched for. */
  found(text: string): string;
  good(text: string): string;
  warning(text: string): string;
  bad(text: string): string;
  level(level: Level, text: string): string;
  /** The same colour for the same service, everywhere. */
  service(name: string, text: string): string;
}

export function styleOf(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Style {
  const isOn = stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
  return isOn ? coloured : plain;
}

const paint = (codes: string) => (text: string) => text === "" ? "" : `\x1b[${codes}m${text}\x1b[0m`;

const levelCodes: Readonly<Record<Level, string>> = {
  fatal: "1;37;41",
  error: "1;31",
  warn: "33",
  info: "32",
  debug: "36",
  trace: "2",
  unset: "2",
};

/** Of the 256 colours, ones that are told apart on dark and on light grounds. */
const serviceColours = [33, 37, 71, 97, 133, 136, 166, 168, 67, 29, 143, 131, 75, 105, 178, 208];

export const coloured: Style = {
  isOn: true,
  bold: paint("1"),
  dim: paint("2"),
  found: paint("1;30;43"),
  good: paint("32"),
  warning: paint("33"),
  bad: paint("1;31"),
  level: (level, text) => paint(levelCodes[level])(text),
  service: (name, text) => paint(`38;5;${serviceColours[hashOf(name) % serviceColours.length]}`)(text),
};

const asItIs = (text: string) => text;

export const plain: Style = {
  isOn: false,
  bold: asItIs,
  dim: asItIs,
  found: asItIs,
  good: asItIs,
  warning: asItIs,
  bad: asItIs,
  level: (_, text) => text,
  service: (_, text) => text,
};

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  }
  return hash;
}
