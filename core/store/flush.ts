/**
 * Turns the memtable of one stream into L0 segments: one file an event hour, one for late rows; with their indexes, where
 * somebody searches (fresh-index.ts).
 *
 * All files of a flush become visible, and the rows leave the memtable, in one manifest edit and one synchronous
 * turn. Until that edit is durable the WAL still holds the rows, so a flush may fail at any point and be
 * tried again; the files it left are orphans that recovery sweeps.
 */
import { folderOf, removeFileDurably, writeFileDurably } from "../env/disk.ts";
import { toOpenWitError } from "../error.ts";
import { indexPath } from "../index/format.ts";
import type { ManifestEdit, SegmentMeta } from "../manifest/manifest.ts";
import type { Memtable, MemtableChunk } from "../memtable/memtable.ts";
import { schemaVersion } from "../model/columns.ts";
import { failuresBehind } from "../segment/failures.ts";
import { buildFooter } from "../segment/footer.ts";
import { type HourGroup, splitByHour } from "../segment/hours.ts";
import { newSegmentId, segmentPath } from "../segment/path.ts";
import type { BatchHistory } from "../system/batches.ts";
import { crc32c } from "../wal/crc32c.ts";
import type { FreshIndexer } from "./fresh-index.ts";
import type { Scratch } from "./open.ts";
import { type StoreEnv, streamKey } from "./store.ts";

/** 40,000 log records of the demo, whose index takes a quarter of a second of a core. */
const searchedFlushBytes = 20 * 1024 * 1024;

export class Flusher {
  /** Flushes run one after another: the encoder's memory is one flush's. */
  #last: Promise<unknown> = Promise.resolve();
  #wake: (() => void) | undefined;
  #hurried = false;
  /** Files of flushes that failed and that may be on disk; true where an edit that names them was rejected. */
  readonly #failed = new Map<string, boolean>();

  /**
   * @param scratch where segments go when the data folder is only read
   * @param commit makes an edit durable, and calls back in the turn in which it becomes visible
   */
  constructor(
    readonly env: StoreEnv,
    readonly nodeId: string,
    readonly scratch: Scratch | undefined,
    readonly commit: (edit: ManifestEdit, onVisible: () => void) => Promise<void>,
    readonly batches: BatchHistory,
    readonly fresh: FreshIndexer,
  ) {}

  /**
   * Whether a stream has enough for a flush. Where somebody searches less is enough: its index is finished while the rows of
   * the next one come, and not so late that statements scan what a flush has not waited for.
   */
  isDue({ tenant, signal, usedBytes }: Memtable, flushBytes: number): boolean {
    const isSearched = this.env.fresh?.demand.isSearched(tenant, signal) ?? false;
    return usedBytes >= (isSearched ? Math.min(flushBytes, searchedFlushBytes) : flushBytes);
  }

  /** Asks the maintenance loop to look now rather than at its next second. */
  hurry(): void {
    this.#hurried = true;
    this.#wake?.();
  }

  /** Resolves after `ms`, when hurried, or when aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#hurried) {
      const stop = new AbortController();
      const woken = new Promise<void>((resolve) => this.#wake = resolve);
      const slept = this.env.clock.sleep(ms, AbortSignal.any([signal, stop.signal])).catch(() => {}); // aborted: woken
      await Promise.race([woken, slept]);
      stop.abort();
    }
    this.#hurried = false;
  }

  /** Flushes what is durable in a stream now, and what is pending in the same chunks. */
  flush(memtable: Memtable): Promise<void> {
    const run = this.#last.then(() => this.#flush(memtable)).catch((error) => {
      this.batches.failed(memtable.tenant, memtable.signal, toOpenWitError(error));
      throw error;
    });
    this.#last = run.catch(() => {}); // the caller gets the error; the next flush runs all the same
    return run;
  }

  async #flush(memtable: Memtable): Promise<void> {
    if (memtable.rows === 0) return;
    await this.clearFailed(); // or each try would leave files on a disk that may be full
    const { clock, metrics } = this.env;
    const startedMs = clock.monotonicMs();
    const { tenant, signal } = memtable;
    const frozen = memtable.freeze();
    await memtable.settled(frozen);
    const chunks = frozen.filter((each) => each.rows > 0);
    const lsnTo = Math.max(...chunks.map((each) => each.lastLsn));
    const add = await this.#writeSegments(memtable, chunks, lsnTo);
    if (this.scratch === undefined) await this.fresh.index(add);
    try {
      await this.commit(
        { add, watermarks: { [streamKey(tenant, signal)]: lsnTo } },
        () => memtable.drop(frozen, clock.monotonicMs()),
      );
    } catch (error) {
      for (const { path } of add) this.#noteFailed(path, true);
      throw error;
    }
    const sinceMs = clock.monotonicMs() - Math.max(...chunks.map(({ settledMs }) => settledMs));
    const nowNs = clock.nowNs();
    this.batches.stored(tenant, signal, add, nowNs - BigInt(Math.round(sinceMs * 1e6)), nowNs);
    const rows = add.reduce((sum, segment) => sum + segment.rows, 0);
    metrics.add("openwit_flushes_total", 1, { signal });
    metrics.add("openwit_flushed_rows_total", rows, { signal });
    metrics.add("openwit_flushed_bytes_total", add.reduce((sum, { bytes }) => sum + bytes, 0), { signal });
    metrics.observe("openwit_flush_seconds", (clock.monotonicMs() - startedMs) / 1_000);
  }

  #noteFailed(path: string, isEditRejected: boolean): void {
    if (this.scratch === undefined) this.#failed.set(path, isEditRejected);
  }

  /**
   * Removes what flushes that failed may have left, indexes included. A file whose edit was rejected can only go once a
   * later edit is durable, or that edit might come back without it.
   * @throws OpenWitError `io`, `disk_full`
   */
  async clearFailed(): Promise<void> {
    while (this.#failed.size > 0) {
      await this.fresh.ended(); // or an index would come after its segment went
      const paths = [...this.#failed];
      for (const isEditRejected of [false, true]) { // those first that need no room for an edit
        const due = paths.filter((each) => each[1] === isEditRejected);
        if (isEditRejected && due.length > 0) await this.commit({}, () => {});
        for (const [path] of due) {
          await this.env.disk.remove(indexPath(path));
          await removeFileDurably(this.env.disk, path);
          this.#failed.delete(path);
        }
      }
    }
  }

  async #writeSegments(
    memtable: Memtable,
    chunks: readonly MemtableChunk[],
    lsnTo: number,
  ): Promise<SegmentMeta[]> {
    const { signal } = memtable;
    const parts = chunks.map(({ chunk, rows }) => ({ chunk, rowCount: rows }));
    const groups = splitByHour(signal, parts);
    const ids = groups.map(() => newSegmentId(this.env.clock, this.env.random));
    const lsnFrom = Math.min(...chunks.map((each) => each.firstLsn));
    const segments: SegmentMeta[] = [];
    const { tenant } = memtable;
    const { nodeId } = this;
    const paths = groups.map(({ hour, late }, index) =>
      segmentPath({ tenant, signal, hour, late, nodeId, level: 0, id: ids[index] })
    );
    try {
      for (const [index, group] of groups.entries()) {
        segments.push(await this.#writeSegment(memtable, group, ids[index], ids, lsnFrom, lsnTo));
      }
      return segments;
    } catch (error) {
      // No edit names them, and a disk that is full needs their room; what cannot be removed goes before the next.
      for (const path of paths) this.#noteFailed(path, false);
      await this.clearFailed().catch(() => {});
      throw error;
    }
  }

  async #writeSegment(
    { tenant, signal }: Memtable,
    group: HourGroup,
    id: string,
    flushIds: readonly string[],
    lsnFrom: number,
    lsnTo: number,
  ): Promise<SegmentMeta> {
    const { encoder } = this.env;
    const disk = this.scratch?.disk ?? this.env.disk;
    const { nodeId } = this;
    const path = segmentPath({ tenant, signal, hour: group.hour, late: group.late, nodeId, level: 0, id });
    const meta: SegmentMeta = {
      id,
      tenant,
      signal,
      path,
      level: 0,
      rows: group.rows,
      bytes: 0,
      minTimeNs: group.minTimeNs,
      maxTimeNs: group.maxTimeNs,
      minIngestNs: group.minIngestNs,
      maxIngestNs: group.maxIngestNs,
      lsnFrom,
      lsnTo,
      hour: group.hour,
      late: group.late,
      schemaVersion,
      replaces: [],
    };
    await disk.makeDir(folderOf(path));
    const rows = failuresBehind(signal, group.parts);
    const encoded = encoder.encode(signal, rows, buildFooter(meta, { nodeId, flushIds }));
    let checksum = 0;
    const parts = async function* () {
      for await (const part of encoded) {
        checksum = crc32c(part, checksum);
        yield part;
      }
    };
    const bytes = await writeFileDurably(disk, path, parts());
    return {
      ...meta,
      bytes,
      checksum,
      path: this.scratch === undefined ? path : `${this.scratch.path}/${path}`,
    };
  }
}
