import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "./settings.ts";

const load = (environment: Record<string, string>) => loadConfig({ flags: {}, environment });
const refusal = (environment: Record<string, string>) =>
  load(environment).then(() => undefined, (error) => error);

test("no catalog is kept unless someone says so", async () => {
  expect((await load({})).metastore).toMatchObject({ kind: "none", url: "" });
});

test("a URL may stand in a file, so that the password is in no environment", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openwit-config-"));
  try {
    writeFileSync(join(folder, "url"), "postgres://u:s3cret@db/openwit\n");
    const { metastore } = await load({
      OPENWIT_METASTORE__KIND: "postgres",
      OPENWIT_METASTORE__URL: `file://${folder}/url`,
    });
    expect(metastore.url).toBe("postgres://u:s3cret@db/openwit");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ["no URL for PostgreSQL", { OPENWIT_METASTORE__KIND: "postgres" }],
  ["a URL of something else", {
    OPENWIT_METASTORE__KIND: "postgres",
    OPENWIT_METASTORE__URL: "mysql://u:s3cret@db",
  }],
  ["no URL at all", {
    OPENWIT_METASTORE__KIND: "postgres",
    OPENWIT_METASTORE__URL: "postgres://u:s3cret@db:x y/",
  }],
  ["a URL without PostgreSQL", {
    OPENWIT_METASTORE__KIND: "pglite",
    OPENWIT_METASTORE__URL: "postgres://u:s3cret@db",
  }],
  ["a file that is not there", {
    OPENWIT_METASTORE__KIND: "postgres",
    OPENWIT_METASTORE__URL: "file:///nowhere/url",
  }],
  ["another kind", { OPENWIT_METASTORE__KIND: "mysql" }],
])("%s is refused before anything starts, without the password", async (_, environment) => {
  const error = await refusal(environment);
  expect(error).toMatchObject({ code: "invalid_argument" });
  expect(JSON.stringify(error)).not.toContain("s3cret");
});
