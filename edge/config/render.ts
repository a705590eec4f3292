/** Configuration as YAML text: the annotated sample, and settings that are to be kept. */
import { type ConfigKey, type ConfigKeyName, configKeys } from "./keys.ts";
import { keysOf, sectionDocs, sectionNames } from "./sections.ts";
import { environmentName } from "./settings.ts";

export type Texts = Readonly<Partial<Record<ConfigKeyName, string>>>;

const width = 100;

/**
 * A file with every key, its meaning and its default. What is not in `texts` is commented out, so that a default that gets
 * better in a later version is followed.
 * @param heading lines of comment at the top
 */
export function sampleYaml(texts: Texts = {}, heading = sampleHeading): string {
  const sections = sectionNames.map((section) => {
    const keys = keysOf(section).map((key) => {
      const { default: fallback, doc } = configKeys[key] as ConfigKey;
      const text = texts[key];
      const line = `${key.slice(section.length + 1)}: ${yamlText(text ?? fallback)}`;
      return [
        ...wrapped(doc, "  # "),
        `  # ${factsOf(key)}`,
        text === undefined ? `  #${line}` : `  ${line}`,
      ].join("\n");
    });
    return `${wrapped(sectionDocs[section], "# ").join("\n")}\n${section}:\n${keys.join("\n\n")}\n`;
  });
  return `${heading.flatMap((line) => wrapped(line, "# ")).join("\n")}\n\n${sections.join("\n")}`;
}

const sampleHeading = [
  "Configuration of OpenWit. Every key is here with its default: take the # away to set another value.",
  "A flag wins over the environment, the environment over openwit.NAME.yaml, that over this file.",
  "Check it with: openwit config check FILE. See it in force with: openwit config show --running.",
];

/** Settings as they are, without a word. */
export function plainYaml(texts: Texts, heading: readonly string[] = []): string {
  const sections = sectionNames.flatMap((section) => {
    const keys = keysOf(section).filter((key) => texts[key] !== undefined);
    const lines = keys.map((key) => `  ${key.slice(section.length + 1)}: ${yamlText(texts[key]!)}\n`);
    return lines.length === 0 ? [] : [`${section}:\n${lines.join("")}`];
  });
  return `${heading.map((line) => `# ${line}\n`).join("")}${sections.join("")}`;
}

/** What a key takes, in words: `size, from 1KiB to 1GiB`. */
export function formOf(key: ConfigKeyName): string {
  const { type, least, most } = configKeys[key] as ConfigKey;
  const form = typeof type === "string" ? type : type.join(" | ");
  if (least !== undefined && most !== undefined) return `${form}, from ${least} to ${most}`;
  if (least !== undefined) return `${form}, at least ${least}`;
  return most === undefined ? form : `${form}, at most ${most}`;
}

function factsOf(key: ConfigKeyName): string {
  const { flag, reload, secret } = configKeys[key] as ConfigKey;
  return [
    formOf(key),
    ...flag === undefined ? [] : [`--${flag}`],
    environmentName(key),
    reload === "live" ? "taken while running" : "taken at the next start",
    ...secret ? ["secret: file:///path names a file that holds it"] : [],
  ].join(" · ");
}

/** A scalar that reads back as it is: plain where nothing could take it for something else. */
function yamlText(text: string): string {
  const isPlain = /^[A-Za-z0-9./][A-Za-z0-9./:%_@-]*$/.test(text) && !/^(null|~)$/i.test(text) &&
    !text.endsWith(":");
  return isPlain ? text : JSON.stringify(text);
}

function wrapped(text: string, prefix: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && prefix.length + line.length + 1 + word.length > width) {
      lines.push(prefix + line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, prefix + line];
}
