/** Which statements are heavy, and that those alone wait for the memory that merges share with them. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryShare } from "../../core/budget/memory-share.ts";
import { heldBytes } from "../../core/query/heavy.ts";
import { defaultEngineOptions, duckDBEngine } from "./engine.ts";

const mebibyte = 1024 * 1024;
const dataDir = mkdtempSync(join(tmpdir(), "openwit-heavy-"));
const shared = new MemoryShare(256 * mebibyte);
const engine = duckDBEngine({ ...defaultEngineOptions, dataDir, memoryBytes: 200 * mebibyte, shared });
afterAll(async () => {
  await engine.close();
  rmSync(dataDir, { recursive: true });
});

const cases: Record<string, boolean> = {
  "SELECT count(*) FROM logs": false,
  "SELECT service_name, count(*) FROM logs GROUP BY ALL": false,
  "SELECT * FROM logs ORDER BY timestamp DESC LIMIT 100": false,
  "SELECT DISTINCT body FROM logs LIMIT 10": true,
  "SELECT * FROM (SELECT * FROM logs ORDER BY body) LIMIT 10": true,
  "SELECT count(*) FROM logs AS a JOIN spans AS b ON a.trace_id = b.trace_id": true,
  "SELECT row_number() OVER (ORDER BY timestamp) FROM logs LIMIT 10": true,
  "WITH all_of_it AS (SELECT DISTINCT body FROM logs) SELECT count(*) FROM all_of_it": true,
};

for (const [sql, isHeavy] of Object.entries(cases)) {
  test(`${isHeavy ? "heavy" : "light"}: ${sql}`, async () => {
    const tree = await engine.parse(sql);
    expect(heldBytes(tree, 100 * mebibyte, 1_001) > 0).toBe(isHeavy);
    expect(heldBytes(tree, mebibyte, 1_001)).toBe(0); // whatever it is, it is over soon
  });
}

test("a result of many rows is heavy, for it is kept until it is fetched", async () => {
  const tree = await engine.parse("SELECT body FROM logs");
  expect(heldBytes(tree, 100 * mebibyte, 1_000_001)).toBeGreaterThan(100 * mebibyte);
});

test("an aggregate gives few rows, however many it might", async () => {
  for (
    const sql of [
      "SELECT count(*) FROM logs",
      "SELECT round(avg(severity_number)) FROM logs",
      "SELECT service_name, max(timestamp) FROM logs GROUP BY ALL",
      "SELECT body FROM logs GROUP BY body",
    ]
  ) {
    expect(heldBytes(await engine.parse(sql), 100 * mebibyte, 1_000_001)).toBe(0);
  }
});

test("a heavy statement waits while a merge holds the memory, and a light one does not", async () => {
  const give = await shared.take(128 * mebibyte, new AbortController().signal);
  const signal = AbortSignal.timeout(20_000);
  const run = (memoryBytes: number) =>
    engine.run({ sql: "SELECT 1", tenant: "default", tables: [], rowsMax: 10, memoryBytes, signal });
  let isHeavyDone = false;
  const heavy = run(1_000 * mebibyte).then((result) => {
    isHeavyDone = true;
    return result;
  });
  await (await run(0)).close();
  expect(isHeavyDone).toBe(false);
  expect(shared.stats.waiting).toBe(1);
  give();
  const result = await heavy;
  expect(shared.stats.heldBytes).toBe(200 * mebibyte); // no more than the engine may take
  await result.close();
  expect(shared.stats.heldBytes).toBe(0);
});

test("a heavy statement that gives up, and one that fails, leave nothing held", async () => {
  const give = await shared.take(256 * mebibyte, new AbortController().signal);
  const request = {
    sql: "SELECT error('no')",
    tenant: "default",
    tables: [],
    rowsMax: 10,
    memoryBytes: 90 * mebibyte,
  };
  await expect(engine.run({ ...request, signal: AbortSignal.timeout(50) })).rejects.toThrow();
  give();
  await expect(engine.run({ ...request, signal: AbortSignal.timeout(20_000) })).rejects.toThrow("no");
  expect(shared.stats).toEqual({ heldBytes: 0, waiting: 0 });
});
