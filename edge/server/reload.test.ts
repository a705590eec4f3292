import { expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../core/env/log.ts";
import { OpenWitError } from "../../core/error.ts";
import type { Config } from "../config/config.ts";
import { type ConfigKeyName, configKeyNames, configKeys } from "../config/keys.ts";
import { plainYaml, type Texts } from "../config/render.ts";
import { loadConfiguration } from "../config/settings.ts";
import { NodeLog } from "../log/log.ts";
import { Node } from "./node.ts";
import { Reloader } from "./reload.ts";

const configurationOf = (texts: Texts) =>
  loadConfiguration({ flags: {}, environment: {}, file: { path: "openwit.yaml", text: plainYaml(texts) } });

/** A reloader that reads `files.texts`, with what it applied and told of. */
async function openReloader(texts: Texts = {}) {
  const files: { texts: Texts } = { texts };
  const applied: Config[] = [];
  const told: (string | undefined)[] = [];
  const phases: string[] = [];
  const env = {
    paths: {},
    load: async () => await configurationOf(files.texts),
    apply: (config: Config) => void applied.push(config),
    log: silentLog,
    onOutcome: (_: string, trouble?: string) => void told.push(trouble),
  };
  const reloader = new Reloader(env, await configurationOf(texts));
  reloader.listeners.add((phase) => phases.push(phase));
  return { files, applied, told, phases, env, reloader };
}

test("live keys are applied, and those that need a restart keep their value and are named", async () => {
  const { files, applied, reloader } = await openReloader({ "search.threads": "2" });
  files.texts = { "search.threads": "3", "search.timeout": "5s" };
  const { changes } = await reloader.reload("api");
  expect(changes).toEqual([
    { key: "search.timeout", from: "60s", to: "5s", applied: "live" },
    { key: "search.threads", from: "2", to: "3", applied: "restart_needed" },
  ]);
  expect([applied.length, applied[0].searchTimeoutMs, applied[0].searchThreads]).toEqual([1, 5_000, 2]);
  expect(reloader.restartNeeded).toEqual(["search.threads"]);
  files.texts = { "search.timeout": "5s" };
  await reloader.reload("api");
  expect([reloader.restartNeeded, reloader.running.settings["search.timeout"].text]).toEqual([[], "5s"]);
});

test("a wrong file changes nothing, and says so", async () => {
  const { files, applied, told, phases, reloader } = await openReloader();
  files.texts = { "search.timeout": "5s", "search.rows_max": "many" };
  await expect(reloader.reload("file")).rejects.toThrow(/search.rows_max is "many"/);
  expect(applied).toEqual([]);
  expect(reloader.running.config.searchTimeoutMs).toBe(60_000);
  expect(told).toEqual([expect.stringContaining("the one before runs on")]);
  files.texts = { "search.timeout": "5s" };
  await reloader.reload("file");
  expect([told.at(-1), phases]).toEqual([undefined, ["begin", "end", "begin", "end"]]);
});

test("what cannot be applied is taken back", async () => {
  const { files, applied, env, reloader } = await openReloader();
  const before = reloader.running.config;
  const apply = spyOn(env, "apply").mockImplementationOnce(() => {
    throw new OpenWitError("unavailable", "not now");
  });
  files.texts = { "search.timeout": "5s" };
  await expect(reloader.reload("api")).rejects.toThrow("not now");
  expect([apply.mock.calls.length, applied]).toEqual([2, [before]]);
  expect(reloader.running.config).toBe(before);
});

test("keys that go together only after a restart are refused until then", async () => {
  const { files, reloader } = await openReloader({ "search.threads": "2" });
  files.texts = { "storage.evict_first": "debug", "storage.when_full": "refuse" };
  await expect(reloader.reload("api")).rejects.toThrow(/nothing is evicted/);
});

test("a dry run says what would change, and leaves it", async () => {
  const { files, applied, phases, reloader } = await openReloader();
  files.texts = { "search.timeout": "5s" };
  const { changes } = await reloader.reload("api", { isDryRun: true });
  expect([changes.length, applied, phases, reloader.restartNeeded]).toEqual([1, [], [], []]);
});

test("reloads run one after another", async () => {
  const { files, applied, reloader } = await openReloader();
  files.texts = { "search.timeout": "5s" };
  const reports = await Promise.all([reloader.reload("signal"), reloader.reload("file")]);
  expect(reports.map(({ changes }) => changes.length)).toEqual([1, 0]);
  expect(applied.length).toBe(2);
});

type LiveKey = {
  [Key in ConfigKeyName]: (typeof configKeys)[Key]["reload"] extends "live" ? Key : never;
}[ConfigKeyName];

/** For each key that is said to be live: another value, and where a running node shows that it goes by it. */
const liveKeys: Readonly<Record<LiveKey, readonly [string, (seen: Seen) => unknown, unknown]>> = {
  "storage.budget": ["5GB", ({ node }) => node.budget!.options.budget, { bytes: 5e9 }],
  "storage.when_full": ["refuse", ({ node }) => node.budget!.options.whenFull, "refuse"],
  "storage.evict_first": ["debug", ({ maintenance }) => maintenance.evictFirst, "debug"],
  "storage.retention": ["3d", ({ node }) => node.budget!.options.retentionMs, 3 * 86_400_000],
  "storage.retention_logs": ["2h", ({ node }) => node.budget!.options.retentionMsOf!.logs, 7_200_000],
  "storage.retention_spans": ["3h", ({ node }) => node.budget!.options.retentionMsOf!.spans, 10_800_000],
  "storage.retention_metrics": ["4h", ({ node }) => node.budget!.options.retentionMsOf!.metrics, 14_400_000],
  "storage.stream_max": ["1GB", ({ node }) => node.budget!.options.streamBytesMax, 1e9],
  "storage.manifest_size": ["1MiB", ({ node }) => node.store().options.manifestBytesMax, 1024 ** 2],
  "ingestion.body_max": [
    "1KiB",
    ({ answer }) => answer,
    "the body has 2000 bytes, more than the limit of 1024 bytes; send smaller batches",
  ],
  "ingestion.decoded_max": [
    "1KiB",
    ({ answer }) => answer,
    "the decompressed body is larger than the limit of 1024 bytes; send smaller batches",
  ],
  "wal.sync": ["never", ({ node }) => node.store().wal.options.sync, "never"],
  "wal.interval": ["7ms", ({ node }) => node.store().wal.options.intervalMs, 7],
  "wal.file_size": ["64KiB", ({ node }) => node.store().wal.options.fileBytesMax, 65_536],
  "wal.file_age": ["9s", ({ node }) => node.store().wal.options.fileAgeMsMax, 9_000],
  "processing.flush_age": ["11s", ({ node }) => node.store().options.flushAgeMs, 11_000],
  "processing.flush_size": ["1MiB", ({ node }) => node.store().options.flushBytes, 1024 ** 2],
  "processing.compaction_interval": [
    "7m",
    ({ node }) => node.maintenance().janitor.tasks().find(({ name }) => name === "compaction")!.everyMs,
    420_000,
  ],
  "search.timeout": ["5s", ({ node }) => node.searchTimeoutMs, 5_000],
  "search.rows_max": ["17", ({ node }) => node.searchRowsMax, 17],
  "search.result_max": ["2KiB", ({ node }) => node.searchBytesMax, 2_048],
  "search.sql_max": ["2KiB", ({ node }) => node.sqlBytesMax, 2_048],
  "search.concurrency": ["1", ({ engine }) => engine.concurrency, 1],
  "search.queue_max": ["3", ({ engine }) => engine.waitingMax, 3],
  "search.queue_tenant_max": ["2", ({ engine }) => engine.tenantWaitingMax, 2],
  "logging.format": ["text", ({ node }) => node.logging.format, "text"],
  "logging.level": ["error", ({ node }) => node.logging.level, "error"],
  "control_plane.self_interval": ["5s", ({ node }) => node.self.intervalMs, 5_000],
  "control_plane.self_retention": [
    "2d",
    ({ node }) => node.budget!.options.tenants!._system.retentionMs,
    2 * 86_400_000,
  ],
  "control_plane.self_max": [
    "1MiB",
    ({ node }) => node.budget!.options.tenants!._system.streamBytesMax,
    1024 ** 2,
  ],
  "metastore.write_interval": ["3s", ({ catalog }) => catalog.writeEveryMs, 3_000],
  "control_plane.trial": ["5s", ({ node }) => node.config.trialMs, 5_000],
  "metastore.retention": ["1d", ({ catalog }) => catalog.retentionMs, 86_400_000],
};

interface Seen {
  readonly node: Node;
  readonly maintenance: Pick<Config, "evictFirst">;
  readonly engine: { concurrency: number; waitingMax: number; tenantWaitingMax: number };
  readonly catalog: Config["metastore"];
  /** To a request of 2,000 bytes. */
  readonly answer: string;
}

test("every key that is said to be live reaches the part that goes by it, while the node runs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openwit-reload-"));
  const listeners = Object.fromEntries(
    ["http", "otlp_http", "otlp_grpc"].map((name) => [`networking.${name}`, "127.0.0.1:0"]),
  );
  const texts = { ...listeners, "storage.data_dir": folder };
  const { config } = await configurationOf(texts);
  const node = new Node(config, new NodeLog({ level: "error", format: "json" }));
  await node.start();
  try {
    const maintenance = spyOn(node.maintenance(), "configure");
    const resize = spyOn(node.engine(), "resize" as never) as ReturnType<typeof spyOn>;
    const catalog = spyOn(node.catalog!, "configure");
    for (const key of Object.keys(liveKeys) as LiveKey[]) {
      const [text, observe, expected] = liveKeys[key];
      const changed = (await configurationOf({ ...texts, [key]: text })).config;
      node.configure(changed);
      const response = await fetch(`${node.endpoints!.otlp_http}/v1/logs`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: `{"resourceLogs":[]}`.padEnd(2_000),
      });
      const seen = observe({
        node,
        maintenance: maintenance.mock.lastCall![0],
        engine: resize.mock.lastCall![0] as never,
        catalog: catalog.mock.lastCall![0],
        answer: (await response.json()).message,
      });
      expect([key, seen]).toEqual([key, expected]);
    }
  } finally {
    await node.stop();
    rmSync(folder, { recursive: true });
  }
}, 60_000);

test("the table of what was tried has every live key and no other", () => {
  const live = configKeyNames.filter((key) => configKeys[key].reload === "live");
  expect(Object.keys(liveKeys).sort()).toEqual([...live].sort());
});
