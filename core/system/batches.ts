/**
 * The history of batches: what became of the rows that a stream sealed together, from the request that came first to
 * their eviction. In memory and bounded; of batches before this process, the manifest's segments tell what is left.
 */
import type { OpenWitError } from "../error.ts";
import type { ManifestEdit, SegmentMeta } from "../manifest/manifest.ts";
import type { Signal } from "../model/columns.ts";

/** Batches that are remembered, of all tenants. */
export const batchesMax = 2_000;

/** Times are wall-clock nanoseconds since 1970. */
export interface BatchRecord {
  readonly tenant: string;
  readonly signal: Signal;
  readonly lsnFrom: number;
  readonly lsnTo: number;
  readonly rows: number;
  /** Of its segments as flushed. */
  readonly bytes: number;
  readonly segments: number;
  /** The first of its requests came. */
  readonly receivedNs: bigint;
  /** The last of its requests was durable, and visible to queries. */
  readonly ingestedNs: bigint;
  /** Its segments were durable and in the manifest. */
  readonly storedNs: bigint;
  /** The last of its segments had an index: the flush wrote it, or the merges of all its rows were done. */
  indexedNs: bigint | undefined;
  /** The last of its rows went. */
  evictedNs: bigint | undefined;
  /** Flushes that failed before the one that stored it, and why the last of them did. */
  readonly retries: number;
  readonly error: string | undefined;
}

/** Flushes of a stream that have failed since the last one that did not. */
export interface FlushTrouble {
  readonly tenant: string;
  readonly signal: Signal;
  readonly failures: number;
  readonly error: OpenWitError;
}

/** Told of what happens to batches and their segments, as it happens; must not throw. */
export interface BatchListener {
  /** A batch is stored; or, later, evicted. */
  batch(record: BatchRecord): void;
  added(segments: readonly SegmentMeta[]): void;
  /** Segments left the data: into others, or, when there are none, for good. */
  retired(ids: readonly string[], successors: readonly SegmentMeta[]): void;
}

export class BatchHistory {
  listener: BatchListener | undefined;
  readonly #batches: { record: BatchRecord; live: Set<string> }[] = [];
  /** Segments of the batches, or soon of them, that have an index. */
  readonly #indexed = new Set<string>();
  readonly #troubles = new Map<string, FlushTrouble>();

  /** A flush of a stream failed, and will be tried again. */
  failed(tenant: string, signal: Signal, error: OpenWitError): void {
    const key = `${tenant}/${signal}`;
    const failures = (this.#troubles.get(key)?.failures ?? 0) + 1;
    this.#troubles.set(key, { tenant, signal, failures, error });
  }

  /** A flush wrote these segments, and its edit is visible. */
  stored(
    tenant: string,
    signal: Signal,
    segments: readonly SegmentMeta[],
    ingestedNs: bigint,
    nowNs: bigint,
  ): void {
    const trouble = this.trouble(tenant, signal);
    this.#troubles.delete(`${tenant}/${signal}`);
    const received = segments.map(({ minIngestNs }) => minIngestNs);
    const record: BatchRecord = {
      tenant,
      signal,
      lsnFrom: Math.min(...segments.map(({ lsnFrom }) => lsnFrom)),
      lsnTo: Math.max(...segments.map(({ lsnTo }) => lsnTo)),
      rows: segments.reduce((sum, { rows }) => sum + rows, 0),
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      segments: segments.length,
      receivedNs: received.reduce((least, each) => each < least ? each : least),
      ingestedNs,
      storedNs: nowNs,
      indexedNs: undefined,
      evictedNs: undefined,
      retries: trouble?.failures ?? 0,
      error: trouble?.error.message,
    };
    const live = new Set(segments.map(({ id }) => id));
    this.#batches.push({ record, live });
    this.#settleIndexed(record, live, nowNs); // a flush may have indexed them before
    if (this.#batches.length > batchesMax) this.#batches.shift();
    this.listener?.added(segments);
    this.listener?.batch(record);
  }

  /** A segment has an index; one that a flush or a merge is about to bring in, or one that is there. */
  indexed(id: string, nowNs: bigint): void {
    this.#indexed.add(id);
    for (const { record, live } of this.#batches) if (live.has(id)) this.#settleIndexed(record, live, nowNs);
  }

  #settleIndexed(record: BatchRecord, live: ReadonlySet<string>, nowNs: bigint): void {
    if (record.indexedNs === undefined && live.size > 0 && [...live].every((id) => this.#indexed.has(id))) {
      record.indexedNs = nowNs;
    }
  }

  /** Segments left the data: into others (a merge), or for good. */
  retired(ids: readonly string[], successors: ManifestEdit["add"], nowNs: bigint): void {
    for (const { record, live } of this.#batches) {
      let touched = false;
      for (const id of ids) touched = live.delete(id) || touched;
      if (!touched) continue;
      for (const { id } of successors ?? []) live.add(id);
      this.#settleIndexed(record, live, nowNs);
      if (live.size > 0) continue;
      record.evictedNs = nowNs;
      this.listener?.batch(record);
    }
    for (const id of ids) this.#indexed.delete(id);
    this.listener?.retired(ids, successors ?? []);
  }

  /** What keeps a stream from being flushed; `undefined` when nothing does. */
  trouble(tenant: string, signal: Signal): FlushTrouble | undefined {
    return this.#troubles.get(`${tenant}/${signal}`);
  }

  /** Every stream whose last flush failed. */
  troubles(): FlushTrouble[] {
    return [...this.#troubles.values()];
  }

  /** Oldest first. */
  of(tenant: string): BatchRecord[] {
    return this.#batches.flatMap(({ record }) => record.tenant === tenant ? [record] : []);
  }
}
