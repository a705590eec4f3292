/** A small budget that fills up with `storage.evict_first: debug`: the noise of old hours goes, what matters stays. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Box, runOpenwit } from "./box.ts";

const hourNs = 3_600_000_000_000n;
const debug = 5;
const info = 9;
const recordsOfEach = 100;

test("records of DEBUG and below go before any hour does, and it is told what went and why", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openwit-evict-first-"));
  const config = join(folder, "openwit.yaml");
  writeFileSync(config, "storage: {evict_first: debug}\n");
  await using box = new Box(["--config", config, "--budget", "24MiB"]);
  await box.start();
  const thisHour = BigInt(Date.now()) * 1_000_000n / hourNs;
  const shed = () => box.rows("SELECT id FROM system.segments WHERE evicted_severity = 8");
  let hours = 0;
  for (; hours < 30 && (await shed()).length === 0; hours++) {
    for (let part = 0; part < 2; part++) {
      await send(box, (thisHour - 40n + BigInt(hours)) * hourNs);
      await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
    }
    await fetch(`${box.endpoints.http}/api/v1/admin/compact`, { method: "POST" });
    // An hour in three seconds, once room gets short: half a budget that comes at once leaves no time to rewrite.
    const { used_bytes: used, budget_bytes: budget } =
      (await (await fetch(`${box.endpoints.http}/api/v1/status`)).json()).disk;
    for (let waited = 0; used > budget * 0.5 && waited < 6 && (await shed()).length === 0; waited++) {
      await Bun.sleep(500);
    }
  }
  expect((await shed()).length).toBeGreaterThan(0);
  // Every hour is there, with all that is more than noise; the oldest has none of that any more.
  const counts = await box.rows(
    `SELECT severity_number, count(*) FROM logs WHERE severity_number = ${info} GROUP BY ALL`,
  );
  expect(counts).toEqual([[info, String(2 * recordsOfEach * hours)]]);
  const oldest = await box.rows(
    "SELECT count(*) FILTER (severity_number < 9), count(*) FILTER (severity_number = 9) FROM logs " +
      "WHERE timestamp = (SELECT min(timestamp) FROM logs)",
  );
  expect(oldest).toEqual([["0", String(2 * recordsOfEach)]]);
  const done = () => box.rows("SELECT did FROM system.tasks WHERE task = 'shed' AND outcome = 'done'");
  // The run that was seen at work is told of when it has ended.
  for (let waited = 0; waited < 40 && (await done()).length === 0; waited++) await Bun.sleep(500);
  const runs = await done();
  expect(String(runs[0]?.[0])).toContain("log records up to debug evicted from");
  const metrics = await (await fetch(`${box.endpoints.http}/metrics`)).text();
  expect(metrics).toMatch(/openwit_evicted_rows_total\{reason="severity"\} [1-9]/);
  expect(metrics).toContain('openwit_evicted_segments_total{reason="budget"} 0\n');
  await box.stop();
  const verified = await runOpenwit(["verify", "--deep", "--data-dir", box.dataDir]);
  expect([verified.status, verified.stdout]).toEqual([0, expect.stringContaining("no findings")]);
  const refused = await runOpenwit(["serve", "--data-dir", box.dataDir, "--config", refusingConfig(folder)]);
  expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining("nothing is evicted")]);
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

function refusingConfig(folder: string): string {
  const path = join(folder, "refuse.yaml");
  writeFileSync(path, "storage: {evict_first: debug, when_full: refuse}\n");
  return path;
}

/** As many records of either severity, hard to compress: some half of a mebibyte. */
async function send(box: Box, timeNs: bigint): Promise<void> {
  const logRecords = Array.from({ length: 2 * recordsOfEach }, (_, index) => ({
    timeUnixNano: String(timeNs),
    severityNumber: index % 2 === 0 ? debug : info,
    body: { stringValue: crypto.getRandomValues(new Uint8Array(2_500)).toBase64() },
  }));
  const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
  const headers = { "Content-Type": "application/json" };
  for (let tries = 0;; tries++) {
    const response = await fetch(`${box.endpoints.otlp_http}/v1/logs`, { method: "POST", headers, body });
    if (response.ok) return;
    if (response.status !== 503 || tries === 20) throw new Error(await response.text());
    await Bun.sleep(500); // there is no room until the WAL is flushed
  }
}
