/** Completion for bash (4.0 and later), as a script that needs no package bash-completion. */
import { type CompletedCommand, completedValue, helpFlags } from "./model.ts";

export function bashCompletion(commands: readonly CompletedCommand[]): string {
  return `# Completion of openwit for bash. To have it in this shell: source <(openwit completions bash)
_openwit() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command=\${COMP_WORDS[1]:-}
  local IFS=$' \\t\\n'
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")} --help --version" -- "$word"))
    return
  fi
  # "=" breaks words: --format=json arrives as three.
  if [ "$before" = = ]; then before=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  if [ "$word" = = ]; then word=; fi
  case $command:$before in
${commands.flatMap(valueCases).join("\n")}
  esac
  case $command in
${commands.map(wordCase).join("\n")}
  esac
}

# Names of files may have spaces; a folder is gone on with.
_openwit_paths() {
  local IFS=$'\\n'
  compopt -o filenames 2> /dev/null
  COMPREPLY=($(compgen "$1" -- "$2"))
}

complete -F _openwit openwit
`;
}

function valueCases({ name, options }: CompletedCommand): string[] {
  return options.flatMap((option) => {
    const completed = completedValue(option);
    if (completed === undefined) return [];
    const pattern = option.flags.map((flag) => `${name}:${flag}`).join(" | ");
    return [`    ${pattern}) ${action(completed)}; return ;;`];
  });
}

function action(completed: Exclude<ReturnType<typeof completedValue>, undefined>): string {
  if (completed === "nothing") return ":";
  if (completed === "file") return '_openwit_paths -f "$word"';
  if (completed === "folder") return '_openwit_paths -d "$word"';
  return `COMPREPLY=($(compgen -W "${completed.join(" ")}" -- "$word"))`;
}

function wordCase({ name, subcommands, takesFile, options }: CompletedCommand): string {
  const flags = [...options.flatMap(({ flags }) => flags), ...helpFlags].join(" ");
  const lines = [
    ...(subcommands.length === 0 ? [] : [
      `if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "${subcommands.join(" ")}" -- "$word")); fi`,
    ]),
    `if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "${flags}" -- "$word"))`,
    ...(takesFile ? ['elif [ ${#COMPREPLY[@]} -eq 0 ]; then _openwit_paths -f "$word"'] : []),
    "fi",
  ];
  return `    ${name})\n${lines.map((line) => `      ${line}`).join("\n")}\n      ;;`;
}
