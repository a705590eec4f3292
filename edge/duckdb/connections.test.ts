/** Statements take connections in turn, and find nothing there of those before them. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { EngineRequest } from "../../core/query/engine.ts";
import { Connections } from "./connections.ts";
import { defaultEngineOptions, duckDBEngine } from "./engine.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-connections-"));
const engine = duckDBEngine({ ...defaultEngineOptions, dataDir });
afterAll(async () => {
  await engine.close();
  rmSync(dataDir, { recursive: true });
});

async function run(sql: string, more: Partial<EngineRequest> = {}): Promise<number> {
  const signal = AbortSignal.timeout(20_000);
  const result = await engine.run({ sql, tenant: "default", tables: [], rowsMax: 10, signal, ...more });
  let rows = 0;
  for (let batch = await result.next(); batch !== undefined; batch = await result.next()) rows += batch.rows;
  await result.close();
  return rows;
}

test("tables of a statement are gone for the next one, whatever has become of it", async () => {
  const large = { rowsMax: 1_000_000 }; // kept in a table of its own
  const system = { systemTables: [{ name: "tenants", rows: [] } as const] };
  for (let round = 0; round < 3; round++) {
    expect(await run("FROM range(30000)", large)).toBe(30_000);
    await expect(run("FROM range(30000) WHERE error('no')", large)).rejects.toThrow("no");
    await expect(run("FROM openwit_result")).rejects.toThrow("openwit_result");
    expect(await run("FROM openwit_system_tenants", system)).toBe(0);
    await expect(run("FROM openwit_system_tenants")).rejects.toThrow("openwit_system_tenants");
  }
});

test("after one that was interrupted the next ones run to their ends", async () => {
  for (let round = 0; round < 3; round++) {
    const long = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b";
    await expect(run(long, { signal: AbortSignal.timeout(30) })).rejects.toThrow();
    for (let number = 0; number < 5; number++) {
      expect(await run("SELECT sum(range) FROM range(100000)")).toBe(1);
    }
  }
});

test("a result that is closed before its end, or never read, harms none", async () => {
  for (let number = 0; number < 20; number++) {
    const signal = AbortSignal.timeout(20_000);
    const request = { sql: "FROM range(9000)", tenant: "default", tables: [], rowsMax: 10_001, signal };
    const result = await engine.run(request);
    if (number % 2 === 0) await result.next();
    await result.close();
    await expect(result.next()).rejects.toThrow("closed");
    expect(await run("FROM range(9000)", { rowsMax: 10_001 })).toBe(9_000);
  }
});

test("one that is as it was opened is taken again, the others are closed", async () => {
  let opened = 0, closed = 0;
  const instance = {
    connect: () =>
      Promise.resolve((opened++, { closeSync: () => void closed++ }) as unknown as DuckDBConnection),
  } as unknown as DuckDBInstance;
  const connections = new Connections(instance);
  const first = await connections.take();
  connections.giveBack(first, true);
  expect(await connections.take()).toBe(first);
  connections.giveBack(first, false);
  expect(closed).toBe(1);
  expect(await connections.take()).not.toBe(first);
  expect(opened).toBe(2);
  const many = await Promise.all(Array.from({ length: 10 }, () => connections.take()));
  for (const each of many) connections.giveBack(each, true);
  expect(closed).toBe(1 + 6);
  connections.close();
  expect(closed).toBe(1 + 10);
});

test("the engine keeps no copy of files, which would take all of its memory in a long scan", async () => {
  const setting = "name = 'enable_external_file_cache' AND value = 'false'";
  expect(await run(`FROM duckdb_settings() WHERE ${setting}`)).toBe(1);
});
