/**
 * What a power cut leaves, played through without one: beside the real folder a second one is kept that takes a file's
 * bytes only when the file is synced. The canary, a file system whose sync does nothing, has to lose what it was told.
 */
import { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  cpSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { catalogAssets } from "./assets.ts";
import { DurableFS } from "./durable-fs.ts";
import { startParameters } from "./pglite-settings.ts";
import { makeFolder } from "./template.ts";

setDefaultTimeout(120_000);

let base: string;
let assets: Awaited<ReturnType<typeof catalogAssets>>;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "openwit-durable-"));
  assets = await catalogAssets();
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

async function open(folder: string, sync?: (fd: number) => void, onFailure = () => {}): Promise<PGlite> {
  return await PGlite.create({
    fs: new DurableFS(folder, onFailure, sync),
    fsBundle: new Blob([assets.data()]),
    startParams: startParameters,
  });
}

/** Opens a folder, commits rows, and says how many of them a power cut at that point would leave. */
async function rowsAfterCut(name: string, doesSync: boolean): Promise<number> {
  const folder = join(base, name);
  const synced = join(base, `${name}-synced`);
  makeFolder(folder, assets.template);
  cpSync(folder, synced, { recursive: true });
  const database = await open(folder, (fd) => {
    const path = readlinkSync(`/proc/self/fd/${fd}`);
    if (!doesSync || statSync(path).isDirectory()) return;
    fsyncSync(fd);
    const kept = path.replace(folder, synced);
    mkdirSync(dirname(kept), { recursive: true });
    writeFileSync(kept, readFileSync(path));
  });
  await database.exec("CREATE TABLE t (id int PRIMARY KEY, x text)");
  for (let id = 0; id < 20; id++) {
    await database.query("INSERT INTO t VALUES ($1, $2)", [id, "x".repeat(1_000)]);
    if (id === 10) await database.exec("CHECKPOINT");
  }
  const after = await open(synced);
  try {
    const { rows } = await after.query<{ n: number }>("SELECT count(*)::int AS n FROM t");
    return rows[0].n;
  } catch {
    return 0; // not even the table
  } finally {
    await after.close();
    await database.close();
  }
}

test("every commit that was answered is there after a power cut", async () => {
  expect(await rowsAfterCut("syncing", true)).toBe(20);
});

test("the canary: without the syncs, commits are lost", async () => {
  expect(await rowsAfterCut("canary", false)).toBe(0);
});

test("a sync that fails is told at once", async () => {
  const folder = join(base, "failing");
  makeFolder(folder, assets.template);
  let isFailing = false;
  const failures: string[] = [];
  const fails = () => {
    if (isFailing) throw new Error("EIO");
  };
  const fs = new DurableFS(folder, (error) => failures.push(error.message), fails);
  const database = await PGlite.create({
    fs,
    fsBundle: new Blob([assets.data()]),
    startParams: startParameters,
  });
  await database.exec("CREATE TABLE t (id int)");
  isFailing = true;
  // PostgreSQL ends itself here, so the statement is not waited for.
  expect(() => fs.sync(0)).toThrow("EIO");
  const { NODEFS } = database.Module as unknown as {
    NODEFS: { stream_ops: { fsync(stream: { nfd: number }): number } };
  };
  expect(NODEFS.stream_ops.fsync({ nfd: 0 })).toBe(29);
  expect(failures).toEqual(["EIO"]);
  isFailing = false;
  await database.close();
});
