/**
 * What recovery does to the memtables: applies requests that the WAL holds, passes over those that are not to be
 * applied, and flushes on the way, for a WAL may hold more than memory.
 *
 * One flush is under way while the next records are decoded: what it holds and what comes meanwhile is all that is in
 * memory. Invariant: every LSN that was applied or passed over is at last at or below its stream's watermark or in
 * its memtable; or its WAL file would stay for ever.
 */
import { OpenWitError } from "../error.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { Memtable } from "../memtable/memtable.ts";
import type { Signal } from "../model/columns.ts";
import { decodeRequest } from "../otlp/decode.ts";
import { type StoreEnv, type StoreOptions, streamKey } from "./store.ts";

/** The memtables of what is replayed, as their store lets a recovery use them. */
export interface ReplayTarget {
  readonly memtables: ReadonlyMap<string, Memtable>;
  memtable(tenant: string, signal: Signal): Memtable;
  /** Memory of all memtables, those of new requests included. */
  bytes(): number;
  grow(bytes: number): void;
  flush(memtable: Memtable): Promise<void>;
}

/**
 * Of the size at which a stream is flushed otherwise: there are always two of them, one that fills and one that is
 * flushed, and the bodies of the records to come beside.
 */
const flushShare = 2 / 3;

export class Replayer {
  /** LSNs that were passed over, by stream. */
  #passed: Record<string, number> = {};
  /** Whether a flush found no room: the rows stay in memory then, where they had been before. */
  #isFull = false;
  #isHurried = false;
  /** The flush that was begun last; resolves with what it threw. */
  #flush: Promise<unknown> | undefined;

  constructor(
    readonly env: StoreEnv,
    readonly options: StoreOptions,
    readonly manifest: Manifest,
    readonly target: ReplayTarget,
  ) {}

  /** Asks for a flush with the next request, for the memory's sake. */
  hurry(): void {
    this.#isHurried = true;
  }

  /** Applies a request. @returns its rows */
  async apply(
    tenant: string,
    signal: Signal,
    body: Uint8Array,
    receivedAtNs: bigint,
    lsn: number,
  ): Promise<number> {
    const { target, options } = this;
    const memtable = target.memtable(tenant, signal);
    const at = memtable.open();
    const fromRow = at.chunk.rows;
    const before = at.chunk.rows === 0 ? 0 : at.chunk.bytes;
    const report = decodeRequest(signal, body, at.chunk, receivedAtNs);
    memtable.settle(memtable.begin(at, fromRow), lsn, this.env.clock.monotonicMs());
    target.grow(at.chunk.bytes - before);
    if (memtable.openBytes >= options.flushBytes * flushShare) await this.#beginFlush([memtable]);
    else if (this.#isHurried || this.#isHalfFullOfOpenRows()) {
      await this.#beginFlush(target.memtables.values());
    }
    return report.rows;
  }

  /** Passes over a request. Its stream's next flush covers it, or `end` does. */
  pass(tenant: string, signal: Signal, lsn: number): void {
    const stream = streamKey(tenant, signal);
    const last = this.target.memtables.get(stream)?.chunks.findLast((each) => each.rows > 0 && !each.isFrozen // what a flush has taken is covered up to where it was then
    );
    if (last !== undefined) last.lastLsn = lsn;
    else this.#passed[stream] = lsn;
  }

  /** Ends what was begun. What finds no room is tried again by the next call. @throws OpenWitError `io` */
  async end(): Promise<void> {
    await this.#flushed();
    if (this.manifest.readOnly) return;
    for (const [stream, lsn] of Object.entries(this.#passed)) {
      const last = this.target.memtables.get(stream)?.chunks.findLast((each) => each.rows > 0);
      if (last === undefined) continue;
      last.lastLsn = Math.max(last.lastLsn, lsn); // a flush that found no room left them
      delete this.#passed[stream];
    }
    try {
      if (Object.keys(this.#passed).length > 0) await this.manifest.commit({ watermarks: this.#passed });
      this.#passed = {};
    } catch (thrown) {
      if (!isDiskFull(thrown)) throw thrown;
      this.env.log("warn", "the disk is full: the WAL keeps files that could go", { error: thrown });
    }
  }

  /** A full disk does not stop a start: what the WAL holds beyond its watermarks has been in memory before. */
  async #beginFlush(memtables: Iterable<Memtable>): Promise<void> {
    await this.#flushed();
    this.#isHurried = false;
    if (this.#isFull) return;
    const flush = async () => {
      for (const memtable of memtables) await this.target.flush(memtable);
    };
    this.#flush = flush().then(() => undefined, (thrown) => thrown);
  }

  /** Waits for the flush that was begun last. @throws what it threw, but `disk_full` */
  async #flushed(): Promise<void> {
    const thrown = await this.#flush;
    this.#flush = undefined;
    if (thrown === undefined) return;
    if (!isDiskFull(thrown)) throw thrown;
    this.#isFull = true;
    this.env.log("warn", "recovery found no room to flush: its rows stay in memory", { error: thrown });
  }

  /** Whether rows that no flush has taken yet have half of the memory; flushes under way have the other half. */
  #isHalfFullOfOpenRows(): boolean {
    const half = this.options.memoryBytesMax / 2;
    if (this.target.bytes() < half) return false; // the usual case, without a look at each stream
    let bytes = 0;
    for (const memtable of this.target.memtables.values()) bytes += memtable.openMemory;
    return bytes >= half;
  }
}

export function isDiskFull(error: unknown): boolean {
  return error instanceof OpenWitError && error.code === "disk_full";
}
