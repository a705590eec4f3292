/** What a box says of itself: metrics, health, its log, and what it stores as tenant `_system`. */
import { Metadata } from "@grpc/grpc-js";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-grpc";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Metric, metricTable } from "../../core/metrics/names.ts";
import { Box, openwitCommand } from "./box.ts";
import { type Family, parseMetrics } from "./prometheus.ts";

const table = metricTable as Record<string, Metric>;
const promtool = Bun.which("promtool");
if (promtool === null) console.log("skipped checking /metrics by promtool: it is not here");

/** Samples and lines of the log are stored every second. */
function selfConfig(folder: string, more = ""): string[] {
  const path = join(folder, "watch.yaml");
  writeFileSync(path, `control_plane:\n  self_interval: 1s\n${more}`);
  return ["--config", path];
}

const metricsOf = async (box: Box) => await (await fetch(`${box.endpoints.http}/metrics`)).text();

async function send(
  box: Box,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fetch(`${box.endpoints.otlp_http}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

const log = (text: string) => ({
  resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: text } }] }] }],
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 200; waited++) {
    if (await condition()) return;
    await Bun.sleep(100);
  }
  throw new Error("it did not come to pass in 20 s");
}

test("every metric of the table is served by a used node, as the table says, and none besides", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openwit-watch-"));
  await using box = new Box(selfConfig(folder));
  await box.start();
  await send(box, "/v1/logs", log("one"));
  await send(box, "/v1/logs", log("one"));
  await send(box, "/v1/logs", { resourceLogs: "wrong" });
  await box.rows("SELECT count(*) FROM logs");
  await box.rows("SELECT nonsense FROM logs").catch(() => {});
  await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  await fetch(`${box.endpoints.http}/api/v1/admin/compact`, { method: "POST" });
  await until(async () => (await metricsOf(box)).includes('openwit_self_records_total{signal="metrics"} 1'));
  const text = await metricsOf(box);
  const families = parseMetrics(text);
  expect([...families.keys()]).toEqual(Object.keys(table));
  const wrong: string[] = [];
  for (const [name, { type, help, samples }] of families) {
    const metric = table[name];
    if (type !== metric.type || help !== metric.help) wrong.push(`${name} is not what the table says`);
    const isListed = Object.values(metric.labels).every((values) => values.length > 0);
    if (samples.length === 0 && (isListed || used.has(name))) wrong.push(`${name} has no sample`);
    for (const { labels } of samples) {
      const names = Object.keys(labels).filter((label) => !(type === "histogram" && label === "le"));
      if (names.join() !== Object.keys(metric.labels).join()) {
        wrong.push(`${name} has labels ${names}, the table ${Object.keys(metric.labels)}`);
      }
      for (const label of names) {
        const values = metric.labels[label];
        if (values?.length > 0 && !values.includes(labels[label])) {
          wrong.push(`${name}: ${label} ${labels[label]}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
  const value = (name: string, labels: Record<string, string> = {}) => valueOf(families, name, labels);
  expect(value("openwit_duplicate_requests_total", { signal: "logs" })).toBe(1);
  expect(value("openwit_requests_total", { outcome: "ok" })).toBe(2);
  expect(value("openwit_rejected_requests_total", { reason: "malformed" })).toBe(1);
  expect(value("openwit_queries_total", { outcome: "invalid_argument" })).toBe(1);
  expect(value("openwit_ready", { for: "records" })).toBe(1);
  expect(value("openwit_component_status")).toBe(0);
  expect(value("openwit_wal_fsyncs_total")).toBeGreaterThan(0);
  expect(value("openwit_process_open_files")).toBeGreaterThan(3);
  expect(value("openwit_process_start_time_seconds")).toBeGreaterThan(Date.now() / 1_000 - 60);
  expect(value("openwit_disk_size_bytes")).toBeGreaterThan(value("openwit_disk_free_bytes"));
  await box.rows("SELECT count(*) FROM spans");
  const later = parseMetrics(await metricsOf(box));
  for (const [name, { type, samples }] of families) {
    if (type !== "counter") continue;
    for (const { labels, value } of samples) {
      expect([name, valueOf(later, name, labels) >= value]).toEqual([name, true]);
    }
  }
  if (promtool !== null) {
    const checked = Bun.spawnSync([promtool, "check", "metrics"], { stdin: Buffer.from(text) });
    expect([checked.exitCode, checked.stdout.toString(), checked.stderr.toString()]).toEqual([0, "", ""]);
  }
  rmSync(folder, { recursive: true });
}, 60_000);

/** Of those whose labels take values as they are met: what the test above makes happen. */
const used = new Set([
  "openwit_build_info",
  "openwit_component_status",
  "openwit_requests_total",
  "openwit_received_bytes_total",
  "openwit_rejected_requests_total",
  "openwit_task_runs_total",
  "openwit_task_seconds",
  "openwit_queries_total",
  "openwit_query_seconds",
]);

/** The sum of those with these labels. */
function valueOf(families: Map<string, Family>, name: string, labels: Record<string, string>): number {
  return families.get(name)!.samples
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

test(
  "a box stores its log and its metrics as tenant _system, and answers what docs/watch.md asks",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "openwit-watch-"));
    await using box = new Box(selfConfig(folder));
    await box.start();
    const own = { "X-Scope-OrgID": "_system" };
    const points = "SELECT count(DISTINCT timestamp), count(DISTINCT metric_name) FROM metrics";
    await until(async () => Number((await box.rows(points, own))[0][0]) >= 3);
    expect(Number((await box.rows(points, own))[0][1])).toBeGreaterThan(40);
    expect(
      await box.rows("SELECT DISTINCT metric_name FROM metrics", own).then((rows) =>
        rows.map(([name]) => String(name)).filter((name) => !(name in table))
      ),
    ).toEqual([]);
    const started =
      "SELECT service_name, severity_text, resource_attributes['service.version'] IS NOT NULL FROM logs " +
      "WHERE body = 'recovered'";
    expect(await box.rows(started, own)).toEqual([["openwit", "INFO", true]]);
    // Others see nothing of it.
    expect(await box.rows("SELECT (SELECT count(*) FROM logs), (SELECT count(*) FROM metrics)")).toEqual([[
      "0",
      "0",
    ]]);

    const guide = readFileSync(join(import.meta.dir, "../../docs/watch.md"), "utf8");
    const questions = [...guide.matchAll(/```sql\n([\s\S]*?)```/g)].map(([, sql]) => sql);
    expect(questions.length).toBeGreaterThan(8);
    for (const sql of questions) {
      const answer = await box.run("query", "--data-dir", box.dataDir, "--tenant", "_system", sql);
      expect([sql, answer.status, answer.stderr]).toEqual([sql, 0, expect.anything()]);
      for (const [name] of sql.matchAll(/openwit_\w+/g)) expect(table).toHaveProperty(name);
    }
    const full = questions.find((sql) => sql.includes("openwit_disk_budget_bytes"))!;
    expect(Number((await box.rows(full, own))[0][1])).toBeGreaterThan(0);

    expect((await box.run("status", "--data-dir", box.dataDir)).stdout).toMatch(
      /itself +tenant _system, every 1 s: \d+ lines of log, \d+ points since the start\n/,
    );
    await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
    expect((await box.run("disk", "--data-dir", box.dataDir)).stdout).toMatch(/_system +metrics/);
    const tailed = await box.run("tail", "--data-dir", box.dataDir, "--tenant", "_system");
    expect(tailed.stdout).toContain("recovered");
    expect(await box.stop()).toBe(0);
    const asked = ["query", "--data-dir", box.dataDir, "--tenant", "_system", "--format", "csv"];
    const last = await box.run(...asked, "SELECT body FROM logs ORDER BY timestamp DESC LIMIT 1");
    expect(last.stdout).toBe("body\nstopping\n");
    await box.start();
    expect(await box.rows("SELECT count(*) FROM logs WHERE body IN ('recovered', 'stopping')", own)).toEqual([
      ["2"],
    ]);
    rmSync(folder, { recursive: true });
  },
  60_000,
);

test("nobody else writes to tenant _system, by HTTP or gRPC, and who names it is told so", async () => {
  await using box = new Box();
  await box.start();
  for (const header of ["X-Scope-OrgID", "index-id"]) {
    const refused = await send(box, "/v1/logs", log("mine"), { [header]: "_system" });
    expect(refused.status).toBe(403);
    expect((await refused.json()).message).toContain("nobody else writes there");
  }
  const metadata = new Metadata();
  metadata.set("x-scope-orgid", "_system");
  const exporter = new OTLPLogExporter({ url: box.endpoints.otlp_grpc, metadata });
  const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
  provider.getLogger("e2e").emit({ body: "mine" });
  await provider.forceFlush().catch(() => {}); // the exporter's refusal: what counts is below
  await provider.shutdown().catch(() => {}); // as above
  const families = parseMetrics(await metricsOf(box));
  expect(valueOf(families, "openwit_requests_total", { protocol: "otlp-grpc", outcome: "forbidden" })).toBe(
    1,
  );
  expect(await box.rows("SELECT count(*) FROM logs WHERE body = 'mine'", { "X-Scope-OrgID": "_system" }))
    .toEqual([["0"]]);
}, 60_000);

test("storing it makes no log, and no metric of another tenant's requests", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openwit-watch-"));
  await using box = new Box([...selfConfig(folder), "--log-level", "debug"]);
  await box.start();
  await until(async () =>
    valueOf(parseMetrics(await metricsOf(box)), "openwit_self_records_total", { signal: "metrics" }) > 0
  );
  const said = box.stderr;
  const before = parseMetrics(await metricsOf(box));
  await Bun.sleep(4_000);
  const after = parseMetrics(await metricsOf(box));
  expect(valueOf(after, "openwit_self_records_total", {})).toBeGreaterThan(
    valueOf(before, "openwit_self_records_total", {}),
  );
  expect(box.stderr).toBe(said);
  expect(valueOf(after, "openwit_requests_total", {})).toBe(0);
  expect(valueOf(after, "openwit_self_dropped_total", {})).toBe(0);
  rmSync(folder, { recursive: true });
}, 60_000);

test("0s stores nothing, and stops it while the box runs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openwit-watch-"));
  const flags = selfConfig(folder);
  await using box = new Box(flags);
  await box.start();
  const stored = async () => valueOf(parseMetrics(await metricsOf(box)), "openwit_self_records_total", {});
  await until(async () => await stored() > 0);
  writeFileSync(flags[1], "control_plane:\n  self_interval: 0s\n");
  const reloaded = await fetch(`${box.endpoints.http}/api/v1/admin/reload`, { method: "POST" });
  expect(reloaded.status).toBe(200);
  await Bun.sleep(500); // what was under way
  const before = await stored();
  await Bun.sleep(2_500);
  expect(await stored()).toBe(before);
  expect((await box.run("status", "--data-dir", box.dataDir)).stdout).toContain("itself    not stored");
  rmSync(folder, { recursive: true });
}, 60_000);

test(
  "a damaged segment degrades the store: the box stays alive and ready, and says why and since when",
  async () => {
    await using box = new Box();
    await box.start();
    await send(box, "/v1/logs", log("kept"));
    await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
    await box.stop();
    const [segment] = readdirSync(join(box.dataDir, "parquet"), { recursive: true })
      .map(String).filter((name) => name.startsWith("default") && name.endsWith(".parquet"));
    truncateSync(join(box.dataDir, "parquet", segment), 10);
    await box.start();
    const health = await fetch(`${box.endpoints.http}/health`);
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({
      status: "degraded",
      takes_records: true,
      answers_queries: true,
      reasons: [expect.stringContaining("damaged segments are left out")],
      components: {
        store: { status: "degraded", since: expect.stringMatching(/^\d{4}-.*Z$/) },
        wal: { status: "ok" },
      },
    });
    expect((await fetch(`${box.endpoints.http}/ready`)).status).toBe(200);
    const said = await box.run("status", "--data-dir", box.dataDir);
    expect(said.stdout).toMatch(/store: degraded since \d{4}-.*: 1 damaged segments are left out/);
    const looked = await box.run("doctor", "--data-dir", box.dataDir);
    expect(looked.stdout).toContain("1 segments are left out");
  },
  60_000,
);

test("as JSON every line of the log is an object, without a greeting", async () => {
  await using box = new Box(["--log-format", "json"]);
  await box.start();
  await box.stop();
  const events = box.stderr.trim().split("\n").map((line) => JSON.parse(line));
  expect(events.map(({ message }) => message)).toContain("ready");
  const { level, message } = events.at(-1);
  expect([level, message]).toEqual(["info", "stopped"]);
  const times = events.map(({ time }) => time);
  expect(times).toEqual([...times].sort());
}, 60_000);

test("a server whose stderr nobody reads any more goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openwit-watch-"));
  const data = join(folder, "data");
  const listeners = ["http", "otlp-http", "otlp-grpc"].map((flag) => `--${flag} 127.0.0.1:0`).join(" ");
  const command = `${openwitCommand().join(" ")} serve --data-dir ${data} ${listeners}`;
  Bun.spawn(["sh", "-c", `(${command} 2>&1; echo $? > ${folder}/status) | head -n 1 > ${folder}/first`]);
  const record = join(data, "run/server.json");
  await until(() => Promise.resolve(existsSync(record)));
  const { pid, endpoints } = JSON.parse(readFileSync(record, "utf8"));
  for (let line = 0; line < 5; line++) {
    await fetch(`${endpoints.otlp_http}/v1/logs`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(log(`line ${line}`)),
    });
    // Each merge or flush is told of in the log.
    expect((await fetch(`${endpoints.http}/api/v1/admin/flush`, { method: "POST" })).status).toBe(200);
  }
  await fetch(`${endpoints.http}/api/v1/admin/compact`, { method: "POST" });
  expect((await fetch(`${endpoints.http}/health`)).status).toBe(200);
  process.kill(pid, "SIGTERM");
  await until(() => Promise.resolve(existsSync(join(folder, "status"))));
  expect(readFileSync(join(folder, "status"), "utf8").trim()).toBe("0");
  rmSync(folder, { recursive: true });
}, 60_000);

test("for journald each line has a priority; a stderr that is not the journal's has none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openwit-watch-"));
  const listeners = ["http", "otlp-http", "otlp-grpc"].map((flag) => `--${flag} 127.0.0.1:0`).join(" ");
  const command = `${openwitCommand().join(" ")} serve --data-dir ${join(folder, "data")} ${listeners}`;
  const said = async (journal: string) => {
    const child = Bun.spawn(["sh", "-c", `export JOURNAL_STREAM=${journal}; exec ${command}`], {
      stderr: "pipe",
    });
    await until(() => Promise.resolve(existsSync(join(folder, "data/run/server.json"))));
    child.kill("SIGTERM");
    await child.exited;
    return (await new Response(child.stderr).text()).trim().split("\n");
  };
  const lines = await said("$(stat -L -c %d:%i /proc/self/fd/2)");
  expect(lines.filter((line) => !/^<[3-7]>\S/.test(line))).toEqual([]);
  expect(lines.at(-1)).toBe("<6>stopped");
  expect((await said("1:1")).some((line) => line.startsWith("<"))).toBe(false);
  rmSync(folder, { recursive: true });
}, 60_000);
