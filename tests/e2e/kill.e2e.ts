/**
 * kill -9 under load, again and again: every acknowledged record is there, once, and a batch is whole or absent.
 *
 * Rounds: KILL_ROUNDS (20). Clients send again what was not acknowledged, the same bytes, as exporters do.
 */
import { expect, test } from "bun:test";
import process from "node:process";
import { Box } from "./box.ts";

const rounds = Number(process.env.KILL_ROUNDS ?? 20);
const clients = 8;
const batchRecords = 20;

interface Batch {
  readonly name: string;
  readonly body: string;
}

test("kill -9 under load loses and doubles no acknowledged record", async () => {
  await using box = new Box(["--config", writeConfig()]);
  const acknowledged = new Set<string>();
  const refused: string[] = [];
  let unsettled: Batch[] = [];
  let sent = 0;

  for (let round = 0; round < rounds; round++) {
    await box.start();
    const url = `${box.endpoints.otlp_http}/v1/logs`;
    let killed = false;
    const retry = unsettled;
    unsettled = [];
    const client = async () => {
      while (!killed) {
        const batch = retry.pop() ?? newBatch(sent++);
        try {
          const response = await fetch(url, {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: batch.body,
          });
          const text = await response.text();
          if (response.ok) acknowledged.add(batch.name);
          else {
            refused.push(`${response.status} ${text}`);
            unsettled.push(batch);
          }
        } catch {
          unsettled.push(batch); // killed: whether it is stored, the restart shows
        }
      }
    };
    const running = Array.from({ length: clients }, client);
    // 50 to 450 ms, spread over the rounds: in the middle of WAL writes, flushes and manifest edits alike.
    await Bun.sleep(50 + (round * 137) % 400);
    if (round % 4 === 3) {
      void fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" }).catch(() => {});
    }
    await Bun.sleep(round % 3 * 5);
    killed = true;
    await box.kill();
    await Promise.all(running);
    unsettled.push(...retry);
  }

  await box.start();
  for (const batch of unsettled) {
    const response = await fetch(`${box.endpoints.otlp_http}/v1/logs`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: batch.body,
    });
    if (response.ok) acknowledged.add(batch.name);
    await response.arrayBuffer();
  }
  const counts = new Map(
    (await box.rows("SELECT event_name, count(*), count(DISTINCT body) FROM logs GROUP BY ALL"))
      .map(([name, rows, distinct]) => [String(name), [Number(rows), Number(distinct)]]),
  );
  expect(refused).toEqual([]);
  expect(acknowledged.size).toBeGreaterThan(rounds);
  const wrong = [...acknowledged].filter((name) => {
    const [rows, distinct] = counts.get(name) ?? [0, 0];
    return rows !== batchRecords || distinct !== batchRecords;
  });
  expect(wrong).toEqual([]);
  const doubled = [...counts].filter(([, [rows]]) => rows !== batchRecords).map(([name]) => name);
  expect(doubled).toEqual([]);
  const total = Number(await box.value("SELECT count(*) FROM logs"));
  console.log(
    `${rounds} kills: ${acknowledged.size} requests acknowledged, ${total} records found, 0 lost, 0 doubled`,
  );

  expect(await box.stop()).toBe(0);
  const offline = await box.run(
    "query",
    "--data-dir",
    box.dataDir,
    "--format",
    "csv",
    "SELECT count(*) AS n FROM logs",
  );
  expect(offline.stdout.trim().split("\n").at(-1)).toBe(String(total));
}, 300_000);

function newBatch(number: number): Batch {
  const name = `batch-${number}`;
  const timeUnixNano = String(BigInt(Date.now()) * 1_000_000n);
  const logRecords = Array.from({ length: batchRecords }, (_, index) => ({
    timeUnixNano,
    eventName: name,
    severityNumber: 9,
    body: { stringValue: `${name} record ${index}` },
  }));
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "kill" } }] };
  return { name, body: JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }) };
}

/** Small flushes and WAL files, so that kills fall into them too. */
function writeConfig(): string {
  const path = `${process.env.TMPDIR ?? "/tmp"}/openwit-kill-${process.pid}.yaml`;
  Bun.write(path, "processing:\n  flush_size: 256KiB\n  flush_age: 1s\nwal:\n  file_size: 64KiB\n");
  return path;
}
