/**
 * The database of one box: takes requests, keeps them, and shows them to readers.
 *
 *   ingest ─▶ admit ─▶ decode into the open chunk ─▶ WAL ─fsync─▶ visible ─▶ acknowledged
 *                                          flush (flush.ts) ─▶ segments, indexes ─▶ manifest ─▶ WAL freed
 *
 * Invariants: (1) `ingest` resolves only when the request is durable under the sync mode, and its rows are
 * visible to the next `pin`. (2) A pin sees each durable row exactly once: chunks and segments are swapped by a
 * flush in one synchronous turn. (3) The memtables and requests under way stay below `memoryBytesMax`.
 * (4) While a recovery brings back what the WAL holds, requests are taken, and readers wait for its end.
 */
import type { Clock } from "../env/clock.ts";
import type { Disk } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import { OpenWitError } from "../error.ts";
import type { IngestRequest, IngestResult } from "../ingest/request.ts";
import { noIndexes, type StoreIndexes } from "../index/indexes.ts";
import type { Manifest, ManifestEdit, SegmentMeta } from "../manifest/manifest.ts";
import { forgetIdleStreams, Memtable } from "../memtable/memtable.ts";
import { SpareChunks } from "../memtable/spares.ts";
import { type MemtableStats, memtableStats } from "../memtable/stats.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Signal } from "../model/columns.ts";
import { decodeRequest } from "../otlp/decode.ts";
import { jsonToProtobuf } from "../otlp/json.ts";
import type { SegmentEncoder } from "../segment/encoder.ts";
import { contentHash, DedupWindow } from "../wal/dedup.ts";
import type { Wal, WalCondition, WalOptions } from "../wal/wal.ts";
import { BatchHistory } from "../system/batches.ts";
import { Flusher } from "./flush.ts";
import { Followers, type RowsListener } from "./followers.ts";
import { FreshIndexer, type FreshIndexing } from "./fresh-index.ts";
import { isDiskFull, Replayer } from "./replayer.ts";
import { type PinnedStream, pinStream } from "./pin.ts";
import { RetiredSegments } from "./retired.ts";
import type { Scratch } from "./open.ts";
import { VisibleSegments } from "./visible.ts";

export interface StoreEnv {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly encoder: SegmentEncoder;
  /** Who looks into the indexes; absent where no queries are answered. */
  readonly indexes?: StoreIndexes;
  /** Who indexes what a flush writes, where it is searched; absent where nobody does. */
  readonly fresh?: FreshIndexing;
  readonly metrics: Metrics;
}

export interface StoreOptions {
  readonly wal: WalOptions;
  /** Age of the oldest unflushed row at which its stream is flushed, in milliseconds. */
  readonly flushAgeMs: number;
  /** Memory of a stream's rows at which it is flushed: about 16 MiB encoded at the usual ratio. */
  readonly flushBytes: number;
  /** Memory of all memtables and requests under way beyond which requests are refused. */
  readonly memoryBytesMax: number;
  /** Streams (tenant and signal) that may be open at once: each costs memory, and names come from outside. */
  readonly streamsMax: number;
  /** Bytes of manifest edits, beyond twice what is known, at which they are compacted into a snapshot. */
  readonly manifestBytesMax: number;
}

/** What may be another one while a store is open. */
export type ChangeableOptions = Pick<StoreOptions, "wal" | "flushAgeMs" | "flushBytes" | "manifestBytesMax">;

export const defaultStoreOptions: StoreOptions = {
  wal: { sync: "always", intervalMs: 100, fileBytesMax: 64 * 1024 * 1024, fileAgeMsMax: 5 * 60_000 },
  flushAgeMs: 5 * 60_000,
  flushBytes: 64 * 1024 * 1024,
  memoryBytesMax: 200 * 1024 * 1024,
  streamsMax: 1_000,
  manifestBytesMax: 4 * 1024 * 1024, // some thousand flushes
};

/** Asked before anything of a request is stored; `core/budget` has the disk's and the memory's. */
export interface StoreGuard {
  /** @throws OpenWitError `disk_full`, `overloaded` to refuse it */
  admit(request: IngestRequest): void;
  /** Told that a write has failed for want of room: a request's, or one of a flush or of what follows it. */
  diskFull?(what: "request" | "maintenance"): void;
}

export class Store {
  readonly dedup = new DedupWindow();
  readonly guards: StoreGuard[] = [];
  readonly #memtables = new Map<string, Memtable>();
  /** Of what the WAL gives back, until all of it is there: its flushes come before those of new requests. */
  readonly #replayed = new Map<string, Memtable>();
  #recovery: AbortController | undefined;
  #recovered: Promise<void> = Promise.resolve();
  readonly #followers = new Followers();
  readonly #inFlight = new Map<string, Promise<unknown>>();
  /** Takes segments out of the data, and removes their files when nobody reads them. */
  readonly retired: RetiredSegments;
  readonly indexes: StoreIndexes;
  /** What became of the rows that were flushed together. */
  readonly batches = new BatchHistory();
  readonly #fresh: FreshIndexer;
  readonly #flusher: Flusher;
  /** Decompressed bytes of requests between arrival and acknowledgement. */
  #underWayBytes = 0;
  /** Memory of the memtables, kept up to date by each request and flush. */
  #memtableBytes = 0;
  #isHurried = false;
  #closed = false;
  #maintenance: AbortController | undefined;
  #maintenanceDone: Promise<void> = Promise.resolve();
  #wal: Wal | undefined;
  /** Recovery alone uses it. */
  readonly replayer: Replayer;
  readonly #spares: SpareChunks;
  readonly #visible: VisibleSegments;
  /** Segments in the scratch folder of a store that was opened to read. */
  readonly spilled: SegmentMeta[] = [];

  /** Made by open.ts, which recovers what the disk holds. With a scratch folder the data folder is only read. */
  constructor(
    readonly env: StoreEnv,
    private current: StoreOptions,
    readonly manifest: Manifest,
    readonly damaged: ReadonlyMap<string, string>,
    scratch?: Scratch,
  ) {
    this.#spares = new SpareChunks(current.memoryBytesMax / 2);
    this.#visible = new VisibleSegments(manifest, damaged, this.spilled);
    this.indexes = env.indexes ?? noIndexes;
    this.retired = new RetiredSegments(
      env.disk,
      env.clock,
      manifest,
      (ids, successors) => this.batches.retired(ids, successors, env.clock.nowNs()),
      (id) => this.indexes.forget(id),
    );
    this.#fresh = new FreshIndexer(env, this.retired, this.batches, () => this.#pressure());
    const { nodeId } = manifest.state;
    this.#flusher = new Flusher(env, nodeId, scratch, this.#commit, this.batches, this.#fresh);
    this.replayer = new Replayer(env, current, manifest, {
      memtables: this.#replayed,
      memtable: (tenant, signal) => this.#memtable(tenant, signal, this.#replayed),
      bytes: () => this.#memtableBytes,
      grow: (bytes) => this.#memtableBytes += bytes,
      flush: (memtable) => this.#flushStream(memtable),
    });
  }

  /** What a flush changes: durable first, unless the data folder is only read. */
  #commit = async (edit: ManifestEdit, onVisible: () => void): Promise<void> => {
    if (!this.manifest.readOnly) return await this.manifest.commit(edit, onVisible);
    this.spilled.push(...edit.add ?? []);
    onVisible();
  };

  get options(): StoreOptions {
    return this.current;
  }

  /** Takes other options while it works: each request, flush and file that begins from now on goes by them. */
  configure(changes: ChangeableOptions): void {
    this.current = { ...this.current, ...changes };
    this.wal.options = changes.wal;
    this.manifest.compactAt(changes.manifestBytesMax);
    this.#flusher.hurry(); // what is due now may not have been a moment ago
  }

  /** Requests can be taken from now on. */
  openWal(wal: Wal): void {
    this.#wal = wal;
  }

  /** Begins to bring back what the WAL holds. Until that is done nothing else is flushed, and no WAL file freed. */
  recover(replay: (signal: AbortSignal) => Promise<void>): void {
    const recovery = this.#recovery = new AbortController();
    this.#recovered = replay(recovery.signal).then(() => this.#endRecovery());
    this.#recovered.catch(() => {}); // whoever waits for it is told
  }

  /** Resolves when all that is durable is visible. Rejects with the error that ended the recovery: rows are missing. */
  get recovered(): Promise<void> {
    return this.#recovered;
  }

  /** Whether rows that are durable are not visible yet. */
  get isRecovering(): boolean {
    return this.#recovery !== undefined;
  }

  /** @throws OpenWitError `unavailable` for a store that was opened to read */
  get wal(): Wal {
    if (this.#wal !== undefined) return this.#wal;
    throw new OpenWitError("unavailable", "this data folder is open for reading only");
  }

  /** `undefined` before recovery has ended. */
  walCondition(): WalCondition | undefined {
    return this.#wal?.condition;
  }

  /**
   * Stores one request.
   * @throws OpenWitError `malformed`, `overloaded`, `disk_full`, `io`, `unavailable`; nothing of it is stored then
   */
  async ingest(request: IngestRequest): Promise<IngestResult> {
    if (this.#closed) {
      throw new OpenWitError("unavailable", "this node is shutting down", {
        hint: "send it again in a moment",
      });
    }
    this.#admit(request);
    this.#underWayBytes += request.body.length;
    try {
      return await this.#accept(request);
    } finally {
      this.#underWayBytes -= request.body.length;
    }
  }

  /** What a query of a tenant's signal sees now; one synchronous turn. */
  pin(tenant: string, signal: Signal): PinnedStream {
    const key = streamKey(tenant, signal);
    const memtables = [this.#replayed.get(key), this.#memtables.get(key)];
    const visible = this.#visible.of(tenant, signal);
    return pinStream(memtables.flatMap((each) => each?.chunks ?? []), visible, this.retired);
  }

  /** Calls `listener` for every request that becomes visible, until the returned function is called. */
  subscribe(tenant: string, signal: Signal, listener: RowsListener): () => void {
    return this.#followers.add(streamKey(tenant, signal), listener);
  }

  /** Flushes every stream that has durable rows, into the scratch folder of a store that only reads, and frees the WAL. */
  async flush(): Promise<void> {
    await this.#recovered;
    await this.replayer.end(); // what it found no room for
    for (const memtable of this.#memtables.values()) await this.#flushStream(memtable);
    if (this.manifest.readOnly) return;
    await this.wal.seal();
    await this.#freeWal();
  }

  /** Removes the files of flushes that failed: no merge may begin while there are any. @throws OpenWitError `io`, `disk_full` */
  async clearFailedFlushes(): Promise<void> {
    await this.#flusher.clearFailed();
  }

  /** Memory of rows that are not flushed and of requests under way. */
  heldBytes(): number {
    return this.#allMemtables().reduce((sum, { usedBytes }) => sum + usedBytes, this.#underWayBytes);
  }

  /** Gives spare memory back, and asks for a flush soon; not of little, which would make many small segments. */
  hurryFlush(): void {
    this.#spares.release();
    if (this.#memtableBytes < this.options.memoryBytesMax / 8) return;
    this.#isHurried = true;
    this.replayer.hurry();
    this.#flusher.hurry();
  }

  /** Flushes and frees in the background until `close`. */
  startMaintenance(): void {
    this.#maintenance = new AbortController();
    this.#maintenanceDone = this.#maintain(this.#maintenance.signal);
  }

  /**
   * Refuses new requests, waits for those under way, and closes the WAL.
   * With `flush`, rows go to segments first; without, the WAL keeps them for the next start.
   */
  async close(options: { flush: boolean } = { flush: false }): Promise<void> {
    this.#closed = true;
    if (!options.flush) this.#recovery?.abort();
    await this.#recovered.catch(() => {}); // told to who waits for it; the WAL keeps what is not flushed
    this.#maintenance?.abort();
    await this.#maintenanceDone;
    await Promise.allSettled(this.#inFlight.values());
    if (options.flush) await this.flush();
    await this.#fresh.ended();
    await this.#wal?.close();
    this.indexes.close();
    await this.manifest.close();
  }

  /** The memtables of a tenant, or of all, that hold rows. */
  memtablesOf(tenant?: string): readonly Memtable[] {
    const isWanted = (each: Memtable) => each.rows > 0 && (tenant ?? each.tenant) === each.tenant;
    return this.#allMemtables().filter(isWanted);
  }

  /** Streams that have a memtable, with or without rows. */
  get streamCount(): number {
    return this.#memtables.size;
  }

  /** The memtables by signal. */
  memtableStats(): MemtableStats[] {
    return memtableStats(this.#allMemtables(), this.env.clock.monotonicMs());
  }

  /** In the turn in which it ends, new requests' rows come behind those that were brought back. */
  async #endRecovery(): Promise<void> {
    await this.replayer.end();
    for (const [key, replayed] of this.#replayed) {
      const memtable = this.#memtables.get(key);
      if (memtable === undefined) this.#memtables.set(key, replayed);
      else memtable.putBefore(replayed);
    }
    this.#replayed.clear();
    this.#recovery = undefined;
    this.#spares.bound(this.options.memoryBytesMax / 4);
    this.#countMemory();
  }

  /** How much a flush is needed: the share of their memory that rows and requests take, and 1 when the end is near. */
  #pressure(): number {
    return this.#closed ? 1 : this.heldBytes() / this.options.memoryBytesMax;
  }

  #allMemtables(): Memtable[] {
    return [...this.#replayed.values(), ...this.#memtables.values()];
  }

  #admit(request: IngestRequest): void {
    for (const guard of this.guards) guard.admit(request);
    if (this.isRecovering) this.#admitBeside(request);
    const wanted = this.#memtableBytes + this.#underWayBytes + request.body.length;
    if (wanted + this.#spares.bytes <= this.options.memoryBytesMax) return;
    this.#spares.release();
    if (wanted <= this.options.memoryBytesMax) return;
    this.#flusher.hurry();
    throw new OpenWitError(
      "overloaded",
      `memory for unflushed records is used up (${wanted} of ${this.options.memoryBytesMax} bytes)`,
      { hint: "send it again: a flush is making room", retryAfterMs: 1_000 },
    );
  }

  /** What comes during a recovery stays in memory until its end, so it may have a part of it. */
  #admitBeside(request: IngestRequest): void {
    let bytes = this.#underWayBytes + request.body.length;
    for (const memtable of this.#memtables.values()) bytes += memtable.bytes;
    if (bytes <= this.options.memoryBytesMax * besideRecoveryShare) return;
    throw new OpenWitError(
      "overloaded",
      `memory for new records is used up (${bytes} bytes) while those of the last run are brought back`,
      { hint: "send it again: the recovery is making room", retryAfterMs: 1_000 },
    );
  }

  async #accept(request: IngestRequest): Promise<IngestResult> {
    const { tenant, signal } = request;
    const { clock, metrics } = this.env;
    const receivedAtNs = clock.nowNs();
    const hash = contentHash(tenant, signal, request.body);
    const hashText = hash.toHex();
    // The same bytes twice at once: the second stands or falls with the first.
    const twin = this.#inFlight.get(hashText);
    if (twin !== undefined) await twin;
    if (this.dedup.seen(hash, receivedAtNs)) {
      metrics.add("openwit_duplicate_requests_total", 1, { signal });
      return { rows: 0, rejected: 0, message: "", duplicate: true };
    }

    const memtable = this.#memtable(tenant, signal);
    const at = memtable.open();
    const fromRow = at.chunk.rows;
    const bytesBefore = at.chunk.rows === 0 ? 0 : at.chunk.bytes;
    const protobuf = request.encoding === "json" ? jsonToProtobuf(signal, request.body) : request.body;
    const report = decodeRequest(signal, protobuf, at.chunk, receivedAtNs);
    if (report.repairedTexts > 0) {
      metrics.add("openwit_repaired_texts_total", report.repairedTexts, { signal });
    }
    if (report.rejected > 0) {
      metrics.add("openwit_rejected_records_total", report.rejected, { signal, reason: "invalid" });
    }
    const result = {
      rows: report.rows,
      rejected: report.rejected,
      message: report.message,
      duplicate: false,
    };
    if (report.rows === 0) return result;

    let appended;
    try {
      appended = this.wal.append({
        receivedAtNs,
        tenant,
        signal,
        protocol: request.protocol,
        encoding: request.encoding,
        compression: request.compression,
        decodedBytes: request.body.length,
        hash,
        body: request.wire,
      });
    } catch (error) {
      at.chunk.truncate(fromRow);
      throw error;
    }
    metrics.add("openwit_accepted_records_total", report.rows, { signal });
    const rows = memtable.begin(at, fromRow);
    this.#memtableBytes += at.chunk.bytes - bytesBefore;
    this.#inFlight.set(hashText, appended.durable);
    try {
      await appended.durable;
    } catch (error) {
      memtable.undo(rows);
      this.#countMemory();
      if (isDiskFull(error)) this.#tellDiskFull("request");
      throw error;
    } finally {
      this.#inFlight.delete(hashText);
    }
    memtable.settle(rows, appended.lsn, clock.monotonicMs());
    this.dedup.add(hash, receivedAtNs, appended.lsn);
    metrics.add("openwit_acknowledged_records_total", report.rows, { signal });
    metrics.add("openwit_acknowledged_bytes_total", request.body.length, { signal });
    this.#followers.tell(streamKey(tenant, signal), at.chunk, rows.fromRow, rows.endRow);
    if (this.#flusher.isDue(memtable, this.options.flushBytes)) this.#flusher.hurry();
    return result;
  }

  #memtable(tenant: string, signal: Signal, among = this.#memtables): Memtable {
    const key = streamKey(tenant, signal);
    let memtable = among.get(key);
    if (memtable === undefined) {
      if (among.size >= this.options.streamsMax) forgetIdleStreams(among);
      if (among.size >= this.options.streamsMax) {
        throw new OpenWitError("overloaded", `${among.size} tenant streams are open, which is the most`, {
          hint: "send under fewer tenant names",
        });
      }
      among.set(key, memtable = new Memtable(tenant, signal, this.#spares));
    }
    return memtable;
  }

  async #maintain(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.env;
    while (!signal.aborted) {
      await this.#flusher.wait(1_000, signal);
      if (signal.aborted) return;
      if (this.isRecovering) continue; // whose flushes come first, and which reads the WAL
      try {
        const now = clock.monotonicMs();
        this.#spares.tick();
        const crowded = this.#isHurried || this.#memtableBytes >= this.options.memoryBytesMax / 2;
        this.#isHurried = false;
        for (const memtable of this.#memtables.values()) {
          const due = this.#flusher.isDue(memtable, this.options.flushBytes) || crowded ||
            memtable.oldestMs !== undefined && now - memtable.oldestMs >= this.options.flushAgeMs;
          if (due) await this.#flushStream(memtable);
        }
        await this.wal.sealIfDue();
        await this.#freeWal();
      } catch (thrown) {
        // The rows stay in memory and in the WAL; the next round tries again.
        const reason = thrown instanceof OpenWitError ? thrown.code : "internal";
        if (reason === "disk_full") this.#tellDiskFull("maintenance");
        this.env.metrics.add("openwit_flush_failures_total", 1, { reason });
        log("error", "flush failed and will be tried again", { error: thrown });
        await clock.sleep(1_000, signal).catch(() => {}); // an abort ends the loop at its head
      }
    }
  }

  async #flushStream(memtable: Memtable): Promise<void> {
    await this.#flusher.flush(memtable);
    this.#countMemory();
  }

  #countMemory(): void {
    this.#memtableBytes = 0;
    for (const memtable of this.#allMemtables()) this.#memtableBytes += memtable.bytes;
  }

  #tellDiskFull(what: "request" | "maintenance"): void {
    for (const guard of this.guards) guard.diskFull?.(what);
  }

  async #freeWal(): Promise<void> {
    await this.wal.free((tenant, signal) =>
      this.manifest.state.watermarks.get(streamKey(tenant, signal)) ?? 0
    );
  }
}

/** Share of the memtables' memory that new requests may have during a recovery. */
const besideRecoveryShare = 0.25;

/** Name of a stream in the manifest's watermarks. */
export function streamKey(tenant: string, signal: Signal): string {
  return `${tenant}/${signal}`;
}
