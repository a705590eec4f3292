/**
 * Makes the template of a catalog folder: `bun edge/catalog/initdb.ts FILE`. A process of its own, because it takes a
 * gigabyte of memory for some seconds; the build runs it once, and so do the sources when they first need it.
 */
import { PGlite } from "@electric-sql/pglite";
import nodeCrypto from "node:crypto";
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { zstdCompressSync } from "node:zlib";
import { startParameters } from "./pglite-settings.ts";
import { packFolder } from "./template.ts";

async function makeTemplate(file: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "openwit-catalog-"));
  const unfinished = `${file}.${process.pid}.tmp`;
  try {
    const database = await PGlite.create({
      dataDir: folder,
      startParams: startParameters,
      initDbStartParams: ["--wal-segsize=1"],
    });
    // What other databases are made from, which nobody makes here: two thirds of the folder.
    await database.exec("UPDATE pg_database SET datistemplate = false WHERE datname <> current_database()");
    for (const name of ["template0", "template1"]) await database.exec(`DROP DATABASE ${name}`);
    await database.exec("VACUUM FREEZE");
    await database.exec("CHECKPOINT");
    await database.close();
    dropSpareWal(join(folder, "pg_wal"));
    writeFileSync(unfinished, zstdCompressSync(packFolder(folder)));
    renameSync(unfinished, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Files that were made in advance; the first has the checkpoint of the shutdown. */
function dropSpareWal(folder: string): void {
  const [, ...spare] = readdirSync(folder).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
  for (const name of spare) rmSync(join(folder, name));
}

/**
 * One time and no chance, so that two builds of one commit have the same bytes: PostgreSQL writes times into a new
 * folder, its identifier, which it takes from the clock, and a nonce that only a login without a password would need.
 */
function stopChance(): void {
  let ms = Date.UTC(2026, 0, 1);
  Date.now = () => ms++;
  performance.now = () => ms++;
  nodeCrypto.randomFillSync = <Buffer extends NodeJS.ArrayBufferView>(buffer: Buffer): Buffer => {
    new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).fill(1);
    return buffer;
  };
}

if (import.meta.main) {
  stopChance();
  await makeTemplate(process.argv[2]);
}
