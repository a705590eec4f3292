/**
 * What a command's `--help` says, as a table: completions and the man page are made of it, so that a flag is written
 * down once.
 *
 * The form that every usage text keeps to:
 *
 *   openwit NAME: summary.
 *   Usage: openwit NAME [subcommand] [options] POSITIONAL
 *   Options:
 *     -x, --flag VALUE       what it does; continued further to the right
 *
 * A VALUE `a|b|c`, and words such as `json, csv` at the beginning of what a FORMAT does, are the values that it takes.
 */

export interface UsageOption {
  /** `--flag`, and `-x` before it where it has one. */
  readonly flags: readonly string[];
  /** What the flag takes; `undefined` for one that takes nothing. */
  readonly value?: string;
  /** The values that it takes, when there are few. */
  readonly choices: readonly string[];
  /** In one line. */
  readonly doc: string;
}

export interface Usage {
  /** First words after the command, where it has several things to do. */
  readonly subcommands: readonly string[];
  /** Whether a positional argument is a file. */
  readonly takesFile: boolean;
  readonly options: readonly UsageOption[];
  /** The text as paragraphs by heading; those before the first one stand under "". */
  readonly sections: ReadonlyMap<string, string>;
}

export function parseUsage(text: string): Usage {
  const sections = sectionsOf(text);
  const forms = [...text.matchAll(/^(?:Usage:| {6,}) +openwit \S+(.*)$/gm)].map(([, rest]) => rest);
  const first = forms.flatMap((form) => /^ ([a-z]+(?:\|[a-z]+)*)(?= |$)/.exec(form)?.[1].split("|") ?? []);
  return {
    subcommands: [...new Set(first)],
    takesFile: forms.some((form) => /\bFILE\b| A B\b/.test(form)),
    options: optionsOf(sections.get("Options") ?? ""),
    sections,
  };
}

function sectionsOf(text: string): Map<string, string> {
  const sections = new Map<string, string>([["", ""]]);
  let heading = "";
  for (const line of text.split("\n")) {
    const [, named, rest] = /^([A-Z][a-z]+):(.*)$/.exec(line) ?? [];
    const opens = named === "Usage" || (named !== undefined && rest === "");
    if (opens) heading = named;
    const before = sections.get(heading);
    sections.set(heading, before === undefined ? rest.trim() : `${before}\n${opens ? rest.trim() : line}`);
    // A line of plain text after a list is a paragraph of its own, and not the list's.
    if (heading !== "" && line === "") heading = "";
  }
  return new Map([...sections].map(([name, body]) => [name, body.replace(/^\n+|\n+$/g, "")]));
}

function optionsOf(text: string): UsageOption[] {
  const options: UsageOption[] = [];
  for (const line of text.split("\n")) {
    const match = optionLine.exec(line);
    const last = options.at(-1);
    if (match) {
      const [, short, long, value, doc = ""] = match;
      options.push({ flags: short ? [short, long] : [long], ...(value ? { value } : {}), choices: [], doc });
    } else if (last !== undefined && /^ {10,}\S/.test(line)) {
      options[options.length - 1] = { ...last, doc: `${last.doc} ${line.trim()}`.trim() };
    }
  }
  return options.map((option) => ({ ...option, choices: choicesOf(option) }));
}

const optionLine = /^ {2}(?:(-\w), )?(--[a-z][a-z0-9-]*)(?: (\S+(?: \S+)?))?(?: {2,}(\S.*))?$/;

function choicesOf({ value, doc }: UsageOption): string[] {
  if (value?.includes("|")) return value.split("|");
  if (value !== "FORMAT" && value !== "NAME" && value !== "SIGNAL") return [];
  const list =
    /^(?:only )?([a-z]+(?: \(or [a-z]+\))?(?:(?:, | or )[a-z]+(?: \(or [a-z]+\))?)+)(?= \(default|$)/.exec(
      doc,
    );
  return list?.[1].replace(/ \(or ([a-z]+)\)/g, ", $1").split(/, | or /) ?? [];
}
