/**
 * The catalog of a running server, in PGlite and in PostgreSQL (where it is installed): it remembers across restarts
 * and kills, never doubles, may be deleted, damaged or deaf, and nothing waits for it.
 *
 * Rounds of kill -9: CATALOG_KILL_ROUNDS (5).
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { PostgresServer } from "../conformance/postgres.ts";
import { Box } from "./box.ts";
import { Ledger } from "./ledger.ts";

setDefaultTimeout(120_000);

const rounds = Number(process.env.CATALOG_KILL_ROUNDS ?? 5);
const programs = PostgresServer.programs();
if (programs === undefined) {
  console.log("PostgreSQL: skipped, for it is not installed (apt install postgresql)");
}

let server: PostgresServer | undefined;
beforeAll(async () => {
  if (programs !== undefined) server = await PostgresServer.start(programs);
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

async function boxWith(metastore: string, memory = "1GiB", more = ""): Promise<Box> {
  const box = new Box(["--config", "catalog.yaml"]);
  await Bun.write(
    join(box.folder, "catalog.yaml"),
    `metastore:\n  ${metastore}\n  write_interval: 200ms\nmemory:\n  limit: ${memory}\n${more}`,
  );
  return box;
}

async function send(box: Box, body: string): Promise<void> {
  const timeUnixNano = String(BigInt(Date.now()) * 1_000_000n);
  const logRecords = [{ timeUnixNano, body: { stringValue: body } }];
  const response = await fetch(`${box.endpoints.otlp_http}/v1/logs`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
  });
  expect(response.status).toBe(200);
}

async function flush(box: Box): Promise<void> {
  expect((await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" })).status).toBe(200);
}

async function refusal(
  box: Box,
  sql: string,
): Promise<{ status: number; error: { message: string; hint?: string } }> {
  const response = await fetch(`${box.endpoints.http}/api/v1/query`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sql, timeout_ms: 1_000 }),
  });
  return { status: response.status, error: (await response.json()).error };
}

const statusOf = async (box: Box) => await (await fetch(`${box.endpoints.http}/api/v1/status`)).json();

const count = async (box: Box, sql: string) => Number(await box.value(`SELECT count(*) FROM ${sql}`));

const doubled = "(SELECT signal, lsn_to FROM system.batch_history GROUP BY ALL HAVING count(*) > 1)";
/** What the manifest has and the catalog does not, and the other way round. */
const amiss = `(SELECT id FROM system.segments AS s FULL JOIN (
  SELECT id FROM system.segment_history WHERE removed IS NULL
) AS h USING (id) WHERE s.id IS NULL OR h.id IS NULL)`;

const kinds = ["PGlite", ...(programs === undefined ? [] : ["PostgreSQL"])];
const metastore = (kind: string) =>
  kind === "PGlite" ? "kind: pglite" : `kind: postgres\n  url: ${server!.url}`;

describe.each(kinds)("a catalog in %s", (kind) => {
  test("remembers batches and segments across restarts, and merges", async () => {
    await using box = await boxWith(metastore(kind));
    for (let start = 0; start < 3; start++) {
      await box.start();
      await send(box, `start ${start}`);
      await flush(box);
      expect(await count(box, "system.batch_history")).toBe(start + 1);
      expect(await box.stop()).toBe(0);
    }
    await box.start();
    expect(await count(box, "system.batch_history WHERE ingested IS NOT NULL AND stage = 'stored'")).toBe(3);
    expect((await fetch(`${box.endpoints.http}/api/v1/admin/compact`, { method: "POST" })).status).toBe(200);
    expect(
      await box.rows("SELECT removed_by, count(*) FROM system.segment_history GROUP BY ALL ORDER BY ALL"),
    )
      .toEqual([["merged", "3"], [null, "1"]]);
    expect(await box.rows("SELECT task, outcome FROM system.task_history WHERE task = 'compaction'")).toEqual(
      [
        ["compaction", "done"],
      ],
    );
    expect(await count(box, amiss)).toBe(0);
    expect((await statusOf(box)).catalog).toMatchObject({ state: "written", pending: 0, dropped: 0 });
  });

  test(
    `kill -9 amid its writes, ${rounds} times: it opens again, doubles nothing, and agrees with the manifest`,
    async () => {
      const small =
        "processing:\n  flush_size: 256KiB\n  flush_age: 1s\n  compaction_interval: 300ms\nwal:\n  file_size: 64KiB\n";
      await using box = await boxWith(metastore(kind), "1GiB", small);
      const ledger = new Ledger();
      for (let round = 0; round <= rounds; round++) {
        await box.start();
        await ledger.settle(box);
        expect(await count(box, doubled)).toBe(0);
        if (round === rounds) break;
        const stop = ledger.run(box);
        await Bun.sleep(1_500 + (round * 373) % 1_000);
        await box.kill();
        await stop();
      }
      await flush(box);
      await settled(box);
      expect(await count(box, amiss)).toBe(0);
      expect(await count(box, doubled)).toBe(0);
      expect(box.stderr).not.toContain("begun anew");
      console.log(`${kind}: ${rounds} kills, ${await count(box, "system.batch_history")} batches known`);
    },
    300_000,
  );
});

/** Merges go on all the time; without load they come to an end. */
async function settled(box: Box): Promise<void> {
  for (let still = 0, last = ""; still < 5; await Bun.sleep(300)) {
    const now = JSON.stringify(await box.rows("SELECT id FROM system.segments ORDER BY id"));
    still = now === last ? still + 1 : 0;
    last = now;
  }
}

test("deleting catalog/ while the server is off loses nothing: it is rebuilt from the manifest", async () => {
  await using box = await boxWith("kind: pglite");
  await box.start();
  for (const body of ["one", "two"]) {
    await send(box, body);
    await flush(box);
  }
  expect(await count(box, "system.batch_history")).toBe(2);
  expect(await box.stop()).toBe(0);
  rmSync(join(box.dataDir, "catalog"), { recursive: true });
  await box.start();
  expect(await count(box, "logs")).toBe(2);
  expect(await count(box, "system.batch_history")).toBe(2);
  expect(await count(box, amiss)).toBe(0);
});

test("a catalog that is damaged while the server is off is set aside and rebuilt", async () => {
  await using box = await boxWith("kind: pglite");
  await box.start();
  await send(box, "one");
  await flush(box);
  expect(await count(box, "system.batch_history")).toBe(1);
  expect(await box.stop()).toBe(0);
  truncateSync(join(box.dataDir, "catalog/global/pg_control"), 10);
  await box.start();
  expect(await count(box, "logs")).toBe(1);
  for (let tries = 0; tries < 100 && (await statusOf(box)).catalog.state !== "written"; tries++) {
    await Bun.sleep(100);
  }
  await eventually(async () => expect(await count(box, "system.batch_history")).toBe(1));
  const aside = readdirSync(join(box.dataDir, "quarantine")).filter((name) => /^catalog-\d+$/.test(name));
  expect(aside).toHaveLength(1);
  const verified = await box.run("verify", "--data-dir", box.dataDir);
  expect(verified.status).toBe(0);
});

async function eventually(check: () => Promise<void>): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      return await check();
    } catch (error) {
      if (tries === 100) throw error;
      await Bun.sleep(100);
    }
  }
}

test("start, ingest, queries and stop do not wait for a catalog that never answers", async () => {
  const mute = createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const { port } = mute.address() as { port: number };
  await using box = await boxWith(`kind: postgres\n  url: postgres://u:p@127.0.0.1:${port}/d`);
  const started = performance.now();
  await box.start();
  await Bun.sleep(1_000); // it is connecting by now
  await send(box, "one");
  await flush(box);
  expect(await count(box, "logs")).toBe(1);
  expect(await count(box, "system.batches")).toBe(1);
  expect(performance.now() - started).toBeLessThan(10_000);
  expect((await refusal(box, "FROM system.batch_history")).status).toBe(504);
  const stopping = performance.now();
  expect(await box.stop()).toBe(0);
  expect(performance.now() - stopping).toBeLessThan(20_000);
  mute.close();
});

test("without a catalog history is refused with what to do, and no folder is made", async () => {
  await using box = await boxWith("kind: none", "512MiB");
  await box.start();
  const { status, error } = await refusal(box, "SELECT * FROM system.segment_history");
  expect(status).toBe(501);
  expect(error.message).toContain("metastore.kind is none");
  expect((await statusOf(box)).catalog).toMatchObject({ kind: "none", state: "off" });
  expect(existsSync(join(box.dataDir, "catalog"))).toBe(false);
});

test("PGlite stays closed below a memory limit of 1 GiB", async () => {
  await using box = await boxWith("kind: pglite", "1023MiB");
  await box.start();
  await send(box, "one");
  await flush(box);
  await Bun.sleep(1_000);
  expect((await statusOf(box)).catalog).toMatchObject({ kind: "pglite", state: "closed" });
  expect((await refusal(box, "SELECT * FROM system.batch_history")).error.message).toContain("1GiB");
  expect(existsSync(join(box.dataDir, "catalog"))).toBe(false);
});
