/**
 * The man pages, in the macros of man(7): openwit(1) of the commands' usage, openwit.yaml(5) of the table of keys.
 */
import { commands } from "../../edge/cli/main.ts";
import { parseUsage, type UsageOption } from "../../edge/cli/usage.ts";
import { type ConfigKey, type ConfigKeyName, configKeys } from "../../edge/config/keys.ts";
import { keysOf, sectionDocs, sectionNames } from "../../edge/config/sections.ts";
import { environmentName } from "../../edge/config/settings.ts";
import { version } from "../../edge/version.ts";

/** @param date of the page, as 2026-11-26 */
export async function commandsPage(date: string): Promise<string> {
  const texts = await Promise.all(
    Object.entries(commands).map(async ([name, { summary, load }]) =>
      commandSection(name, summary, (await load()).usage)
    ),
  );
  return [
    `.TH OPENWIT 1 ${date} "OpenWit ${version}" "User Commands"`,
    ".SH NAME",
    plain("openwit - an observability database for logs, traces and metrics in one executable"),
    ".SH SYNOPSIS",
    ".B openwit",
    ".I command",
    "[\\fIoptions\\fR]",
    ".SH DESCRIPTION",
    plain(
      "OpenWit receives OpenTelemetry data over OTLP, keeps it in Parquet on this machine's own disk, and answers SQL. " +
        "A request is acknowledged when its bytes are on the disk.",
    ),
    ".SH COMMANDS",
    ...texts,
    ".SH EXIT STATUS",
    plain("0 done, 1 failed, 2 misuse, 3 a partial answer, 130 interrupted."),
    ".SH ENVIRONMENT",
    entry(bold("OPENWIT_URL"), plain("The server that commands ask.")),
    entry(bold("OPENWIT_CONFIG"), plain("The configuration file.")),
    entry(bold("NO_COLOR"), plain("Set to anything, no output is coloured.")),
    plainParagraph("Each key of the configuration has a variable too: openwit.yaml(5)."),
    ".SH FILES",
    entry(italic("/etc/openwit/openwit.yaml"), plain("The configuration of the service.")),
    entry(italic("/etc/default/openwit"), plain("Variables of the service.")),
    entry(italic("/var/lib/openwit"), plain("The data of the service.")),
    ".SH SEE ALSO",
    ".BR openwit.yaml (5),",
    ".BR systemctl (1),",
    ".BR journalctl (1)",
    "",
  ].join("\n");
}

export function configurationPage(date: string): string {
  return [
    `.TH OPENWIT.YAML 5 ${date} "OpenWit ${version}" "File Formats"`,
    ".SH NAME",
    plain("openwit.yaml - configuration of openwit"),
    ".SH DESCRIPTION",
    plain(
      "A file in YAML, with a section for each part. An unknown key is an error. A flag of openwit serve goes before the " +
        "environment, that before an overlay, that before this file, and this before the default.",
    ),
    plainParagraph(
      "Sizes are written as 512MiB or 20GB, shares as 80%, durations as 500ms, 15m or 7d. ${VAR} and ${VAR:-default} are " +
        "replaced by variables of the environment.",
    ),
    ...sectionNames.flatMap((section) => [
      `.SH ${section.toUpperCase()}`,
      plain(sectionDocs[section]),
      ...keysOf(section).map(keyEntry),
    ]),
    ".SH EXAMPLE",
    ".EX",
    ...["storage:", "  data_dir: /var/lib/openwit", "  budget: 20GB", "memory:", "  limit: 512MiB"].map(roff),
    ".EE",
    ".SH SEE ALSO",
    ".BR openwit (1)",
    "",
  ].join("\n");
}

function commandSection(name: string, summary: string, text: string): string {
  const { options, sections } = parseUsage(text);
  const [, ...introduction] = (sections.get("") ?? "").split("\n");
  const usage = (sections.get("Usage") ?? "").split("\n").map((line) => line.trim());
  const example = (sections.get("Example") ?? "").split("\n").map((line) => line.replace(/^ {2}/, ""));
  return [
    `.SS ${bold(name)}: ${roff(summary)}`,
    ".EX",
    ...usage.map(roff),
    ".EE",
    ...paragraphs(introduction.join("\n")),
    ...options.map((option) => entry(flags(option), plain(option.doc))),
    ".PP",
    "Example:",
    ".PP",
    ".EX",
    ...example.map((line) => roff(`  ${line}`)),
    ".EE",
  ].join("\n");
}

function keyEntry(name: ConfigKeyName): string {
  const { type, default: fallback, flag, reload, doc } = configKeys[name] as ConfigKey;
  const facts = [
    Array.isArray(type) ? `One of ${type.join(", ")}.` : `A ${type}.`,
    `Default: ${fallback === "" ? "none" : fallback}.`,
    reload === "live" ? "A reload takes it." : "It needs a restart.",
    `Variable: ${environmentName(name)}.`,
    ...(flag === undefined ? [] : [`Flag: --${flag}.`]),
  ];
  return entry(bold(name), `${plain(doc)}\n.br\n${plain(facts.join(" "))}`);
}

function flags({ flags, value }: UsageOption): string {
  const names = flags.map(bold).join(", ");
  return value === undefined ? names : `${names} ${italic(value)}`;
}

/** Paragraphs of prose between empty lines. */
function paragraphs(text: string): string[] {
  return text.split(/\n{2,}/).map((paragraph) => paragraph.replace(/\s*\n\s*/g, " ").trim())
    .filter((paragraph) => paragraph !== "").map(plainParagraph);
}

function entry(head: string, body: string): string {
  return `.TP\n${head}\n${body}`;
}

function plainParagraph(text: string): string {
  return `.PP\n${plain(text)}`;
}

/** Prose on lines of its own for each sentence, as roff wants them. */
function plain(text: string): string {
  return roff(text).replaceAll(/(?<=[a-z)][.!?]) (?=[A-Z])/g, "\n");
}

function bold(text: string): string {
  return `\\fB${roff(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${roff(text)}\\fR`;
}

/** A dash that is typed is no hyphen, and a line that begins with a dot or a quote is no command. */
function roff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("~", "\\(ti").replaceAll("^", "\\(ha")
    .replaceAll("…", "...").replace(/^(?=[.'])/gm, "\\&");
}
