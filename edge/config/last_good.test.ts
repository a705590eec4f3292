import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  fingerprintOf,
  forgetLastGood,
  goodPath,
  readLastGood,
  readTrial,
  trialPath,
  writeLastGood,
  writeTrial,
} from "./last_good.ts";
import { loadConfiguration } from "./settings.ts";
import type { TrialRecord } from "./trial.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "openwit-good-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const load = (text: string) =>
  loadConfiguration({ flags: {}, environment: {}, file: { path: "x.yaml", text } });

test("what is kept reads back as it was, for its owner alone, and says which file it was", async () => {
  const { settings } = await load(
    `search: {timeout: 5s}\nmetastore: {kind: postgres, url: 'postgres://u:s3cret@db/x?a="b"#c\\d: e'}\n`,
  );
  await writeLastGood(folder, settings, "x.yaml");
  const good = (await readLastGood(folder))!;
  expect(good.fingerprint).toBe(fingerprintOf(settings));
  expect(good.file).toEndWith("/x.yaml");
  expect(good.configuration.config).toMatchObject({
    dataDir: folder,
    searchTimeoutMs: 5_000,
    metastore: { url: 'postgres://u:s3cret@db/x?a="b"#c\\d: e' },
  });
  expect(good.configuration.settings["search.timeout"].source).toEqual({
    kind: "last_good",
    path: join(folder, goodPath),
  });
  expect(statSync(join(folder, goodPath)).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder, "run"))).toEqual(["config.good.yaml"]);
});

test("a secret that lies in a file of its own stays there", async () => {
  const path = join(folder, "url");
  writeFileSync(path, "postgres://u:s3cret@db/x");
  const { settings } = await load(`metastore: {kind: postgres, url: 'file://${path}'}\n`);
  await writeLastGood(folder, settings);
  expect(readFileSync(join(folder, goodPath), "utf8")).not.toContain("s3cret");
  expect((await readLastGood(folder))!.configuration.config.metastore.url).toBe("postgres://u:s3cret@db/x");
  rmSync(path);
  expect(await readLastGood(folder)).toBeUndefined();
});

test("a key of another version is left out, and a value that this one does not take makes it none", async () => {
  await writeLastGood(folder, (await load("")).settings);
  const path = join(folder, goodPath);
  chmodSync(path, 0o600);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace("search:", "search:\n  future: 1"));
  expect(await readLastGood(folder)).toBeDefined();
  writeFileSync(path, text.replace("timeout: 60s", "timeout: soon"));
  expect(await readLastGood(folder)).toBeUndefined();
});

test("two spellings of one value are one configuration; where the data lies is no part of it", async () => {
  const of = async (text: string) => fingerprintOf((await load(text)).settings);
  expect(await of("search: {timeout: 60s}\n")).toBe(
    await of("search: {timeout: 1m}\nstorage: {data_dir: /x}\n"),
  );
  expect(await of("search: {timeout: 61s}\n")).not.toBe(await of(""));
});

test("the state of a trial is kept until it is taken back, and a torn one is none", async () => {
  const record: TrialRecord = {
    state: "trial",
    fingerprint: "f",
    began: "reload",
    starts: 1,
    since: "2026-11-01T00:00:00Z",
    bootId: "b",
  };
  await writeTrial(folder, record);
  expect(readTrial(folder)).toEqual(record);
  writeFileSync(join(folder, trialPath), '{"state":"tri');
  expect(readTrial(folder)).toBeUndefined();
  await writeTrial(folder, undefined);
  await forgetLastGood(folder);
  expect(readdirSync(join(folder, "run"))).toEqual([]);
});
