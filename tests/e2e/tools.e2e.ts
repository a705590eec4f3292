/** The tools of who keeps a box: verify, manifest rebuild, disk, doctor; each on folders that were damaged on purpose. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Box, runOpenwit } from "./box.ts";

const box = new Box();
/**
 * A folder at rest: three segments of `flushedRecords` logs each (two tenants), and ten requests in the WAL, behind
 * which the node put what it said of itself when it stopped.
 */
const pristine = join(box.folder, "pristine");
const flushedRecords = 20;
const walRequests = 10;
const ownRequests = 1;
const copies = mkdtempSync(join(tmpdir(), "openwit-tools-"));

beforeAll(async () => {
  await box.start();
  for (const [tenant, name] of [["default", "a"], ["default", "b"], ["shop", "c"]]) {
    await send(box, records(name, flushedRecords), tenant);
    await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  }
  for (let request = 0; request < walRequests; request++) {
    await send(box, records(`wal-${request}`, 2), "default");
  }
  await box.stop();
  cpSync(box.dataDir, pristine, { recursive: true });
}, 60_000);
afterAll(async () => {
  rmSync(copies, { recursive: true, force: true });
  await box[Symbol.asyncDispose]();
});

test("verify finds nothing wrong with a folder at rest, and says what it looked at", async () => {
  const report = await verify(copy(), "--deep");
  expect(report).toMatchObject({ status: 0, clean: true, findings: [], notes: [], served: false });
  expect(report.checked).toMatchObject({
    segments: 3,
    rows: 3 * flushedRecords,
    wal_records: walRequests + ownRequests,
  });
});

test("verify beside a running server only reads, and repairs nothing", async () => {
  await using running = new Box();
  await running.start();
  await send(running, records("live", 5), "default");
  const beside = await verify(running.dataDir, "--deep");
  expect(beside).toMatchObject({ status: 0, served: true });
  const refused = await runOpenwit(["verify", "--repair", "--data-dir", running.dataDir]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("in use");
}, 60_000);

test(
  "a flipped byte in a segment's pages is found in depth, put aside with its reason, and the rest answers",
  async () => {
    const folder = copy();
    const [segment] = segmentsOf(folder, "default");
    flip(join(folder, segment), 100);
    expect(await verify(folder)).toMatchObject({ status: 0 });
    const found = await verify(folder, "--deep");
    expect(found.findings).toMatchObject([{ kind: "segment_checksum", path: segment, costs: true }]);
    expect(found.status).toBe(1);
    const repaired = await verify(folder, "--deep", "--repair");
    expect(repaired).toMatchObject({ status: 0, clean: true });
    expect(quarantineOf(folder)).toEqual([basename(segment), `${basename(segment)}.json`]);
    expect(readFileSync(join(folder, "quarantine", `${basename(segment)}.json`), "utf8")).toContain(
      "checksum",
    );
    await startsClean(folder, flushedRecords + walRequests * 2);
  },
  60_000,
);

test(
  "a segment that was cut short, lost its footer, or is gone is named, and taken off the manifest",
  async () => {
    for (
      const [kind, damage] of [
        ["segment_size", (path: string) => truncateSync(path, 1_000)],
        ["segment_footer", (path: string) => flip(path, -6)],
        ["segment_missing", unlinkSync],
      ] as const
    ) {
      const folder = copy();
      const [segment] = segmentsOf(folder, "shop");
      damage(join(folder, segment));
      const found = await verify(folder);
      expect(found).toMatchObject({ status: 1, findings: [{ kind, path: segment }] });
      expect(await verify(folder, "--repair")).toMatchObject({ status: 0, clean: true });
      expect(quarantineOf(folder).some((name) => name.endsWith(".json"))).toBe(true);
      expect(await verify(folder, "--deep")).toMatchObject({ status: 0 });
    }
  },
  60_000,
);

test("damage in the middle of the WAL is found, put aside, and the records round it are kept", async () => {
  const folder = copy();
  const wal = walOf(folder);
  const offsets = recordOffsets(join(folder, wal));
  expect(offsets.length).toBe(walRequests + ownRequests);
  flip(join(folder, wal), offsets[2] + 70);
  flip(join(folder, wal), offsets[6] + 70);
  const found = await verify(folder);
  expect(found.findings).toMatchObject([{ kind: "wal_gap", path: wal }, { kind: "wal_gap", path: wal }]);
  expect(found.findings[0].found).toContain(`byte ${offsets[2]}`);
  const repaired = await verify(folder, "--repair");
  expect(repaired).toMatchObject({ status: 0, clean: true });
  expect(repaired.repairs).toHaveLength(2);
  expect(quarantineOf(folder).filter((name) => !name.endsWith(".json"))).toHaveLength(2);
  await startsClean(folder, 2 * flushedRecords + (walRequests - 2) * 2);
}, 60_000);

test("a WAL that was cut in a record, and one whose header is lost, are found and mended", async () => {
  const torn = copy();
  truncateSync(join(torn, walOf(torn)), recordOffsets(join(torn, walOf(torn)))[9] + 30);
  expect(await verify(torn)).toMatchObject({
    status: 1,
    findings: [{ kind: "wal_torn", path: walOf(torn) }],
  });
  expect(await verify(torn, "--repair")).toMatchObject({ status: 0 });
  await startsClean(torn, 2 * flushedRecords + (walRequests - 1) * 2);

  const headless = copy();
  flip(join(headless, walOf(headless)), 14);
  flip(join(headless, walOf(headless)), 46);
  const path = walOf(headless);
  expect(await verify(headless)).toMatchObject({ status: 1, findings: [{ kind: "wal_gap", path }] });
  expect(await verify(headless, "--repair")).toMatchObject({ status: 0 });
  expect(existsSync(join(headless, path))).toBe(false);
  await startsClean(headless, 2 * flushedRecords);
}, 60_000);

test("a damaged, torn or lost manifest is found, and rebuilt from the segments", async () => {
  for (const kind of ["manifest_damaged", "manifest_torn", "manifest_lost"]) {
    const folder = copy();
    const [manifest] = readdirSync(join(folder, "manifest"));
    const path = join(folder, "manifest", manifest);
    if (kind === "manifest_damaged") flip(path, readFileSync(path).indexOf("OWMF", 60) + 40);
    else if (kind === "manifest_torn") {
      writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from("OWMF1")]));
    } else unlinkSync(path);
    const found = await verify(folder);
    expect(found.status).toBe(1);
    expect(found.findings[0]).toMatchObject({ kind });
    expect(await verify(folder, "--repair")).toMatchObject({ status: 0, clean: true });
    await startsClean(folder, 2 * flushedRecords + walRequests * 2);
  }
}, 90_000);

test("an orphan is put aside, litter is removed, and what is none of ours is left alone", async () => {
  const folder = copy();
  const [segment] = segmentsOf(folder, "default");
  const id = /-([0-9a-f]{28})_/.exec(segment)![1];
  const orphan = segment.replace(id, id.slice(0, -4) + "beef");
  cpSync(join(folder, segment), join(folder, orphan));
  writeFileSync(join(folder, `${segment}.tmp`), "half");
  writeFileSync(join(folder, "wal/notes.txt"), "mine");
  const found = await verify(folder);
  expect(found.findings.map(({ kind, path }) => [kind, path]).sort()).toEqual([
    ["foreign", "wal/notes.txt"],
    ["orphan", orphan],
    ["temporary", `${segment}.tmp`],
  ]);
  const repaired = await verify(folder, "--repair");
  expect(repaired).toMatchObject({ status: 1, clean: false });
  expect(quarantineOf(folder)).toContain(basename(orphan));
  expect(existsSync(join(folder, `${segment}.tmp`))).toBe(false);
  expect(existsSync(join(folder, "wal/notes.txt"))).toBe(true);
  unlinkSync(join(folder, "wal/notes.txt"));
  await startsClean(folder, 2 * flushedRecords + walRequests * 2);
}, 60_000);

test(
  "manifest rebuild writes what the segments say, keeps the old one aside, and refuses beside a server",
  async () => {
    const folder = copy();
    const [segment] = segmentsOf(folder, "shop");
    unlinkSync(join(folder, segment));
    const { status, stdout } = await runOpenwit(["manifest", "rebuild", "--json", "--data-dir", folder]);
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ segments: 2, rows: 2 * flushedRecords, added: [], removed: [segment] });
    expect(existsSync(join(folder, report.kept))).toBe(true);
    expect(readdirSync(join(folder, "manifest"))).toHaveLength(1);
    await startsClean(folder, 2 * flushedRecords + walRequests * 2);
    await using running = new Box();
    await running.start();
    const refused = await runOpenwit(["manifest", "rebuild", "--data-dir", running.dataDir]);
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("in use")]);
    expect((await runOpenwit(["manifest", "rebiuld", "--data-dir", folder])).stderr).toContain("rebuild");
  },
  60_000,
);

test("disk sums up to what du says, and knows tenants, tiers and columns", async () => {
  const folder = copy();
  const { status, stdout } = await runOpenwit(["disk", "--json", "--columns", "--data-dir", folder]);
  expect(status).toBe(0);
  const report = JSON.parse(stdout);
  const du = Number((await new Response(Bun.spawn(["du", "-sk", folder]).stdout).text()).split("\t")[0]) *
    1024;
  expect(Math.abs(report.bytes - du) / du).toBeLessThan(0.03);
  const sum = report.usage.reduce((total: number, row: { bytes: number }) => total + row.bytes, 0);
  expect(sum).toBe(report.bytes);
  expect(report.usage).toContainEqual(
    expect.objectContaining({ tier: "L0", tenant: "shop", signal: "logs", files: 1, rows: flushedRecords }),
  );
  const body = report.columns.find((each: { column: string }) => each.column === "body");
  expect(body).toMatchObject({ signal: "logs", rows: 3 * flushedRecords });
  const text = await runOpenwit(["disk", "--columns", "--data-dir", folder]);
  expect(text.stdout).toContain("shop");
  expect(text.stdout).toContain("attributes");
});

test(
  "doctor on a healthy box exits 0, at rest and beside its server, and looks at all there is",
  async () => {
    await using running = new Box();
    await running.start();
    await send(running, records("live", 5), "default");
    const doctor = async (folder: string) => {
      const config = join(copies, "doctor.yaml");
      writeFileSync(
        config,
        "networking: {http: '127.0.0.1:0', otlp_http: '127.0.0.1:0', otlp_grpc: '127.0.0.1:0'}\n",
      );
      const { status, stdout } = await runOpenwit([
        "doctor",
        "--json",
        "--config",
        config,
        "--data-dir",
        folder,
      ]);
      return { status, ...JSON.parse(stdout) };
    };
    const of = (report: { checks: { check: string }[] }, name: string) =>
      report.checks.find(({ check }) => check === name) as
        | { status: string; found: string; hint?: string }
        | undefined;
    const beside = await doctor(running.dataDir);
    expect(beside).toMatchObject({ status: 0, fail: 0 });
    for (
      const name of [
        "server",
        "intake",
        "answers",
        "flushes",
        "files",
        "quarantine",
        "clock",
        "WAL",
        "budget",
      ]
    ) {
      expect([name, of(beside, name)?.status]).toEqual([name, "ok"]);
    }
    const folder = copy();
    expect(await doctor(folder)).toMatchObject({ status: 0, fail: 0 });
    const [segment] = segmentsOf(folder, "shop");
    truncateSync(join(folder, segment), 500);
    const damaged = await doctor(folder);
    expect(damaged.status).toBe(1);
    expect(of(damaged, "files")).toMatchObject({ status: "fail", hint: expect.stringContaining("verify") });
    expect(of(damaged, "files")!.found).toContain(segment);
    await verify(folder, "--repair");
    const mended = await doctor(folder);
    expect(mended.status).toBe(0);
    expect(of(mended, "quarantine")).toMatchObject({
      status: "warn",
      found: expect.stringContaining(segment),
    });
    const text = (await runOpenwit(["doctor", "--data-dir", running.dataDir])).stdout;
    expect(text).toContain("fsync");
  },
  60_000,
);

test("system tables answer from memory, each tenant its own, across restarts and offline", async () => {
  await using running = new Box();
  await running.start();
  await send(running, records("a", 7), "default");
  await send(running, records("b", 5), "shop");
  await fetch(`${running.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  await send(running, records("c", 3), "default");
  const shop = { "X-Scope-OrgID": "shop" };
  const stages = "SELECT stage, rows, stored IS NULL, stuck, retries FROM system.batches ORDER BY lsn_from";
  expect(await running.rows(stages)).toEqual([["stored", "7", false, false, "0"], [
    "ingested",
    "3",
    true,
    false,
    "0",
  ]]);
  expect(await running.rows(stages, shop)).toEqual([["stored", "5", false, false, "0"]]);
  expect(await running.rows("SELECT tenant, rows, level FROM system.segments", shop)).toEqual([[
    "shop",
    "5",
    "0",
  ]]);
  expect(await running.rows("SELECT tenant, logs, memory_rows FROM system.tenants")).toEqual([[
    "default",
    "10",
    "3",
  ]]);
  const order =
    "SELECT bool_and(received <= wal_written AND wal_written <= ingested AND ingested <= stored) " +
    "FROM system.batches WHERE stored IS NOT NULL";
  expect(await running.value(order)).toBe(true);
  const status = await (await fetch(`${running.endpoints.http}/api/v1/status`)).json();
  expect(status).toMatchObject({
    time_synced: true,
    flush_troubles: [],
    tiers: { electric: { rows: 3 }, hot: { rows: 12 }, cold: { rows: 0 }, archive: { rows: 0 } },
  });
  expect(status.tiers.hot.newest <= status.tiers.electric.oldest).toBe(true);
  const said = await running.run("status", "--url", running.endpoints.http);
  expect(said.stdout).toMatch(/electric +3 /);
  expect(said.stdout).toMatch(/hot +12 /);
  expect(await running.rows("SELECT task, outcome, did FROM system.tasks", shop)).toContainEqual(
    ["flush", "done", "5 logs into 1 segments"],
  );
  for (
    const sql of [
      "SELECT * FROM openwit_system_segments",
      "SELECT * FROM system.secrets",
      "SELECT * FROM system.information_schema.tables",
      "SELECT * FROM system.main.segments",
      "WITH openwit_system_segments AS (SELECT 1) SELECT * FROM openwit_system_segments",
    ]
  ) expect([sql, await running.rows(sql).catch(() => "refused")]).toEqual([sql, "refused"]);
  await running.stop();
  const offline = await running.run("query", "--data-dir", running.dataDir, "--format", "csv", stages);
  expect(offline.stdout).toContain("stored,7,false,false,0\ningested,3,true,false,0");
}, 60_000);

interface Report {
  readonly status: number;
  readonly checked: Record<string, number>;
  readonly findings: { kind: string; path: string; found: string; costs: boolean }[];
  readonly repairs: unknown[];
}

async function verify(folder: string, ...flags: string[]): Promise<Report> {
  const { status, stdout, stderr } = await runOpenwit(["verify", "--json", "--data-dir", folder, ...flags]);
  if (stdout === "") throw new Error(stderr);
  return { status, ...JSON.parse(stdout) };
}

/** A server starts on the folder without a complaint, and has so many logs of the default tenant. */
async function startsClean(folder: string, logs: number): Promise<void> {
  await using started = new Box();
  cpSync(folder, started.dataDir, { recursive: true });
  await started.start();
  expect(started.stderr).not.toMatch(/ (warn|error) /);
  const answer = await fetch(`${started.endpoints.http}/api/v1/query`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sql: "SELECT count(*) FROM logs" }),
  });
  expect(answer.headers.get("X-OpenWit-Partial")).toBeNull();
  expect(Number((await answer.json()).rows[0][0])).toBe(logs);
  await started.stop();
  const { status, findings } = await verify(started.dataDir, "--deep");
  expect([status, findings]).toEqual([0, []]);
}

function copy(): string {
  const folder = mkdtempSync(join(copies, "folder-"));
  cpSync(pristine, folder, { recursive: true });
  return folder;
}

/** Flips every bit of one byte; from the end when `at` is negative. */
function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at < 0 ? bytes.length + at : at] ^= 0xff;
  writeFileSync(path, bytes);
}

function segmentsOf(folder: string, tenant: string): string[] {
  const names = readdirSync(join(folder, "parquet", tenant), { recursive: true }) as string[];
  return names.filter((name) => name.endsWith(".parquet")).sort().map((name) => `parquet/${tenant}/${name}`);
}

function walOf(folder: string): string {
  return `wal/${readdirSync(join(folder, "wal")).filter((name) => name.endsWith(".wal")).at(-1)}`;
}

function recordOffsets(path: string): number[] {
  const bytes = readFileSync(path);
  const offsets: number[] = [];
  for (let at = bytes.indexOf("OWRC"); at >= 0; at = bytes.indexOf("OWRC", at + 1)) offsets.push(at);
  return offsets;
}

function quarantineOf(folder: string): string[] {
  return existsSync(join(folder, "quarantine")) ? readdirSync(join(folder, "quarantine")).sort() : [];
}

function records(name: string, count: number): string {
  const logRecords = Array.from({ length: count }, (_, index) => ({
    timeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
    body: { stringValue: `${name} record ${index}` },
  }));
  const resource = { attributes: [{ key: "service.name", value: { stringValue: name } }] };
  return JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
}

async function send(to: Box, body: string, tenant: string): Promise<void> {
  const response = await fetch(`${to.endpoints.otlp_http}/v1/logs`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Scope-OrgID": tenant },
    body,
  });
  if (!response.ok) throw new Error(await response.text());
}
