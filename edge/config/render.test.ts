import { expect, test } from "bun:test";
import { configKeyNames, configKeys } from "./keys.ts";
import { plainYaml, sampleYaml } from "./render.ts";
import { configSchema } from "./schema.ts";
import { loadConfiguration, readConfiguration } from "./settings.ts";

const load = (text: string) =>
  loadConfiguration({ flags: {}, environment: {}, file: { path: "sample.yaml", text } });

test("the sample is right as it is, and sets nothing", async () => {
  const { settings } = await load(sampleYaml());
  expect(configKeyNames.filter((key) => settings[key].source.kind !== "default")).toEqual([]);
});

test("with every # before a key taken away it is right too, and says the defaults", async () => {
  const { settings } = await load(sampleYaml().replaceAll(/^ {2}#(?=\w+: )/gm, "  "));
  expect(configKeyNames.filter((key) => settings[key].source.kind !== "file")).toEqual([]);
  expect(configKeyNames.map((key) => settings[key].text)).toEqual(
    configKeyNames.map((key) => configKeys[key].default),
  );
});

test("values that were asked for are set in it", async () => {
  const { settings } = await load(sampleYaml({ "storage.data_dir": "/var/lib/openwit" }));
  const set = configKeyNames.filter((key) => settings[key].source.kind === "file");
  expect([set, settings["storage.data_dir"].value]).toEqual([["storage.data_dir"], "/var/lib/openwit"]);
});

test.each([
  "a: b",
  "# no comment",
  "null",
  " x ",
  "${HOME}",
  '"',
  "\\",
  "é\n",
  "- x",
  "*a",
  "%x",
  "1.50",
  "yes:",
  "",
])(
  "a text such as %j is read back as it is",
  async (text) => {
    const { readConfigFile } = await import("./yaml.ts");
    const { leaves } = await readConfigFile({ path: "x", text: plainYaml({ "metastore.url": text }) });
    expect(leaves.get("metastore.url")?.text).toBe(text);
  },
);

test("the schema knows every key, and its patterns take what the check takes", async () => {
  // deno-lint-ignore no-explicit-any -- JSON
  const sections = configSchema().properties as any;
  for (const key of configKeyNames) {
    const [section, name] = key.split(".");
    const { pattern, enum: words } = sections[section].properties[name];
    const fallback: string = configKeys[key].default;
    for (const text of [fallback, "${X:-1}"]) {
      if (pattern !== undefined) {
        expect([key, text, new RegExp(pattern).test(text)]).toEqual([key, text, true]);
      }
    }
    if (words !== undefined) expect(words).toContain(fallback);
    if (pattern !== undefined) {
      expect(new RegExp(pattern).test("nonsense!")).toBe(false);
      const { problems } = await readConfiguration({
        flags: {},
        environment: {},
        file: { path: "x", text: plainYaml({ [key]: "nonsense!" }) },
      });
      expect(problems.length).toBe(1);
    }
  }
});
