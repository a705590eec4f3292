import { expect, test } from "bun:test";
import { pathsOf } from "./files.ts";

const none = () => false;
const all = () => true;
const home = { HOME: "/people/me" };

test.each([
  ["a checkout reads no file that it was not told of", {}, home, "/src/node_modules/bun/bin/bun", {}],
  ["nor does an executable that was unpacked somewhere", {}, home, "/tmp/openwit", {}],
  ["nor a runtime that was installed", {}, home, "/usr/bin/bun", {}],
  ["an installed one has the system's", {}, home, "/usr/bin/openwit", { file: "/etc/openwit/openwit.yaml" }],
  ["a user's has the user's", {}, home, "/people/me/.local/bin/openwit", {
    file: "/people/me/.config/openwit/openwit.yaml",
  }],
  [
    "XDG_CONFIG_HOME says where that is",
    {},
    { ...home, XDG_CONFIG_HOME: "/c" },
    "/people/me/.local/bin/openwit",
    {
      file: "/c/openwit/openwit.yaml",
    },
  ],
  ["a variable names another", {}, { ...home, OPENWIT_CONFIG: "b.yaml" }, "/usr/bin/openwit", {
    file: "b.yaml",
  }],
  ["a flag wins over it", { config: "a.yaml" }, { OPENWIT_CONFIG: "b.yaml" }, "/usr/bin/openwit", {
    file: "a.yaml",
  }],
  ["an empty name is none", { config: "" }, { OPENWIT_CONFIG: "b.yaml" }, "/usr/bin/openwit", {}],
  [
    "an environment has an overlay beside the file",
    { config: "/e/a.b.yaml", environment: "production" },
    {},
    "/x",
    {
      file: "/e/a.b.yaml",
      overlay: "/e/a.b.production.yaml",
    },
  ],
  ["also by variable", {}, { OPENWIT_CONFIG: "a.yaml", OPENWIT_ENVIRONMENT: "site-7" }, "/x", {
    file: "a.yaml",
    overlay: "a.site-7.yaml",
  }],
])("%s", (_, flags, environment, executable, expected) => {
  expect(pathsOf(flags, environment, executable, all)).toEqual(expected);
});

test("where the usual file is not, there is none", () => {
  expect(pathsOf({}, {}, "/usr/bin/openwit", none)).toEqual({});
});

test("an environment without a file, or one that is a path, is refused", () => {
  expect(() => pathsOf({ environment: "production" }, {}, "/x", none)).toThrow(/no configuration file/);
  expect(() => pathsOf({ config: "a.yaml", environment: "../x" }, {}, "/x", none)).toThrow(/"..\/x"/);
});
