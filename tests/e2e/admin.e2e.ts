/** Administration of a box that runs: drained and resumed, looked into, measured; by the API and by the command line. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Box, openwitCommand, runOpenwit } from "./box.ts";

const box = new Box();
beforeAll(async () => {
  await box.start();
}, 60_000);
afterAll(() => box[Symbol.asyncDispose]());

async function send(records: number, atMs = Date.now()): Promise<Response> {
  const logRecords = Array.from({ length: records }, (_, index) => ({
    timeUnixNano: String(BigInt(atMs) * 1_000_000n + BigInt(index)),
    body: { stringValue: `record ${index} of ${records} at ${atMs}` },
  }));
  return await fetch(`${box.endpoints.otlp_http}/v1/logs`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
  });
}

async function json(...args: string[]) {
  const { status, stdout, stderr } = await runOpenwit(
    [...args, "--json", "--data-dir", box.dataDir],
    box.folder,
  );
  expect([args.join(" "), stderr]).toEqual([args.join(" "), ""]);
  return { status, ...JSON.parse(stdout) };
}

test(
  "a drained box refuses records as retryable, answers, and has all that it took in segments",
  async () => {
    expect((await send(40)).status).toBe(200);
    expect(await json("drain")).toMatchObject({ status: 0, state: "drained", memory_rows: 0, wal_bytes: 0 });
    expect(await json("drain", "--status")).toMatchObject({ status: 0, state: "drained" });
    const refused = await send(3, Date.now() + 1);
    expect([refused.status, Number(refused.headers.get("Retry-After")) > 0]).toEqual([503, true]);
    const ready = await fetch(`${box.endpoints.http}/ready`);
    expect([ready.status, (await ready.json()).reason]).toEqual([503, expect.stringContaining("drained")]);
    expect((await fetch(`${box.endpoints.http}/ready?for=queries`)).status).toBe(200);
    expect(await box.value("SELECT count(*) FROM logs")).toBe("40");
    expect((await runOpenwit(["status", "--data-dir", box.dataDir])).stdout).toContain("drained");

    expect(await json("drain", "--resume")).toMatchObject({ status: 0, state: "off" });
    expect(await json("drain", "--status")).toMatchObject({ status: 3, state: "off" });
    expect((await send(3, Date.now() + 1)).status).toBe(200);
    expect((await fetch(`${box.endpoints.http}/ready`)).status).toBe(200);
    expect(await box.value("SELECT count(*) FROM logs")).toBe("43");
  },
  120_000,
);

test(
  "nothing that was acknowledged while a box was drained and resumed is missing, or there twice",
  async () => {
    await using loaded = await new Box().start();
    let acknowledged = 0, refused = 0, isOver = false;
    const agent = async (name: number) => {
      for (let request = 0; !isOver; request++) {
        const body = {
          resourceLogs: [{
            scopeLogs: [{
              logRecords: [{
                timeUnixNano: String(Date.now() * 1e6),
                body: { stringValue: `${name}/${request}` },
              }],
            }],
          }],
        };
        const answer = await fetch(`${loaded.endpoints.otlp_http}/v1/logs`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        });
        if (answer.ok) acknowledged++;
        else {
          expect(answer.status).toBe(503);
          refused++;
          await Bun.sleep(5);
        }
      }
    };
    const agents = [1, 2, 3, 4].map(agent);
    for (let round = 0; round < 5; round++) {
      await Bun.sleep(150);
      const drained = await (await fetch(`${loaded.endpoints.http}/api/v1/admin/drain`, { method: "POST" }))
        .json();
      expect(drained).toMatchObject({ state: "drained", memory_rows: 0 });
      await Bun.sleep(50);
      await fetch(`${loaded.endpoints.http}/api/v1/admin/resume`, { method: "POST" });
    }
    isOver = true;
    await Promise.all(agents);
    expect(acknowledged).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(0);
    expect(await loaded.rows("SELECT count(*), count(DISTINCT body) FROM logs")).toEqual([
      [String(acknowledged), String(acknowledged)],
    ]);
  },
  60_000,
);

test("batches tell how far rows have come, and one of them when it reached which stage", async () => {
  const { total, batches } = await json("batches", "--signal", "logs", "--tenant", "default");
  expect(total).toBe(2);
  expect(batches.map(({ stage, rows }: { stage: string; rows: number }) => [stage, rows])).toEqual([
    ["ingested", 3],
    ["stored", 40],
  ]);
  const { batch, history, segments } = await json("batches", batches[1].id);
  expect(batch).toMatchObject({ id: batches[1].id, stage: "stored", stuck: false, error: null });
  expect(history.map(({ stage }: { stage: string }) => stage)).toEqual([
    "received",
    "wal_written",
    "ingested",
    "stored",
  ]);
  expect(segments).toHaveLength(1);
  expect(await json("batches", "--stuck")).toMatchObject({ status: 0, total: 0 });
  expect(await json("flush")).toMatchObject({ status: 0, flushed: true, wal_bytes: 0 });
  const none = await runOpenwit(["batches", "default.logs.9-9", "--data-dir", box.dataDir]);
  expect([none.status, none.stderr]).toEqual([1, expect.stringContaining("there is no batch")]);
});

test("tasks are listed and run by name; a name that is none is told which there are", async () => {
  const { tasks } = await json("tasks");
  const names = tasks.map(({ task }: { task: string }) => task);
  expect(names).toEqual(expect.arrayContaining(["compaction", "indexing", "sweep", "retention"]));
  expect(await json("tasks", "run", "compaction")).toMatchObject({ task: "compaction", outcome: "done" });
  expect((await json("tasks")).tasks.find(({ task }: { task: string }) => task === "compaction").last)
    .toMatchObject({
      outcome: "done",
    });
  const wrong = await runOpenwit(["tasks", "run", "compact", "--data-dir", box.dataDir]);
  expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining("compaction")]);
});

test("retention says what would go, removes nothing by that, and removes it when it is run", async () => {
  await using kept = new Box(["--config", "openwit.yaml"]);
  await Bun.write(join(kept.folder, "openwit.yaml"), "storage:\n  retention: 1h\n");
  await kept.start();
  const bodies = [Date.now() - 3 * 3_600_000, Date.now()].map((atMs) => ({
    resourceLogs: [{
      scopeLogs: [{
        logRecords: [{
          timeUnixNano: String(BigInt(atMs) * 1_000_000n),
          body: { stringValue: `at ${atMs}` },
        }],
      }],
    }],
  }));
  for (const body of bodies) {
    await fetch(`${kept.endpoints.otlp_http}/v1/logs`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }
  const ask = async (...args: string[]) =>
    JSON.parse((await runOpenwit([...args, "--json", "--data-dir", kept.dataDir])).stdout);
  expect((await ask("flush")).rows).toBeGreaterThanOrEqual(2);
  const before = await ask("retention");
  expect(before.policy.seconds.logs).toBe(3_600);
  expect(before.would_remove).toMatchObject({
    segments: 1,
    rows: 1,
    reasons: [{ reason: "age", segments: 1 }],
  });
  expect(await kept.value("SELECT count(*) FROM logs")).toBe("2");
  const archive = join(kept.folder, "all.tar");
  await ask("export", "--output", archive);
  expect(await ask("retention", "run")).toMatchObject({
    outcome: "done",
    did: expect.stringContaining("1 segments"),
  });
  expect(await kept.value("SELECT count(*) FROM logs")).toBe("1");
  expect((await ask("retention")).would_remove).toMatchObject({ segments: 0, named: [] });

  const again = await runOpenwit(["import", "--dry-run", "--json", "--data-dir", kept.dataDir, archive]);
  expect(JSON.parse(again.stdout)).toMatchObject({
    added: { rows: 1 },
    beyond_retention: { segments: 1, rows: 1 },
  });
  expect(again.stderr).toContain("older than storage.retention keeps");
}, 60_000);

test("tenants and segments are listed over all tenants", async () => {
  const get = async (path: string) =>
    await (await fetch(`${box.endpoints.http}/api/v1/admin/${path}`)).json();
  await send(5, Date.now() + 2);
  await json("flush");
  const records = Number(await box.value("SELECT count(*) FROM logs"));
  const { tenants } = await get("tenants");
  expect(tenants).toContainEqual(
    expect.objectContaining({ tenant: "default", logs: records, memory_rows: 0 }),
  );
  const { total, segments } = await get("segments?tenant=default&signal=logs&limit=1");
  expect([total >= 1, segments.length]).toEqual([true, 1]);
  expect(segments[0]).toMatchObject({ tenant: "default", signal: "logs", damage: null });
  expect((await get("segments?tenant=nobody")).total).toBe(0);
});

test("a HEAD of a stream holds nothing: neither a place among the readers nor segments", async () => {
  for (const path of ["/api/v1/tail", "/api/v1/admin/export", "/api/v1/admin/support-bundle"]) {
    for (let round = 0; round < 40; round++) {
      const answer = await fetch(`${box.endpoints.http}${path}`, { method: "HEAD" });
      expect([path, answer.status]).toEqual([path, 200]);
    }
  }
  const stop = new AbortController();
  const tail = await fetch(`${box.endpoints.http}/api/v1/tail`, { signal: stop.signal });
  expect(tail.status).toBe(200);
  stop.abort();
}, 60_000);

test("bench measures the box, names keys that there are, and leaves nothing behind", async () => {
  await using scratch = new Box();
  const run = await runOpenwit(["bench", "--quick", "--json", "--data-dir", scratch.dataDir], scratch.folder);
  expect(run.status).toBe(0);
  const report = JSON.parse(run.stdout);
  for (const name of ["records_per_second", "write_bytes_per_second", "stored_bytes", "resident_bytes"]) {
    expect([name, report[name] > 0]).toEqual([name, true]);
  }
  expect(report.fsync.p99_ms).toBeGreaterThanOrEqual(report.fsync.p50_ms);
  expect(report.acknowledgement.requests).toBeGreaterThanOrEqual(20);
  expect(report.queries).toHaveLength(4);
  const keys = JSON.parse((await runOpenwit(["config", "show", "--json"])).stdout).settings
    .map(({ key }: { key: string }) => key);
  for (const { key, why } of report.recommendations) {
    expect([keys.includes(key), why !== ""]).toEqual([true, true]);
  }
  expect(readdirSync(scratch.folder)).toEqual([]);
}, 120_000);

test("bench that is stopped by Ctrl-C ends its server and removes what it wrote", async () => {
  await using scratch = new Box();
  const bench = Bun.spawn([...openwitCommand(), "bench", "--quick", "--data-dir", scratch.dataDir], {
    cwd: scratch.folder,
    stdout: "ignore",
    stderr: "pipe",
  });
  let said = "";
  const decoder = new TextDecoder();
  for await (const bytes of bench.stderr) {
    said += decoder.decode(bytes, { stream: true });
    if (said.includes("acknowledgements")) bench.kill("SIGINT");
  }
  expect([await bench.exited, said]).toEqual([130, expect.stringContaining("nothing is left behind")]);
  expect(readdirSync(scratch.folder)).toEqual([]);
}, 60_000);
