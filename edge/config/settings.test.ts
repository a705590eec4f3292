import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import { codeFiles, isTest } from "../../tests/house/sources.ts";
import { configOf } from "./config.ts";
import { diffSettings } from "./diff.ts";
import { configDoubts } from "./doubts.ts";
import { type ConfigKey, configKeyNames, configKeys } from "./keys.ts";
import { hintOfOriginal, originalKeys } from "./original.ts";
import { type ConfigInputs, loadConfiguration, readConfiguration, summary } from "./settings.ts";
import type { ConfigValues } from "./values.ts";

const read = (yaml: string, more: Partial<ConfigInputs> = {}) =>
  readConfiguration({ flags: {}, environment: {}, file: { path: "openwit.yaml", text: yaml }, ...more });
const problemsOf = async (yaml: string, more: Partial<ConfigInputs> = {}) =>
  (await read(yaml, more)).problems.map(({ message, hint }) =>
    hint === undefined ? message : `${message} · ${hint}`
  );
const load = (yaml: string, more: Partial<ConfigInputs> = {}) =>
  loadConfiguration({ flags: {}, environment: {}, file: { path: "openwit.yaml", text: yaml }, ...more });

describe("nothing is declared that nobody reads", () => {
  test("the configuration is composed of every key of the table", async () => {
    const { settings } = await load("");
    const values = Object.fromEntries(configKeyNames.map((key) => [key, settings[key].value]));
    const asked = new Set<string>();
    configOf(
      new Proxy(values as ConfigValues, {
        get(target, key) {
          asked.add(String(key));
          return Reflect.get(target, key);
        },
      }),
    );
    expect(configKeyNames.filter((key) => !asked.has(key))).toEqual([]);
  });

  test("every field of the configuration is used by what it configures", async () => {
    const { config } = await load("");
    const users = codeFiles().filter(({ path }) =>
      /^(edge|core)\//.test(path) && !path.startsWith("edge/config/") && !isTest(path)
    );
    const isUsed = (field: string) =>
      users.some(({ text }) =>
        new RegExp(`\\bconfig\\b[^;]*\\b${field}\\b|\\b${field}\\b[^;]*\\bconfig\\b`, "i").test(text)
      );
    const nested = [
      ...Object.keys(config.metastore),
      ...Object.keys(config.wal),
      ...Object.keys(config.budget),
    ];
    const isNamed = (field: string) => users.some(({ text }) => new RegExp(`[.{,\\s]${field}\\b`).test(text));
    expect(Object.keys(config).filter((field) => !isUsed(field))).toEqual([]);
    expect(nested.filter((field) => !isNamed(field))).toEqual([]);
  });
});

describe("the table is right in itself", () => {
  test.each(configKeyNames.map((key) => [key] as const))(
    "%s: its default and its bounds are values of it",
    (key) => {
      const { default: fallback, least, most, doc } = configKeys[key] as ConfigKey;
      expect(doc).toEndWith(".");
      return Promise.all(
        [fallback, least, most].filter((text) => text !== undefined).map(async (text) => {
          const environment = { [`OPENWIT_${key.toUpperCase().replaceAll(".", "__")}`]: text };
          const { problems } = await readConfiguration({ flags: {}, environment });
          expect(problems).toEqual([]);
        }),
      );
    },
  );

  test("what the original's keys are said to be are keys of ours, and none of the original's is one itself", () => {
    for (const [key, { ours, note }] of Object.entries(originalKeys)) {
      if (ours === undefined) expect(note).toBeDefined();
      else expect(configKeyNames).toContain(ours);
      expect(configKeyNames).not.toContain(key as never);
    }
  });
});

describe("precedence", () => {
  const file = {
    path: "openwit.yaml",
    text: "storage:\n  budget: 1GB\n  when_full: refuse\nwal: {sync: never}\n",
  };
  const overlay = { path: "openwit.production.yaml", text: "storage:\n  budget: 2GB\n" };

  test("a flag wins over the environment, that over the overlay, that over the file, that over the default", async () => {
    const of = async (more: Partial<ConfigInputs>) => {
      const { settings } = await loadConfiguration({ flags: {}, environment: {}, ...more });
      const { text, source } = settings["storage.budget"];
      return [text, source];
    };
    const environment = { OPENWIT_STORAGE__BUDGET: "3GB" };
    expect(await of({})).toEqual(["80%", { kind: "default" }]);
    expect(await of({ file })).toEqual(["1GB", { kind: "file", path: "openwit.yaml", line: 2 }]);
    expect(await of({ file, overlay })).toEqual([
      "2GB",
      { kind: "overlay", path: "openwit.production.yaml", line: 2 },
    ]);
    expect(await of({ file, overlay, environment })).toEqual([
      "3GB",
      { kind: "environment", name: "OPENWIT_STORAGE__BUDGET" },
    ]);
    expect(await of({ file, overlay, environment, flags: { budget: "4GB" } })).toEqual([
      "4GB",
      { kind: "flag", name: "--budget" },
    ]);
  });

  test("an overlay changes its keys and leaves the others", async () => {
    const { config } = await loadConfiguration({ flags: {}, environment: {}, file, overlay });
    expect([config.budget.budget, config.budget.whenFull, config.wal.sync]).toEqual([
      { bytes: 2e9 },
      "refuse",
      "never",
    ]);
  });
});

test("a secret's file is read each time, and that it holds another one is told without it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openwit-secret-"));
  try {
    const path = join(folder, "url");
    const yaml = `metastore: {kind: postgres, url: "file://${path}"}\n`;
    writeFileSync(path, "postgres://u:first@db/x\n");
    const before = await load(yaml);
    writeFileSync(path, "postgres://u:second@db/x\n");
    const after = await load(yaml);
    expect([before.config.metastore.url, after.config.metastore.url]).toEqual([
      "postgres://u:first@db/x",
      "postgres://u:second@db/x",
    ]);
    const to = `file://${path} (it holds another one)`;
    expect(diffSettings(before.settings, after.settings)).toEqual([
      { key: "metastore.url", from: `file://${path}`, to, applied: "restart_needed" },
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a value that another layer wins over must be right all the same", async () => {
  const environment = { OPENWIT_SEARCH__ROWS_MAX: "7" };
  expect(await problemsOf("search: {rows_max: many}\n", { environment })).toEqual([
    'openwit.yaml:1: search.rows_max is "many"; expected a whole number',
  ]);
  const secret = { OPENWIT_METASTORE__URL: "postgres://u@db/x", OPENWIT_METASTORE__KIND: "postgres" };
  expect(await problemsOf("metastore: {url: 'file:///nowhere'}\n", { environment: secret })).toEqual([]);
});

describe("what is wrong is told with its place", () => {
  test("all of it, each with file, line and key", async () => {
    const yaml =
      "wal:\n  snyc: always\n  interval: 5\nstorage:\n  budget: 1KB\n  when_full: refuze\nsearch: [1]\n";
    expect(await problemsOf(yaml)).toEqual([
      "openwit.yaml:2: wal.snyc is unknown · did you mean wal.sync?",
      "openwit.yaml:7: search is unknown · " + `known are ${configKeyNames.join(", ")}`,
      'openwit.yaml:5: storage.budget is "1KB"; expected at least 1MiB',
      'openwit.yaml:6: storage.when_full is "refuze"; expected evict-oldest, refuse · did you mean refuse?',
      'openwit.yaml:3: wal.interval is "5"; expected a duration such as 500ms, 15m or 7d',
    ]);
  });

  test.each([
    ["wal: {sync: always\n", /^openwit.yaml:\d: this is not valid YAML: /],
    ["wal: {sync: always, sync: never}\n", /^openwit.yaml:1: this is not valid YAML: .*unique/],
    ["wal:\n  sync: [always]\n", /^openwit.yaml:2: wal.sync has no single value/],
    ["wal:\n  sync:\n", /^openwit.yaml:2: wal.sync has no single value/],
    ["just text\n", /^openwit.yaml:1: expected sections/],
    ["wall: {}\n", /^openwit.yaml:1: wall is unknown/],
    ["memory:\n\n  limit: ${NOWHERE}\n", /^openwit.yaml:3: memory.limit: variable NOWHERE is not set/],
    ["memory: {limit: 1MiB}\n", /expected at least 64MiB/],
    ["search: {threads: 0}\n", /expected at least 1/],
    ["search: {concurrency: 9}\n", /expected at most 8/],
    ['storage: {data_dir: ""}\n', /is empty; expected a path/],
    [
      "networking: {http: '0.0.0.0:6318'}\n",
      /^openwit.yaml:1: networking.http 0.0.0.0 can be reached .*--insecure/,
    ],
    [
      "networking: {http: '127.0.0.1:4318'}\n",
      /otlp_http and openwit.yaml:1: networking.http are both port 4318/,
    ],
    ["storage: {when_full: refuse, evict_first: debug}\n", /evict_first is debug, .*nothing is evicted/],
    [
      "memory:\n  max_memory_gb: 32\n",
      /^openwit.yaml:2: memory.max_memory_gb is unknown · here it is memory.limit/,
    ],
    ["ingestion:\n  kafka: {brokers: x}\n", /^openwit.yaml:2: ingestion.kafka.brokers is unknown · OTLP/],
  ])("%j", async (yaml, expected) => {
    const problems = await problemsOf(yaml);
    expect([problems.length, problems[0]]).toEqual([1, expect.stringMatching(expected)]);
  });

  test("of several the first is thrown, and says that there are more", () => {
    const error = summary(
      [1, 2, 3].map((each) => new OpenWitError("invalid_argument", `${each}`)),
    );
    expect([error.message, error.hint]).toEqual(["1", "2 more: openwit config check tells them"]);
  });

  test("an unknown variable of ours is named; those of orchestrators are left alone", async () => {
    const environment = { OPENWIT_STORAGE__BUGDET: "1GB", OPENWIT_PORT: "tcp://10.0.0.1:80" };
    const problems = await problemsOf("", { environment });
    expect(problems).toEqual([
      "environment variable OPENWIT_STORAGE__BUGDET is unknown · did you mean OPENWIT_STORAGE__BUDGET?",
    ]);
  });

  test("a secret is in no message", async () => {
    const problems = await problemsOf("metastore: {kind: postgres, url: 'mysql://u:s3cret@db'}\n");
    expect([problems.length, problems.join()]).toEqual([1, expect.not.stringContaining("s3cret")]);
  });
});

test("what stands in a file is read as it was written, and sections may be empty", async () => {
  const yaml = "x: &limit 1GiB\n".replace("x:", "memory:\n  limit:") +
    "storage:\nnetworking: {}\nsearch:\n  threads: 03\n  spill_max: *limit\n  timeout: ${T:-2m}\n";
  const { config } = await load(yaml);
  expect([config.memoryBytesMax, config.searchThreads, config.spillBytesMax, config.searchTimeoutMs]).toEqual(
    [
      1024 ** 3,
      3,
      1024 ** 3,
      120_000,
    ],
  );
});

test("aliases that have no end, or stand for more than anybody can read, are refused", async () => {
  const endless = await problemsOf("a: &a {b: *a}\n");
  expect([endless.length, endless[0]]).toEqual([1, expect.stringContaining("is unknown")]);
  const levels = Array.from({ length: 8 }, (_, level) => {
    const inner = Array.from(
      { length: 10 },
      (_, index) => `k${index}: ${level === 0 ? 1 : `*a${level - 1}`}`,
    );
    return `l${level}: &a${level} {${inner.join(", ")}}\n`;
  });
  expect((await problemsOf(levels.join(""))).length).toBe(100);
});

test("two configurations differ by value, and a secret's value is not shown", async () => {
  const from = await load("search: {timeout: 60s, threads: 2}\n");
  const to = await load(
    "search: {timeout: 1m, threads: 3, rows_max: 7}\nmetastore: {kind: postgres, url: 'postgres://u:s3cret@db/x'}\n",
  );
  expect(diffSettings(from.settings, to.settings)).toEqual([
    { key: "search.rows_max", from: "1000000", to: "7", applied: "live" },
    { key: "search.threads", from: "2", to: "3", applied: "restart_needed" },
    { key: "metastore.kind", from: "none", to: "postgres", applied: "restart_needed" },
    { key: "metastore.url", from: "", to: "(secret)", applied: "restart_needed" },
  ]);
});

test("every part of the original's unified file has a hint of its own", () => {
  const parts = [
    "environment",
    "deployment.mode",
    "control_plane.grpc_endpoint",
    "ingestion.sources.kafka.enabled",
    "ingestion.kafka.topics",
    "ingestion.batch_tracker.enabled",
    "ingestion.performance.workers",
    "ingestion.batch_processing.batch_size",
    "ingestion.grpc.runtime_size",
    "ingestion.grpc.tls.enabled",
    "ingestion.http.max_concurrent_requests",
    "ingestion.otlp_batching.enabled",
    "storage.local.enabled",
    "storage.azure.enabled",
    "storage.s3.bucket",
    "storage.gcs.prefix",
    "storage.parquet.row_group_size",
    "storage.write_buffer.max_rows",
    "storage.partitioning.structure",
    "storage.file_rotation.file_size_mb",
    "storage.local_retention.delete_after_upload",
    "storage.performance.max_concurrent_batches",
    "storage_node.cache.ttl_seconds",
    "networking.inter_node.keepalive_interval_ms",
    "memory.max_memory_gb",
    "metastore.backend",
    "metastore.sled.path",
    "metastore.postgres.max_connections",
    "indexing.enabled",
    "search.enabled",
    "janitor.retention_days",
    "development.skip_health_checks",
    "performance_testing.enabled",
    "service_ports.proxy.service",
  ];
  expect(parts.filter((key) => hintOfOriginal(key) === undefined)).toEqual([]);
});

test("a key below one of the original's is hinted at like it", () => {
  expect(hintOfOriginal("networking.inter_node.request_timeout_ms")).toContain("one process");
  expect(hintOfOriginal("storage.budgets")).toBeUndefined();
});

test.each([
  ["memory: {limit: 512MiB}\nmetastore: {kind: pglite}\n", "openwit.yaml:2: metastore.kind is pglite"],
  ["memory: {limit: 1GiB}\nmetastore: {kind: pglite}\n", undefined],
  ["search: {memory_max: 1GiB}\n", "openwit.yaml:1: search.memory_max is as much as memory.limit"],
  ["wal:\n  interval: 1s\n", "openwit.yaml:2: wal.interval is set"],
  ["wal: {sync: interval, interval: 1s}\n", undefined],
  ["ingestion: {body_max: 65MiB}\n", "openwit.yaml:1: ingestion.body_max is more than"],
  ["", undefined],
])("of %j a check has its doubts", async (yaml, expected) => {
  const doubts = configDoubts(await load(yaml)).map(({ message }) => message);
  expect(doubts).toEqual(expected === undefined ? [] : [expect.stringContaining(expected)]);
});
