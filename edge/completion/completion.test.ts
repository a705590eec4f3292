/** The scripts, asked by the shells themselves; without zsh or fish on this machine theirs are skipped. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { completionsOf, type Shell, shells } from "../cli/completions.ts";
import { commands } from "../cli/main.ts";
import { parseUsage } from "../cli/usage.ts";

const folder = mkdtempSync(join(tmpdir(), "openwit-completion-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
await mkdir(join(folder, "some data"));
writeFileSync(join(folder, "box.tar"), "");
for (const shell of shells) writeFileSync(join(folder, `script.${shell}`), await completionsOf(shell));

/** What each shell would offer for a line, sorted. */
const ask: Record<Shell, (line: string) => Promise<string[]>> = {
  bash: async (line) =>
    await run([
      "bash",
      "--norc",
      "-c",
      `source ./script.bash
       COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _openwit; printf '%s\\n' "\${COMPREPLY[@]}"`,
      "bash",
      ...line.split(" ").flatMap((word) => word.split(/(=)/).filter((part, at) => part !== "" || at === 0)),
    ]),
  fish: async (line) =>
    (await run(["fish", "--no-config", "-c", `source ./script.fish; complete -C ${JSON.stringify(line)}`]))
      .map((offer) => offer.split("\t")[0]),
  zsh: async (line) => await run(["zsh", "-f", "-c", zshAsks, "zsh", line]),
};

/**
 * zsh completes only where a person types: so a second one runs in a terminal of its own (zpty), where each call of
 * `compadd` says what it would add.
 */
const zshAsks = `
zmodload zsh/zpty
zpty z zsh -f -i
ask() { zpty -w z "$1" }
ask 'PROMPT=; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D; source ./script.zsh; bindkey "^I" complete-word'
ask 'compadd() { local -a found; builtin compadd -O found "$@"; (( $#found )) && print -rl -- "OFFER "$^found > /dev/tty; builtin compadd "$@" }'
ask 'zle -C said complete-word _said; _said() { _main_complete; compstate[insert]=; compstate[list]=; print -r -- DONE > /dev/tty }; bindkey "^X" said; print READY$((1))'
zpty -r -m z text '*READY1*'
zpty -w -n z "$1"$'\\x18'
zpty -r -m z text '*DONE*'
print -r -- "$text" | tr -d '\\r' | sed -n 's/^.*OFFER //p'
zpty -d z
`;

const cases: [line: string, includes: string[], lacks: string[]][] = [
  ["openwit exp", ["export"], ["query"]],
  ["openwit ", ["serve", "query", "completions"], ["rebuild"]],
  ["openwit query --f", ["--format"], ["--follow"]],
  ["openwit query --format ", ["table", "arrow"], ["--format"]],
  ["openwit search --signal ", ["spans", "traces"], ["--signal"]],
  ["openwit config ", ["show", "check"], ["rebuild"]],
  ["openwit index r", ["rebuild"], []],
  ["openwit completions ", ["bash", "zsh", "fish"], []],
];

for (const shell of shells) {
  const isThere = Bun.which(shell) !== null;
  for (const [line, includes, lacks] of cases) {
    test.skipIf(!isThere)(
      `${shell} completes ${JSON.stringify(line)}${isThere ? "" : ` (no ${shell} here)`}`,
      async () => {
        const offers = await ask[shell](line);
        expect(offers).toEqual(expect.arrayContaining(includes));
        for (const word of lacks) expect(offers).not.toContain(word);
      },
    );
  }
}

test("bash completes names of files and folders, and values after =", async () => {
  expect(await ask.bash("openwit import bo")).toEqual(["box.tar"]);
  expect(await ask.bash("openwit query --data-dir so")).toEqual(["some data"]);
  expect(await ask.bash("openwit query --format=js")).toEqual(["json"]);
});

test.each(Object.keys(commands))("the usage of %s keeps to the form that it is read by", async (name) => {
  const { usage: text } = await commands[name].load();
  const { options, subcommands } = parseUsage(text);
  const written = text.split("\n").filter((line) => /^ {2}-/.test(line));
  expect(options.map(({ flags }) => flags.at(-1))).toEqual(
    written.map((line) => /--[a-z0-9-]+/.exec(line)![0]),
  );
  for (const { doc } of options) expect(doc).not.toBe("");
  const only = subcommands.length === 1 ? `( ${subcommands[0]})?` : "";
  expect(text).toMatch(new RegExp(`^openwit ${name}${only}: `));
});

async function run(command: string[]): Promise<string[]> {
  const child = Bun.spawn(command, {
    cwd: folder,
    env: { PATH: process.env["PATH"]!, HOME: folder, TERM: "xterm" },
    stdout: "pipe",
    stderr: "pipe",
    timeout: 20_000,
  });
  const [status, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (status !== 0) throw new Error(`${command[0]} ended with ${status}: ${stderr}`);
  return stdout.split("\n").filter((line) => line !== "");
}
