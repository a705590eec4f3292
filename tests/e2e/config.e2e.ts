/** The configuration of a running box: what it shows, how it takes another one under load, and what it refuses. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Box } from "./box.ts";

const box = new Box(["--config", "openwit.yaml", "--environment", "site"]);
const file = join(box.folder, "openwit.yaml");

beforeAll(async () => {
  await Bun.write(file, "search:\n  timeout: 50s\n");
  await Bun.write(join(box.folder, "openwit.site.yaml"), "search:\n  rows_max: 900000\n");
  await box.start();
});
afterAll(async () => {
  await box[Symbol.asyncDispose]();
});

interface Shown {
  settings: { key: string; value: string; source: Record<string, unknown> }[];
  restart_needed: string[];
}

const settingOf = async (key: string) => {
  const { settings } = await box.get<Shown>("/api/v1/admin/config");
  return settings.find((each) => each.key === key)!;
};

/** Until a key has a value in the running server. */
async function untilValue(key: string, value: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await Bun.sleep(20)) {
    if ((await settingOf(key)).value === value) return;
  }
  throw new Error(`${key} did not become ${value}: ${box.stderr}`);
}

test("config show tells of the running server where each value came from", async () => {
  expect((await settingOf("search.timeout")).source).toEqual({ kind: "file", path: "openwit.yaml", line: 2 });
  expect((await settingOf("search.rows_max")).source).toEqual({
    kind: "overlay",
    path: "openwit.site.yaml",
    line: 2,
  });
  expect((await settingOf("storage.data_dir")).source).toEqual({ kind: "flag", name: "--data-dir" });
  const { status, stdout } = await box.run("config", "show", "--running", "--data-dir", box.dataDir);
  expect(status).toBe(0);
  expect(stdout).toMatch(/search\.timeout +50s +openwit\.yaml:2\n/);
  expect(stdout).toMatch(/wal\.sync +always +default\n/);
});

test("an overlay that is named and missing is an error", async () => {
  const { status, stderr } = await box.run("serve", "--config", "openwit.yaml", "--environment", "sight");
  expect([status, stderr]).toEqual([2, expect.stringContaining("openwit.sight.yaml")]);
});

test("reloads under load lose no request, whichever way they are asked for", async () => {
  const ways = [
    () => box.post("/api/v1/admin/reload"),
    () => Promise.resolve(process.kill(box.pid, "SIGHUP")),
    () => Promise.resolve(), // the changed file alone
  ];
  let sent = 0;
  let isOver = false;
  const failed: string[] = [];
  const send = async (client: number) => {
    while (!isOver) {
      const body = JSON.stringify({
        resourceLogs: [{
          scopeLogs: [{ logRecords: [{ body: { stringValue: `${client} ${sent} ${Math.random()}` } }] }],
        }],
      });
      const answer = await fetch(`${box.endpoints.otlp_http}/v1/logs`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      }).catch((error: Error) => ({ ok: false, status: 0, text: () => Promise.resolve(error.message) }));
      if (answer.ok) sent++;
      else failed.push(`${answer.status}: ${await answer.text()}`);
    }
  };
  const clients = Array.from({ length: 8 }, (_, client) => send(client));
  for (let round = 0; round < 12; round++) {
    const yaml =
      `search: {timeout: ${30 + round}s, concurrency: ${1 + round % 8}, queue_max: ${9 + round}}\n` +
      `storage: {budget: ${10 + round}GB, retention: ${round}d, evict_first: ${
        round % 2 ? "debug" : "none"
      }}\n` +
      `ingestion: {body_max: ${1 + round}MiB}\nwal: {sync: ${
        ["always", "interval", "never"][round % 3]
      }, file_size: 64KiB}\n` +
      `processing: {flush_age: ${100 + round * 50}ms, flush_size: ${1 + round}MiB, compaction_interval: ${
        1 + round
      }s}\n`;
    await Bun.write(file, yaml);
    await ways[round % ways.length]();
    await untilValue("search.timeout", `${30 + round}s`);
  }
  isOver = true;
  await Promise.all(clients);
  expect(failed).toEqual([]);
  expect(sent).toBeGreaterThan(100);
  expect(Number(await box.value("SELECT count(*) FROM logs"))).toBe(sent);
}, 120_000);

test("a wrong file changes nothing, and log, answer and health say so", async () => {
  const before = (await settingOf("search.timeout")).value;
  await Bun.write(file, "search:\n  timeout: 5s\n  rows_max: many\n");
  const answer = await box.post("/api/v1/admin/reload");
  expect(answer.status).toBe(400);
  expect((await answer.json()).error.message).toContain("openwit.yaml:3: search.rows_max");
  const refused = await box.run("config", "reload", "--data-dir", box.dataDir);
  expect([refused.status, refused.stderr]).toEqual([
    1,
    expect.stringContaining("nothing was changed: openwit.yaml:3"),
  ]);
  expect((await box.run("config", "show", "--config", "openwit.yaml")).status).toBe(1);
  expect((await box.run("config", "diff", "openwit.yaml", "openwit.site.yaml")).status).toBe(1);
  expect((await settingOf("search.timeout")).value).toBe(before);
  expect(box.stderr).toContain("the new configuration was refused: the one before runs on");
  const health = await box.get<{ components: Record<string, { status: string }> }>("/health");
  expect(health.components.config.status).toBe("degraded");
});

test("keys that need a restart are named: by a dry run, by the reload, and afterwards", async () => {
  await Bun.write(file, "search:\n  timeout: 42s\n  threads: 1\n");
  const diff = await box.run("config", "reload", "--dry-run", "--data-dir", box.dataDir);
  expect(diff.stdout).toMatch(/search\.threads +2 → 1 +\(needs a restart\)\n/);
  const { stdout } = await box.run("config", "reload", "--data-dir", box.dataDir, "--json");
  expect(JSON.parse(stdout).restart_needed).toEqual(["search.threads"]);
  const { settings, restart_needed: waiting } = await box.get<Shown>("/api/v1/admin/config");
  expect([waiting, settings.find(({ key }) => key === "search.threads")!.value]).toEqual([
    ["search.threads"],
    "2",
  ]);
  const health = await box.get<{ components: Record<string, { status: string }> }>("/health");
  expect(health.components.config.status).toBe("ok");
});

test("config diff tells what a file would change in the running server", async () => {
  const path = join(box.folder, "new.yaml");
  await Bun.write(path, "search: {timeout: 43s, rows_max: 900000}\nnetworking: {http: '127.0.0.1:1'}\n");
  const { stdout } = await box.run("config", "diff", path, "--data-dir", box.dataDir);
  expect(stdout).toBe("search.timeout  42s → 43s\n");
  rmSync(path);
});

test("config check names file, line and key of all that is wrong, and exits 1; of what is right, 0; of misuse, 2", async () => {
  await Bun.write(join(box.folder, "bad.yaml"), "storage:\n  budgt: 1GB\nmemory:\n  max_memory_gb: 4\n");
  const bad = await box.run("config", "check", "bad.yaml");
  expect([bad.status, bad.stdout]).toEqual([
    1,
    "bad.yaml:2: storage.budgt is unknown\n  hint: did you mean storage.budget?\n" +
    "bad.yaml:4: memory.max_memory_gb is unknown\n  hint: here it is memory.limit; as in 2GiB\n" +
    "bad.yaml: 2 things are wrong\n",
  ]);
  const sample = await box.run("config", "sample");
  await Bun.write(join(box.folder, "sample.yaml"), sample.stdout);
  expect((await box.run("config", "check", "sample.yaml")).status).toBe(0);
  expect((await box.run("config", "check", "nowhere.yaml")).status).toBe(2);
  expect((await box.run("config", "chekc")).status).toBe(2);
});

test("a secret in a file of its own is read from there, and in one that all may read it is warned of", async () => {
  await Bun.write(join(box.folder, "url"), "postgres://u:s3cret@127.0.0.1:1/x\n");
  const kept = `metastore: {kind: postgres, url: "file://${box.folder}/url"}\n`;
  await Bun.write(join(box.folder, "kept.yaml"), kept);
  const shown = await box.run("config", "show", "--config", "kept.yaml");
  expect(shown.stdout).toContain(`file://${box.folder}/url`);
  await Bun.write(
    join(box.folder, "plain.yaml"),
    kept.replace(/"file.*"/, '"postgres://u:s3cret@127.0.0.1:1/x"'),
  );
  const plain = await box.run("config", "show", "--config", "plain.yaml");
  const check = await box.run("config", "check", "plain.yaml");
  expect([check.status, check.stdout]).toEqual([
    0,
    expect.stringContaining("warning: plain.yaml:1: metastore.url is a secret"),
  ]);
  for (const { stdout, stderr } of [shown, plain, check]) expect(stdout + stderr).not.toContain("s3cret");
});
