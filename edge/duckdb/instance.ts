/**
 * The DuckDB instance of an engine, opened at the first statement and fenced: no file but Parquet below the parquet
 * folder, no extension, no setting that a statement could change.
 *
 * An instance is retired when it is of no more use: after a fatal error, and when a statement left a file in the spill
 * folder, as one does that fails while it spills; the file would count against the spill for ever. The next statement
 * opens another one, with a folder of its own; the retired one is closed when the last statement on it has ended.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { DuckDBInstance } from "@duckdb/node-api";
import { quoteText } from "../../core/model/sql.ts";
import { Connections } from "./connections.ts";
import type { DuckDBEngineOptions } from "./engine.ts";
import { fromDuckDB, isFatal, isSpillFull } from "./error.ts";
import { type DuckDB, loadDuckDB } from "./load.ts";
import { type MemtableFunctions, registerMemtable } from "./memtable.ts";
import { Parsers } from "./parsers.ts";

export interface Opened {
  readonly duckdb: DuckDB;
  readonly instance: DuckDBInstance;
  readonly parsers: Parsers;
  readonly connections: Connections;
  readonly memtable: MemtableFunctions;
  readonly spill: string;
  users: number;
  isRetired: boolean;
  isClosed: boolean;
}

export class Instances {
  #opened: Promise<Opened> | undefined;
  #count = 0;

  constructor(readonly options: DuckDBEngineOptions) {}

  /** The instance, to be given back with `release`. @throws OpenWitError when it cannot be opened */
  async acquire(): Promise<Opened> {
    const opening = this.#opened ??= open(this.options, ++this.#count);
    let opened: Opened;
    try {
      opened = await opening;
    } catch (error) {
      if (this.#opened === opening) this.#opened = undefined;
      throw fromDuckDB(error);
    }
    opened.users++;
    return opened;
  }

  /** @param error what went wrong meanwhile, when something did */
  async release(opened: Opened, error?: unknown): Promise<void> {
    if (error !== undefined && (isFatal(error) || isSpillFull(error))) await this.#retire(opened);
    opened.users--;
    if (opened.users > 0 || error === undefined && !opened.isRetired) return;
    // Nothing runs on it: what lies in its folder is left over.
    if (!opened.isRetired && await isEmpty(opened.spill) || opened.users > 0) return;
    await this.#retire(opened);
    if (opened.users === 0) await close(opened);
  }

  async use<T>(work: (opened: Opened) => Promise<T>): Promise<T> {
    const opened = await this.acquire();
    let failure: unknown;
    try {
      return await work(opened);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      await this.release(opened, failure);
    }
  }

  /** Closes the instance, which nobody uses any more. */
  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined); // whoever asked for it was told
    this.#opened = undefined;
    if (opened !== undefined) await close(opened);
  }

  async #retire(opened: Opened): Promise<void> {
    opened.isRetired = true;
    if (await this.#opened?.catch(() => undefined) === opened) this.#opened = undefined;
  }
}

async function close(opened: Opened): Promise<void> {
  if (opened.isClosed) return;
  opened.isClosed = true;
  const { parsers, connections, instance, spill } = opened;
  parsers.close();
  connections.close();
  instance.closeSync();
  await rm(spill, { recursive: true, force: true });
}

async function isEmpty(folder: string): Promise<boolean> {
  return (await readdir(folder).catch(() => [])).length === 0; // it is made when first needed
}

function spillFolder({ dataDir, spillDir }: DuckDBEngineOptions): string {
  return resolve(dataDir, spillDir ?? "tmp/query");
}

async function open(options: DuckDBEngineOptions, number: number): Promise<Opened> {
  const duckdb = await loadDuckDB();
  const instance = await duckdb.api.DuckDBInstance.create(":memory:", {
    threads: String(options.threads),
    memory_limit: `${Math.floor(options.memoryBytes / 1024)}KiB`,
    autoload_known_extensions: "false",
    autoinstall_known_extensions: "false",
    allow_community_extensions: "false",
    allow_unsigned_extensions: "false",
  });
  const connection = await instance.connect();
  // DuckDB makes the folder when it first spills, but not its parents. What a process that died left in it goes.
  const spill = join(spillFolder(options), String(number));
  await rm(spill, { recursive: true, force: true });
  await mkdir(dirname(spill), { recursive: true });
  const readable = [resolve(options.dataDir, options.parquetDir ?? "parquet"), ...options.alsoRead ?? []]
    .map((folder) => quoteText(`${folder}/`)); // without the slash a folder beside it that begins alike would do
  // In this order: the fence closes once external access is off, and nothing changes once configuration is locked.
  const settings = [
    `SET temp_directory = ${quoteText(spill)}`,
    `SET max_temp_directory_size = '${Math.floor(options.spillBytes / 1024)}KiB'`,
    `SET allowed_directories = [${readable.join(", ")}]`,
    "SET enable_external_file_cache = false", // the system keeps files in memory, and gives it back when it is short
    "SET TimeZone = 'UTC'",
    "SET Calendar = 'gregorian'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
  ];
  for (const setting of settings) await connection.run(setting);
  const memtable = registerMemtable(duckdb, connection);
  connection.closeSync();
  const parsers = new Parsers(instance), connections = new Connections(instance);
  return {
    duckdb,
    instance,
    parsers,
    connections,
    memtable,
    spill,
    users: 0,
    isRetired: false,
    isClosed: false,
  };
}
