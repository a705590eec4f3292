/**
 * The catalog in PGlite, PostgreSQL as WebAssembly, in a thread of this process and a folder of the box.
 *
 *   catalog/           PostgreSQL's data folder      run/catalog.lock   held while it is open
 *   catalog.tmp/       one that is being made        quarantine/        the last one that was of no use, and why
 *
 * The thread starts with the first statement and ends when it was idle, for PGlite takes some hundred MB. After any
 * failure but that of a statement it ends too: PostgreSQL then recovers when it is opened next. A folder that cannot
 * be opened twice in a row, or in which PostgreSQL finds damage, is set aside and a new one begun; that costs history
 * and nothing else.
 */
import { closeSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CatalogDatabase, CatalogStatement } from "../../core/catalog/database.ts";
import type { Log } from "../../core/env/log.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { type DataLock, lockDataFolder } from "../disk/lock.ts";
import type { FromWorker, ToWorker } from "./pglite-protocol.ts";
import { errorOfState, isDamage, isOfTheBox } from "./sql-state.ts";

export interface PGliteOptions {
  readonly dataDir: string;
  readonly log: Log;
  /** Milliseconds without a call after which the thread ends. */
  readonly idleMs: number;
}

export const defaultIdleMs = 30_000;

export const catalogFolder = "catalog";
const lockPath = "run/catalog.lock";

/** For a checkpoint and PostgreSQL's own end; after it the thread is ended, and recovery does the rest. */
const shutMsMax = 3_000;

/** Openings in a row that may fail before the folder is set aside. */
const failuresMax = 2;

export class PGliteDatabase implements CatalogDatabase {
  timesRenewed = 0;
  readonly #folder: string;
  #thread: PGliteThread | undefined;
  #lock: DataLock | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** Openings that failed or did not end since the last that succeeded. */
  #failures = 0;
  #isOpening = false;
  #isBusy = false;
  /** What is wrong with the folder, once PostgreSQL has said so. */
  #damage: string | undefined;

  constructor(readonly options: PGliteOptions) {
    this.#folder = join(options.dataDir, catalogFolder);
  }

  get isOpen(): boolean {
    return this.#thread !== undefined && !this.#isOpening;
  }

  run(statements: readonly CatalogStatement[]): Promise<readonly (string | undefined)[]> {
    return this.#exclusively({ kind: "run", statements });
  }

  async maintain(): Promise<void> {
    await this.#exclusively({ kind: "maintain" });
  }

  /** Properly when it is idle; what it is at, it does not finish. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    if (this.#isOpening) this.#failures++;
    if (this.#isBusy) await this.#thread?.end();
    this.#last = this.#last.then(() => this.#shut());
    await this.#last;
  }

  #exclusively(message: ToWorker): Promise<readonly (string | undefined)[]> {
    const call = this.#last.then(() => this.#call(message));
    this.#last = call.catch(() => {}); // the caller gets the error; the next call goes on
    return call;
  }

  async #call(message: ToWorker): Promise<readonly (string | undefined)[]> {
    clearTimeout(this.#idle);
    this.#isBusy = true;
    try {
      const thread = this.#thread ?? await this.#open();
      return await thread.ask(message);
    } catch (error) {
      const failure = this.#thread?.failure;
      if (failure !== undefined) {
        if (isDamage(failure)) this.#damage = failure;
        await this.#end();
      }
      throw error;
    } finally {
      this.#isBusy = false;
      if (this.#thread !== undefined) {
        this.#idle = setTimeout(() => {
          this.#last = this.#last.then(() => this.#shut());
        }, this.options.idleMs);
        this.#idle.unref?.();
      }
    }
  }

  async #open(): Promise<PGliteThread> {
    this.#lock ??= lockDataFolder(this.options.dataDir, lockPath);
    this.#isOpening = true;
    try {
      for (;;) {
        if (this.#failures >= failuresMax) this.#damage ??= "it could not be opened";
        if (this.#damage !== undefined) this.#setAside(this.#damage);
        const thread = this.#thread = new PGliteThread();
        try {
          await thread.ask({ kind: "open", folder: this.#folder });
          this.#failures = 0;
          return thread;
        } catch (thrown) {
          const { isEnded } = thread;
          await this.#end({ keepLock: true });
          const { message } = toOpenWitError(thrown);
          if (isEnded || isOfTheBox(message)) throw thrown;
          this.options.log("warn", "the catalog could not be opened", { error: message });
          if (++this.#failures < failuresMax) continue;
          if (this.#damage !== undefined) throw thrown; // a new one cannot be opened either: it is not the folder
          this.#damage = message;
        }
      }
    } finally {
      this.#isOpening = false;
      if (this.#thread === undefined) this.#unlock();
    }
  }

  /** It is gone after this, whether it could be kept for whoever wants to know or not. */
  #setAside(reason: string): void {
    const { dataDir, log } = this.options;
    const quarantine = join(dataDir, "quarantine");
    mkdirSync(quarantine, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(quarantine)) {
      if (/^catalog-\d+(\.json)?$/.test(name)) {
        rmSync(join(quarantine, name), { recursive: true, force: true });
      }
    }
    const aside = join(quarantine, `catalog-${Date.now()}`);
    try {
      renameSync(this.#folder, aside);
      writeFileSync(`${aside}.json`, JSON.stringify({ reason }, undefined, 2) + "\n", { mode: 0o600 });
    } catch {
      rmSync(this.#folder, { recursive: true, force: true }); // evidence is worth less than a catalog that works
    }
    this.#damage = undefined;
    this.#failures = 0;
    this.timesRenewed++;
    log("warn", "the catalog is of no use and is begun anew; only history is lost", { reason });
  }

  async #shut(): Promise<void> {
    const thread = this.#thread;
    if (thread === undefined) return;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`not done after ${shutMsMax} ms`)), shutMsMax);
    try {
      await Promise.race([thread.ask({ kind: "close" }), late.promise]);
    } catch (error) {
      this.options.log("warn", "the catalog did not close properly; it recovers when it is opened", {
        error,
      });
    }
    clearTimeout(timer);
    await this.#end();
  }

  async #end({ keepLock } = { keepLock: false }): Promise<void> {
    clearTimeout(this.#idle);
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.end();
    if (thread !== undefined) {
      closeLeftOpen(this.#folder);
      Bun.gc(true); // the thread's memory is the collector's
    }
    if (!keepLock) this.#unlock();
  }

  #unlock(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }
}

/** One worker, asked one thing at a time. */
class PGliteThread {
  readonly #worker = new Worker(new URL("./pglite-worker.ts", import.meta.url));
  readonly #exit = Promise.withResolvers<void>();
  #answer: PromiseWithResolvers<readonly (string | undefined)[]> | undefined;
  /** Why it cannot be asked any more. */
  failure: string | undefined;
  isEnded = false;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    this.#worker.onerror = (event) => this.#fail(event.message);
    this.#worker.addEventListener("close", () => {
      this.#fail("its thread ended by itself: out of memory?");
      this.#exit.resolve();
    });
  }

  async ask(message: ToWorker): Promise<readonly (string | undefined)[]> {
    if (this.failure !== undefined) throw failureOf(this.failure);
    this.#answer = Promise.withResolvers();
    this.#worker.postMessage(message);
    return await this.#answer.promise;
  }

  /** Resolves when it runs no more, whatever it was at. */
  async end(): Promise<void> {
    this.isEnded = true;
    this.#fail("it was closed");
    this.#worker.terminate();
    await this.#exit.promise;
  }

  #take(message: FromWorker): void {
    if (message.kind === "done") return this.#answer?.resolve(message.values);
    if (message.state === undefined || isDamage(message.state)) return this.#fail(message.message);
    this.#answer?.reject(errorOfState(message.state, message.message));
  }

  /** The first failure is the one that counts. */
  #fail(why: string): void {
    this.failure ??= why;
    this.#answer?.reject(failureOf(this.failure));
  }
}

function failureOf(why: string): OpenWitError {
  const message = `the catalog failed: ${why}`;
  if (/no space left|ENOSPC|EDQUOT/i.test(why)) return new OpenWitError("disk_full", message);
  return new OpenWitError("unavailable", message);
}

/** Descriptors of files in the folder that are still open: a thread that is ended while it hangs closes none. */
function closeLeftOpen(folder: string): void {
  const list = "/proc/self/fd";
  for (const name of existingNames(list)) {
    try {
      if (readlinkSync(join(list, name)).startsWith(`${folder}/`)) closeSync(Number(name));
    } catch {
      // closed since the list was read
    }
  }
}

function existingNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // a system without /proc: what is left open stays open
  }
}
