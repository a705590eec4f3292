/** Completion for fish (3.0 and later). */
import { type CompletedCommand, completedValue } from "./model.ts";

export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const atFirst = "-n __fish_use_subcommand";
  return [
    "# Completion of openwit for fish. To keep it: openwit completions fish > ~/.config/fish/completions/openwit.fish",
    "complete -c openwit -f",
    `complete -c openwit ${atFirst} -l help -d 'the commands'`,
    `complete -c openwit ${atFirst} -l version -d 'the version'`,
    ...commands.map(({ name, summary }) => `complete -c openwit ${atFirst} -a ${name} -d ${quoted(summary)}`),
    ...commands.flatMap(linesOf),
    "",
  ].join("\n");
}

function linesOf({ name, subcommands, takesFile, options }: CompletedCommand): string[] {
  const within = `complete -c openwit -n '__fish_seen_subcommand_from ${name}'`;
  const none = subcommands.length === 0
    ? ""
    : `; and not __fish_seen_subcommand_from ${subcommands.join(" ")}`;
  return [
    ...subcommands.map((word) =>
      `complete -c openwit -n '__fish_seen_subcommand_from ${name}${none}' -a ${word}`
    ),
    ...(takesFile ? [`${within} -F`] : []),
    `${within} -l help -d 'what it does'`,
    ...options.map((option) => {
      const flags = option.flags.map((flag) =>
        flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`
      );
      return [within, ...flags, ...value(option), "-d", quoted(firstClause(option.doc))].join(" ");
    }),
  ];
}

function value(option: Parameters<typeof completedValue>[0]): string[] {
  const completed = completedValue(option);
  if (completed === undefined) return [];
  if (completed === "nothing") return ["-x"];
  if (completed === "file") return ["-r -F"];
  if (completed === "folder") return ["-x -a '(__fish_complete_directories)'"];
  return [`-x -a ${quoted(completed.join(" "))}`];
}

/** Beside each flag there is room for a few words. */
export function firstClause(doc: string): string {
  return /^[^;(]*[^;( ]/.exec(doc)?.[0] ?? doc;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
