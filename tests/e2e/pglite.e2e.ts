/** Each measure that makes PGlite fit to keep anything, on real folders: docs/decisions/006-catalog.md lists them. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../core/env/log.ts";
import { lockDataFolder } from "../../edge/disk/lock.ts";
import { PGliteDatabase } from "../../edge/catalog/pglite.ts";

setDefaultTimeout(180_000); // opening takes a second of a whole processor, and others may want it

let dataDir: string;
let database: PGliteDatabase;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "openwit-pglite-"));
  database = newDatabase();
});
afterEach(async () => {
  await database.close();
  rmSync(dataDir, { recursive: true, force: true });
});

function newDatabase(idleMs = 60_000): PGliteDatabase {
  return new PGliteDatabase({ dataDir, log: silentLog, idleMs });
}

const catalog = (...path: string[]) => join(dataDir, "catalog", ...path);
const value = async (sql: string) => (await database.run([{ sql }]))[0];
const refusal = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);

async function fill(rows = 1_000): Promise<void> {
  await database.run([
    { sql: "CREATE TABLE t (id int PRIMARY KEY, x text)" },
    { sql: `INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, ${rows}) AS n` },
  ]);
}

test("PostgreSQL is told to sync, in the one way that is done, and to take little memory", async () => {
  const settings = ["fsync", "wal_sync_method", "full_page_writes", "synchronous_commit", "shared_buffers"];
  const found = await Promise.all(settings.map((name) => value(`SELECT current_setting('${name}')`)));
  expect(found).toEqual(["on", "fsync", "on", "on", "8MB"]);
  expect(await value("SELECT current_setting('data_checksums')")).toBe("on");
});

test("a new folder is made whole or not at all, and small: what was cut off before is swept", async () => {
  mkdirSync(`${catalog()}.tmp/base`, { recursive: true });
  writeFileSync(`${catalog()}.tmp/PG_VERSION`, "half");
  await fill();
  expect(existsSync(`${catalog()}.tmp`)).toBe(false);
  expect(statSync(catalog()).mode & 0o777).toBe(0o700);
  expect(bytesOf(catalog())).toBeLessThan(16 * 1024 * 1024);
});

test("two never have it open at once; the lock goes with whoever held it", async () => {
  await fill();
  const other = newDatabase();
  expect((await refusal(other.run([{ sql: "SELECT 1" }]))).code).toBe("conflict");
  await database.close();
  expect(await other.run([{ sql: "SELECT count(*)::text FROM t" }])).toEqual(["1000"]);
  await other.close();
  lockDataFolder(dataDir, "run/catalog.lock").release();
});

test("it is not there before the first statement, and goes when it was idle", async () => {
  database = newDatabase(100);
  expect([database.isOpen, existsSync(catalog())]).toEqual([false, false]);
  await fill();
  expect(database.isOpen).toBe(true);
  for (let waits = 0; database.isOpen && waits < 200; waits++) await Bun.sleep(50);
  expect(database.isOpen).toBe(false);
  expect(openFiles()).toBe(0);
  expect(await value("SELECT count(*)::text FROM t")).toBe("1000");
});

test("an opening that does not end is given up; after the second the folder is set aside", async () => {
  await fill();
  await database.close();
  for (let round = 0; round < 2; round++) {
    const asked = refusal(value("SELECT 1"));
    await Bun.sleep(50); // its thread has been started, and takes several times as long
    await database.close();
    expect((await asked).code).toBe("unavailable");
    expect(openFiles()).toBe(0);
  }
  expect(await value("SELECT to_regclass('t')::text")).toBeUndefined();
  expect(database.timesRenewed).toBe(1);
  expect(readdirSync(join(dataDir, "quarantine")).filter((name) => /^catalog-\d+$/.test(name))).toHaveLength(
    1,
  );
});

test("checkpoints keep the WAL short, and vacuuming the tables", async () => {
  await fill(100);
  for (let round = 0; round < 150; round++) await value("UPDATE t SET x = repeat(md5(random()::text), 20)");
  expect(bytesOf(catalog("pg_wal"))).toBeLessThan(8 * 1024 * 1024);
  await database.run([
    { sql: "CREATE SCHEMA openwit" },
    ...["batch_history", "task_history", "segment_history"].map((name) => ({
      sql: `CREATE TABLE openwit.${name} (x text)`,
    })),
  ]);
  let bytes = 0;
  for (let round = 0; round < 12; round++) {
    await database.run([
      { sql: "DELETE FROM openwit.batch_history" },
      { sql: "INSERT INTO openwit.batch_history SELECT repeat('x', 500) FROM generate_series(1, 2000)" },
    ]);
    await database.maintain();
    const now = Number(await value("SELECT pg_relation_size('openwit.batch_history')::text"));
    if (round === 5) bytes = now;
    if (round > 5) expect(now).toBeLessThanOrEqual(bytes);
  }
});

test.each([
  ["the control file is cut short", () => writeFileSync(catalog("global/pg_control"), "short")],
  ["the WAL is gone", () => rmSync(catalog("pg_wal"), { recursive: true })],
  ["a file stands in its place", () => {
    rmSync(catalog(), { recursive: true });
    writeFileSync(catalog(), "in the way");
  }],
])("a folder is set aside when %s, in place of one before, and a new one begun", async (_, damage) => {
  mkdirSync(join(dataDir, "quarantine/catalog-1"), { recursive: true });
  writeFileSync(join(dataDir, "quarantine/catalog-1.json"), "{}");
  await fill();
  await database.close();
  damage();
  expect(await value("SELECT to_regclass('t')::text")).toBeUndefined();
  expect(database.timesRenewed).toBe(1);
  const quarantine = readdirSync(join(dataDir, "quarantine")).sort();
  expect(quarantine).toEqual([
    expect.stringMatching(/^catalog-\d+$/),
    expect.stringMatching(/^catalog-\d+\.json$/),
  ]);
  expect(JSON.parse(readFileSync(join(dataDir, "quarantine", quarantine[1]), "utf8")).reason).not.toBe("");
});

test("a page that is not what was written is found by its checksum, and the folder set aside", async () => {
  await fill();
  const file = catalog(await value("SELECT pg_relation_filepath('t')") ?? "");
  await database.close();
  const bytes = readFileSync(file);
  bytes.fill(0xa5, 8_192 + 100, 8_192 + 400);
  writeFileSync(file, bytes);
  expect((await refusal(value("SELECT sum(length(x))::text FROM t"))).code).toBe("unavailable");
  expect(await value("SELECT to_regclass('t')::text")).toBeUndefined();
  expect(database.timesRenewed).toBe(1);
});

test.if(process.getuid?.() === 0)(
  "a full disk is an error to be tried again, and costs nothing that was answered",
  async () => {
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", dataDir]);
    if (!mounted.success) return console.log(`a full disk: skipped, for ${mounted.stderr}`);
    try {
      await fill(10);
      let rows = 10;
      let error;
      for (; error === undefined && rows < 100_000; rows += error === undefined ? 500 : 0) {
        error = await refusal(database.run([
          {
            sql: `INSERT INTO t SELECT n, repeat('x', 2000) FROM generate_series(${rows + 1}, ${
              rows + 500
            }) AS n`,
          },
        ]));
      }
      expect(error).toMatchObject({ code: "disk_full", retryable: true });
      expect(Bun.spawnSync(["mount", "-o", "remount,size=64m", dataDir]).success).toBe(true);
      expect(await value("SELECT count(*)::text FROM t")).toBe(String(rows));
      expect(database.timesRenewed).toBe(0);
      await database.close();
    } finally {
      Bun.spawnSync(["umount", "-l", dataDir]);
    }
  },
);

/** Files of the catalog that this process has open. */
function openFiles(): number {
  const { stdout } = Bun.spawnSync(["ls", "-l", `/proc/${process.pid}/fd`]);
  return stdout.toString().split("\n").filter((line) => line.includes(catalog() + "/")).length;
}

function bytesOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
