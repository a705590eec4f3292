/** A support bundle tells of a box what a helper needs, and nothing of what was sent to it or of its secrets. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { decodeTarHeader, tarBlockBytes, tarPaddingBytes } from "../../core/archive/tar.ts";
import { Box, runOpenwit } from "./box.ts";

/** Nothing of this may be in a bundle. */
const planted = {
  body: "plantedbody4711",
  attribute: "plantedattribute4711",
  resource: "plantedresource4711",
  span: "plantedspan4711",
  metric: "plantedmetric4711",
  sql: "plantedsql4711",
  password: "plantedpassword4711",
};

const box = new Box(["--config", "openwit.yaml"]);

beforeAll(async () => {
  const url = `postgres://openwit:${planted.password}@127.0.0.1:1/history`;
  writeFileSync(join(box.folder, "openwit.yaml"), `metastore:\n  kind: postgres\n  url: ${url}\n`);
  await box.start();
  // A WAL with a gap, so that there is something in quarantine that holds records.
  for (let request = 0; request < 5; request++) await send(request);
  await box.kill();
  const wal = join(
    box.dataDir,
    "wal",
    readdirSync(join(box.dataDir, "wal")).find((name) => name.endsWith(".wal"))!,
  );
  flip(wal, Math.floor(statSync(wal).size / 2));
  await box.start();
  for (let request = 5; request < 10; request++) await send(request);
  await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  for (let request = 10; request < 12; request++) await send(request);
  // What is asked, soundly and not: neither is to be remembered.
  for (const sql of [`SELECT '${planted.sql}'`, `SELECT ${planted.sql} FROM logs`, `COPY '${planted.sql}'`]) {
    await fetch(`${box.endpoints.http}/api/v1/query`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sql }),
    });
  }
}, 60_000);
afterAll(() => box[Symbol.asyncDispose]());

test(
  "a bundle of a running server has what is needed, and no record, no question and no secret",
  async () => {
    const output = join(box.folder, "online.tar.gz");
    const made = await runOpenwit(
      ["support-bundle", "--data-dir", box.dataDir, "--output", output],
      box.folder,
    );
    expect(made).toMatchObject({ status: 0, stderr: "" });
    expect(made.stdout).toContain("nothing of the records is in it");
    const files = filesOf(readFileSync(output));
    expect([...files.keys()].sort()).toEqual([
      "README.txt",
      "batches.json",
      "config.json",
      "doctor.json",
      "folder.json",
      "health.json",
      "log.txt",
      "machine.json",
      "manifest.json",
      "metrics.txt",
      "quarantine.json",
      "retention.json",
      "segments.json",
      "status.json",
      "tasks.json",
      "versions.json",
    ]);
    expectClean(files);
    for (const text of files.values()) expect(text).not.toContain("could not be gathered");
    const json = (name: string) => JSON.parse(files.get(name)!);
    expect(json("status.json")).toMatchObject({ phase: "ready", data_dir: box.dataDir });
    expect(json("quarantine.json").length).toBeGreaterThan(0);
    expect(json("batches.json").batches.length).toBeGreaterThan(0);
    expect(json("segments.json").segments).toBeGreaterThan(0);
    expect(json("machine.json").volume.type).toBeString();
    expect(files.get("metrics.txt")).toContain("openwit_uptime_seconds");
    expect(files.get("log.txt")).toContain("recovered");
    expect(files.get("config.json")).toContain("postgres");
    for (const name of files.keys()) {
      expect(files.get("README.txt")).toContain(
        name === "README.txt" ? "bundle" : name,
      );
    }
    expect(statSync(output).mode & 0o777).toBe(0o600);
  },
  60_000,
);

test("it replaces no file, and says what it has as JSON", async () => {
  const output = join(box.folder, "taken.tar.gz");
  writeFileSync(output, "mine");
  const refused = await runOpenwit(
    ["support-bundle", "--data-dir", box.dataDir, "--output", output],
    box.folder,
  );
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("is there already");
  expect(readFileSync(output, "utf8")).toBe("mine");
  const named = await runOpenwit(["support-bundle", "--data-dir", box.dataDir, "--json"], box.folder);
  const report = JSON.parse(named.stdout);
  expect(report.output).toMatch(/openwit-support-\d{8}-\d{6}\.tar\.gz$/);
  expect(existsSync(report.output)).toBe(true);
  expect(report.files.length).toBe(16);
}, 60_000);

test("a bundle of a folder at rest is as silent, and the folder is as it was", async () => {
  await box.stop();
  const output = join(box.folder, "offline.tar.gz");
  const before = readdirSync(box.dataDir, { recursive: true }).sort();
  const made = await runOpenwit([
    ...["support-bundle", "--data-dir", box.dataDir, "--output", output],
    ...["--config", join(box.folder, "openwit.yaml")],
  ], box.folder);
  expect(made).toMatchObject({ status: 0, stderr: "" });
  expect(readdirSync(box.dataDir, { recursive: true }).sort()).toEqual(before);
  const files = filesOf(readFileSync(output));
  expectClean(files);
  for (const text of files.values()) expect(text).not.toContain("could not be gathered");
  expect(JSON.parse(files.get("segments.json")!).segments).toBeGreaterThan(0);
  expect(files.get("config.json")).toContain("(secret)");
}, 60_000);

test("a bundle of a folder whose configuration is wrong says so, and has the rest", async () => {
  const config = join(box.folder, "wrong.yaml");
  writeFileSync(
    config,
    `storage:\n  budgett: 10GB\nmetastore:\n  url: postgres://a:${planted.password}@b/c\n`,
  );
  const output = join(box.folder, "wrong.tar.gz");
  const args = ["support-bundle", "--data-dir", box.dataDir, "--output", output, "--config", config];
  expect(await runOpenwit(args, box.folder)).toMatchObject({ status: 0 });
  const files = filesOf(readFileSync(output));
  expectClean(files);
  expect(JSON.parse(files.get("config.json")!).problem).toContain("budgett");
  expect(files.get("doctor.json")).toContain("budgett");
  expect(JSON.parse(files.get("segments.json")!).segments).toBeGreaterThan(0);
}, 60_000);

function expectClean(files: ReadonlyMap<string, string>): void {
  for (const [name, text] of files) {
    for (const secret of Object.values(planted)) expect([name, text.includes(secret)]).toEqual([name, false]);
  }
}

/** By name, without the bundle's own folder. */
function filesOf(bundle: Uint8Array<ArrayBuffer>): Map<string, string> {
  const tar = Bun.gunzipSync(bundle);
  const files = new Map<string, string>();
  for (let at = 0;;) {
    const entry = decodeTarHeader(tar.subarray(at, at + tarBlockBytes));
    if (entry === undefined) return files;
    const text = new TextDecoder().decode(tar.subarray(at + tarBlockBytes, at + tarBlockBytes + entry.bytes));
    files.set(entry.name.replace(/^openwit-support-[^/]*\//, ""), text);
    at += tarBlockBytes + entry.bytes + tarPaddingBytes(entry.bytes);
  }
}

async function send(request: number): Promise<void> {
  const nowNs = String(BigInt(Date.now()) * 1_000_000n + BigInt(request));
  const attributes = [{ key: "secret.value", value: { stringValue: planted.attribute } }];
  const resource = { attributes: [{ key: "host.name", value: { stringValue: planted.resource } }] };
  const bodies = {
    logs: {
      resourceLogs: [{
        resource,
        scopeLogs: [{
          logRecords: [{ timeUnixNano: nowNs, body: { stringValue: planted.body }, attributes }],
        }],
      }],
    },
    traces: {
      resourceSpans: [{
        resource,
        scopeSpans: [{
          spans: [{
            traceId: "0af7651916cd43dd8448eb211c80319c",
            spanId: "b7ad6b7169203331",
            name: planted.span,
            startTimeUnixNano: nowNs,
            endTimeUnixNano: nowNs,
            attributes,
          }],
        }],
      }],
    },
    metrics: {
      resourceMetrics: [{
        resource,
        scopeMetrics: [{
          metrics: [{
            name: planted.metric,
            gauge: { dataPoints: [{ timeUnixNano: nowNs, asInt: "1", attributes }] },
          }],
        }],
      }],
    },
  };
  for (const [path, body] of Object.entries(bodies)) {
    const answer = await fetch(`${box.endpoints.otlp_http}/v1/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
  }
}

function flip(path: string, at: number): void {
  const byte = readFileSync(path)[at];
  const file = openSync(path, "r+");
  writeSync(file, new Uint8Array([byte ^ 0xff]), 0, 1, at);
  closeSync(file);
}
