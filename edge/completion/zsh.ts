/** Completion for zsh (5.0 and later), by its own `_arguments`. */
import { firstClause } from "./fish.ts";
import { type CompletedCommand, completedValue } from "./model.ts";

export function zshCompletion(commands: readonly CompletedCommand[]): string {
  return `#compdef openwit
# Completion of openwit for zsh. To have it in this shell: source <(openwit completions zsh)
_openwit() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C '(- *)--help[the commands]' '(- *)--version[the version]' '1: :->command' '*:: :->arguments'
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, summary }) => `        ${quoted(`${name}:${summary}`)}`).join("\n")}
      )
      _describe -t commands 'command of openwit' commands
      ;;
    arguments)
      case $words[1] in
${commands.map(caseOf).join("\n")}
      esac
      ;;
  esac
}

if [ "$funcstack[1]" = _openwit ]; then _openwit "$@"; else compdef _openwit openwit; fi
`;
}

function caseOf({ name, subcommands, takesFile, options }: CompletedCommand): string {
  const specs = [
    ...options.flatMap(specOf),
    quoted("--help[what it does]"),
    ...(subcommands.length > 0 ? [quoted(`1: :(${subcommands.join(" ")})`)] : []),
    ...(takesFile ? [quoted("*: :_files")] : []),
  ];
  return `        ${name})\n          _arguments \\\n${
    specs.map((spec) => `            ${spec}`).join(" \\\n")
  }\n          ;;`;
}

function specOf(option: CompletedCommand["options"][number]): string[] {
  const completed = completedValue(option);
  const doc = firstClause(option.doc).replace(/[[\]\\:]/g, "\\$&");
  const value = completed === undefined
    ? ""
    : completed === "nothing"
    ? `:${option.value}: `
    : completed === "file"
    ? `:${option.value}:_files`
    : completed === "folder"
    ? `:${option.value}:_files -/`
    : `:${option.value}:(${completed.join(" ")})`;
  // "=": as --flag VALUE and as --flag=VALUE; "*": it may be repeated.
  return option.flags.map((flag) =>
    quoted(`*${flag}${completed !== undefined && flag.startsWith("--") ? "=" : ""}[${doc}]${value}`)
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
