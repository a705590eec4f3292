/**
 * The write-ahead log: accepted requests, in order, before anybody is told that they were accepted.
 *
 * Layout: format.ts. Way of a request: `append` gives it the next LSN at once; requests that come while a write and
 * sync are under way gather, and go out together in the next one (group commit).
 *
 * What `durable` means: with `always` the bytes are fsynced; with `interval` they are written, and fsynced within
 * `intervalMs` (a process crash loses nothing, a power cut that much); with `never` they are written, and the
 * operating system syncs when it likes.
 *
 * Invariants: (1) `durable` resolves in LSN order; what has resolved is a prefix of what was not refused.
 * (2) After a failed write or sync nothing more is acknowledged from that file: what it had not acknowledged is
 * written again, under the same LSNs, to a new file, which supersedes the rest of the old one. (3) When that fails
 * too, all that is pending is refused in one turn; the next append begins a fresh file, so acceptance resumes by
 * itself. (4) The wal folder is this object's alone while it is open.
 */
import type { Clock } from "../env/clock.ts";
import type { Disk, DiskFile } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import { OpenWitError, toOpenWitError } from "../error.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Signal } from "../model/columns.ts";
import { compressBody } from "./body.ts";
import { WalFile } from "./file.ts";
import {
  checkRecord,
  encodeRecord,
  encodeWalHeader,
  groupBytesMax,
  recordBytes,
  walFolder,
  type WalHeader,
  type WalRecord,
} from "./format.ts";
import { type FreedFiles, WalShelf } from "./shelf.ts";
import type { WalReport } from "./recovery.ts";

export type { FreedFiles } from "./shelf.ts";
export type { WalRecord } from "./format.ts";

export type WalSync = "always" | "interval" | "never";

export interface WalOptions {
  readonly sync: WalSync;
  /** Longest time between write and fsync, for `interval`. */
  readonly intervalMs: number;
  /** Size at which a file is sealed and another begun. */
  readonly fileBytesMax: number;
  /** Age at which `sealIfDue` seals a file, so that a quiet stream does not keep it. */
  readonly fileAgeMsMax: number;
}

export interface WalEnv {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
}

export interface WalCondition {
  /** Why the last write was refused; absent once one went well. */
  readonly trouble?: { readonly message: string; readonly agoMs: number };
  /** How long the write under way has taken; 0 when there is none. */
  readonly writingMs: number;
  /** What an fsync takes of late, in milliseconds. */
  readonly syncMs: number;
}

export class Wal {
  /** Only grow, but `files` and `bytes`: what lies on disk now. */
  get stats(): Readonly<WalCounters> & { readonly files: number; readonly bytes: number } {
    const open = this.#open?.walFile.bytes ?? 0;
    return {
      ...this.#counters,
      files: this.#shelf.files + (this.#open === undefined ? 0 : 1),
      bytes: this.#shelf.bytes + open,
    };
  }

  readonly #counters: WalCounters = {
    appended: 0,
    appendedBytes: 0,
    refused: 0,
    groups: 0,
    fsyncs: 0,
    failures: 0,
  };
  readonly #shelf: WalShelf;
  #queue: Pending[] = [];
  #open: OpenFile | undefined;
  /** First LSN of the next file when it must supersede what an abandoned one may hold. */
  #resumeLsn: number | undefined;
  #committing: Promise<void> | undefined;
  /** True from the moment pending requests are refused until those who wait for them were told. */
  #refusing = false;
  #closed = false;
  /** Work on the open file, one piece after another. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #closing = new AbortController();
  /** Why the last group was refused; `undefined` once one went well. */
  #trouble: { readonly message: string; readonly atMs: number } | undefined;
  /** When the group under way was begun. */
  #writingSinceMs: number | undefined;
  #syncMs = 0;

  private constructor(
    readonly env: WalEnv,
    public options: WalOptions,
    private nextLsn: number,
    existing: Pick<WalReport, "files" | "seen">,
  ) {
    this.#shelf = new WalShelf(env, existing);
  }

  /**
   * Goes on after a recovery. Nothing is written before the first append.
   * @param nextLsn above every LSN that was ever used: the report's `maxLsn` and every watermark
   * @param existing the report of `readWal`, read to its end
   */
  static async open(
    env: WalEnv,
    options: WalOptions,
    nextLsn: number,
    existing: Pick<WalReport, "files" | "seen">,
  ): Promise<Wal> {
    await env.disk.makeDir(walFolder);
    const least = Math.max(
      1,
      ...existing.files.map((file) => Math.max(file.name.firstLsn, file.lastLsn + 1)),
    );
    return new Wal(env, options, Math.max(nextLsn, least), existing);
  }

  /** How writing goes: for whoever asks whether this box is well. */
  get condition(): WalCondition {
    const nowMs = this.env.clock.monotonicMs();
    return {
      ...(this.#trouble === undefined
        ? {}
        : { trouble: { message: this.#trouble.message, agoMs: nowMs - this.#trouble.atMs } }),
      writingMs: this.#writingSinceMs === undefined ? 0 : nowMs - this.#writingSinceMs,
      syncMs: this.#syncMs,
    };
  }

  /** The LSN that the next append gets. */
  get next(): number {
    return this.nextLsn;
  }

  /**
   * Takes a request. Its LSN is given at once, in the order of calls.
   * @returns `durable` rejects with `disk_full` or `io` (retryable) when the request was refused
   * @throws OpenWitError `too_large`, `invalid_argument`; `unavailable` when closed or just refusing: no LSN is used
   */
  append(record: Omit<WalRecord, "lsn">): { readonly lsn: number; readonly durable: Promise<void> } {
    if (this.#closed) {
      throw new OpenWitError("unavailable", "the WAL is closed", { hint: "send it again in a moment" });
    }
    if (this.#refusing) {
      throw new OpenWitError("unavailable", "the WAL has just failed to write", {
        hint: "send it again in a moment",
      });
    }
    checkRecord(record);
    const lsn = this.nextLsn++;
    const { promise: durable, resolve, reject } = Promise.withResolvers<void>();
    const body = record.compression === "identity" ? compressBody(record.body) : record.body;
    const bytes = recordBytes(record); // an upper bound: a compressed body is never larger
    this.#queue.push({ record, lsn, body, bytes, resolve, reject });
    this.#committing ??= this.#commitAll();
    return { lsn, durable };
  }

  /** Seals the open file when it is old enough. @throws OpenWitError as `seal` */
  async sealIfDue(): Promise<void> {
    const ageMs = this.#open === undefined ? 0 : this.env.clock.monotonicMs() - this.#open.openedMs;
    if (this.#open !== undefined && ageMs >= this.options.fileAgeMsMax) await this.seal();
  }

  /** Closes the open file, synced, so that it can be freed. @throws OpenWitError `io`, `disk_full` when that fails */
  seal(): Promise<void> {
    return this.#exclusively(() => this.#seal());
  }

  /**
   * Removes every sealed file whose records are all at or below their streams' watermarks.
   * @throws OpenWitError `io`
   */
  free(watermarkOf: (tenant: string, signal: Signal) => number): Promise<FreedFiles> {
    return this.#shelf.free(watermarkOf);
  }

  /** Waits for what is pending, syncs it and closes. @throws OpenWitError `io`, `disk_full` */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#committing !== undefined) await this.#committing;
    this.#closing.abort();
    await this.seal();
    await this.#shelf.settled();
  }

  async #commitAll(): Promise<void> {
    await undefined; // what is appended in this same turn goes out together
    while (this.#queue.length > 0) await this.#exclusively(() => this.#commitGroup());
    this.#committing = undefined;
  }

  /** Never throws: what fails is told to those who wait. */
  async #commitGroup(): Promise<void> {
    const group = this.#takeGroup();
    for (const each of group) each.body = await each.body;
    this.#writingSinceMs = this.env.clock.monotonicMs();
    await this.#writeOrRefuse(group);
  }

  async #writeOrRefuse(group: readonly Pending[]): Promise<void> {
    for (let attempt = 1;; attempt++) {
      try {
        await this.#writeGroup(group);
        break;
      } catch (thrown) {
        const error = toOpenWitError(thrown);
        this.#counters.failures++;
        await this.#abandon(group[0].lsn);
        if (attempt === 2) return this.#refuse(group, error);
        this.env.log("warn", "a WAL write failed; the requests are written to a new file", { error });
      }
    }
    this.#writingSinceMs = undefined;
    this.#trouble = undefined;
    this.#counters.groups++;
    this.#counters.appended += group.length;
    for (const each of group) each.resolve();
  }

  #takeGroup(): Pending[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || bytes + this.#queue[count].bytes <= groupBytesMax)) {
      bytes += this.#queue[count++].bytes;
    }
    return this.#queue.splice(0, count);
  }

  async #writeGroup(group: readonly Pending[]): Promise<void> {
    const records = group.map(({ record, lsn, body }): WalRecord => ({
      ...record,
      lsn,
      body: body as Uint8Array,
      compression: body === record.body ? record.compression : "zstd",
    }));
    const length = records.reduce((sum, record) => sum + recordBytes(record), 0);
    if (this.#open !== undefined && this.#open.walFile.bytes + length > this.options.fileBytesMax) {
      await this.#seal();
    }
    const open = this.#open ?? await this.#begin(group[0].lsn);
    const { walFile, header, file } = open;
    const headerBytes = walFile.bytes === 0 ? open.headerBytes : noBytes;
    const bytes = new Uint8Array(headerBytes.length + length);
    bytes.set(headerBytes);
    let at = headerBytes.length;
    for (const record of records) at = encodeRecord(record, header, bytes, at);
    await file.write(bytes, walFile.bytes);
    open.isSynced = false;
    if (this.options.sync === "always") await this.#sync(open);
    if (!open.isNamed) {
      await this.env.disk.syncDir(walFolder);
      open.isNamed = true;
    }
    this.#resumeLsn = undefined;
    walFile.bytes += bytes.length;
    this.#counters.appendedBytes += bytes.length;
    for (const record of records) walFile.note(record);
    if (this.options.sync === "interval") this.#syncLater(open);
  }

  async #begin(lsn: number): Promise<OpenFile> {
    const { disk, clock } = this.env;
    const walFile = new WalFile(this.#shelf.takeName(this.#resumeLsn ?? lsn));
    const { bytes, header } = encodeWalHeader(walFile.name.firstLsn, clock.nowNs());
    const file = await disk.open(walFile.path, "create");
    return this.#open = {
      walFile,
      header,
      file,
      headerBytes: bytes,
      isNamed: false,
      isSynced: true,
      openedMs: clock.monotonicMs(),
    };
  }

  async #sync(open: OpenFile): Promise<void> {
    const startedMs = this.env.clock.monotonicMs();
    await open.file.sync();
    open.isSynced = true;
    this.#counters.fsyncs++;
    const tookMs = this.env.clock.monotonicMs() - startedMs;
    this.#syncMs += (tookMs - this.#syncMs) * recentShare;
    this.env.metrics?.observe("openwit_wal_fsync_seconds", tookMs / 1_000);
  }

  /** One sync for all that is written in the next interval. */
  #syncLater(open: OpenFile): void {
    if (open.willSync) return;
    open.willSync = true;
    const sync = async () => {
      open.willSync = false;
      if (this.#open !== open || open.isSynced) return;
      try {
        await this.#sync(open);
      } catch (thrown) {
        // Acknowledged already: all that is left is to say so, and to trust this file no further.
        this.#counters.failures++;
        const error = toOpenWitError(thrown);
        this.#noteTrouble(error);
        this.env.log("error", "written requests could not be synced; a power cut may lose them", { error });
        await this.#abandon(open.walFile.lastLsn + 1);
      }
    };
    this.env.clock.sleep(this.options.intervalMs, this.#closing.signal).then(
      () => this.#exclusively(sync),
      () => {}, // aborted by close, which syncs
    );
  }

  async #seal(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    try {
      if (!open.isSynced) await this.#sync(open);
    } catch (error) {
      this.#counters.failures++;
      await this.#abandon(open.walFile.lastLsn + 1);
      throw error;
    }
    this.#open = undefined;
    this.#shelf.put(open.walFile);
    await this.#close(open.file);
  }

  /** Leaves the open file for good; the next one begins with `lsn`, and so supersedes what lies behind its records. */
  async #abandon(lsn: number): Promise<void> {
    this.#resumeLsn ??= lsn;
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const { walFile, file } = open;
    try {
      await file.truncate(walFile.bytes);
      await file.sync();
    } catch (error) {
      walFile.hasLeftover = true;
      this.env.log("warn", "a failed WAL file could not be cut back; the next one supersedes its end", {
        path: walFile.path,
        error,
      });
    }
    await this.#close(file);
    if (walFile.records > 0) this.#shelf.put(walFile);
    else await this.#shelf.discard(walFile);
  }

  /** What had to be durable is synced already: a close that fails loses a handle, not a byte. */
  async #close(file: DiskFile): Promise<void> {
    await file.close().catch((error) => this.env.log("warn", "a WAL file could not be closed", { error }));
  }

  /** Rejects all that is pending, in one synchronous turn: later requests build on earlier ones. */
  #refuse(group: readonly Pending[], error: OpenWitError): void {
    const pending = [...group, ...this.#queue];
    this.#queue = [];
    this.#counters.refused += pending.length;
    this.#writingSinceMs = undefined;
    this.#noteTrouble(error);
    const refusal = new OpenWitError(
      error.code === "disk_full" ? "disk_full" : "io",
      `the request could not be made durable: ${error.message}`,
      { hint: error.hint ?? "send it again", retryable: true, cause: error },
    );
    this.env.log("error", "requests were refused: the WAL cannot be written", {
      requests: pending.length,
      error,
    });
    this.#refusing = true;
    for (const each of pending) each.reject(refusal);
    // Behind the reactions to the rejections above, so that nobody appends on top of rows that are being undone.
    queueMicrotask(() => this.#refusing = false);
  }

  #noteTrouble({ message }: OpenWitError): void {
    this.#trouble = { message, atMs: this.env.clock.monotonicMs() };
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => {}); // the caller gets the error; the next piece runs all the same
    return run;
  }
}

interface WalCounters {
  /** Requests acknowledged, and bytes written for them. */
  appended: number;
  appendedBytes: number;
  /** Requests refused after they were taken. */
  refused: number;
  /** Writes; `appended` over `groups` is how many requests share one. */
  groups: number;
  fsyncs: number;
  /** Writes and syncs that failed. */
  failures: number;
}

interface Pending {
  readonly record: Omit<WalRecord, "lsn">;
  readonly lsn: number;
  /** As it will be stored; a promise while a large one is compressed. */
  body: Uint8Array | Promise<Uint8Array>;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: OpenWitError) => void;
}

interface OpenFile {
  /** Its `bytes` are those written without an error. */
  readonly walFile: WalFile;
  readonly header: WalHeader;
  readonly file: DiskFile;
  readonly headerBytes: Uint8Array;
  readonly openedMs: number;
  /** Whether the name would survive a power cut. */
  isNamed: boolean;
  isSynced: boolean;
  willSync?: boolean;
}

/** Of the last fsync in what they take of late. */
const recentShare = 0.2;

const noBytes = new Uint8Array(0);
