/**
 * What the manifest says, in memory. An edit touches the streams that it names and nothing else: each stream's
 * segments are an array that is replaced, never changed, so that a reader who took it keeps a stable view while
 * a commit costs what one stream has.
 */
import type { Signal } from "../model/columns.ts";
import type { ManifestEdit, ManifestFrame, ManifestSnapshot, SegmentMeta } from "./format.ts";

/** A view that changes with every commit. What must not change is taken by `segmentsOf`. */
export interface ManifestState {
  /** Edits ever applied. */
  readonly version: number;
  /** By id. */
  readonly segments: ReadonlyMap<string, SegmentMeta>;
  /** By "{tenant}/{signal}". */
  readonly watermarks: ReadonlyMap<string, number>;
  /** What a person set. */
  readonly settings: ReadonlyMap<string, unknown>;
  /** Names this node's folder in segment paths; 16 hex digits. */
  readonly nodeId: string;
  /** Newest ingest time of any segment that ever was: the wall clock was right at that time at least. */
  readonly newestIngestNs: bigint;
}

export class LiveState implements ManifestState {
  version = 0;
  nodeId = "";
  newestIngestNs = 0n;
  readonly segments = new Map<string, SegmentMeta>();
  readonly watermarks = new Map<string, number>();
  readonly settings = new Map<string, unknown>();
  readonly #streams = new Map<string, readonly SegmentMeta[]>();

  /** Segments of a stream in the order in which they were added; never changed once given out. */
  segmentsOf(tenant: string, signal: Signal): readonly SegmentMeta[] {
    return this.#streams.get(`${tenant}/${signal}`) ?? noSegments;
  }

  loadSnapshot(snapshot: ManifestSnapshot): void {
    this.version = snapshot.version;
    this.nodeId = snapshot.nodeId;
    this.newestIngestNs = snapshot.newestIngestNs;
    for (const [stream, lsn] of Object.entries(snapshot.watermarks)) this.watermarks.set(stream, lsn);
    for (const [key, value] of Object.entries(snapshot.settings)) this.settings.set(key, value);
  }

  addSegments(added: readonly SegmentMeta[]): void {
    const grown = new Map<string, SegmentMeta[]>();
    for (const segment of added) {
      if (this.segments.has(segment.id)) continue; // an edit twice is an edit once
      this.segments.set(segment.id, segment);
      // Another node's clock says nothing of this one's.
      const isOwn = segment.origin === undefined;
      if (isOwn && segment.maxIngestNs > this.newestIngestNs) this.newestIngestNs = segment.maxIngestNs;
      const stream = `${segment.tenant}/${segment.signal}`;
      let segments = grown.get(stream);
      if (segments === undefined) {
        grown.set(stream, segments = [...(this.#streams.get(stream) ?? noSegments)]);
      }
      segments.push(segment);
    }
    for (const [stream, segments] of grown) this.#streams.set(stream, segments);
  }

  apply(edit: ManifestEdit): void {
    this.#removeSegments(edit.remove ?? []);
    this.addSegments(edit.add ?? []);
    for (const [stream, lsn] of Object.entries(edit.watermarks ?? {})) {
      this.watermarks.set(stream, Math.max(lsn, this.watermarks.get(stream) ?? 0));
    }
    for (const [key, value] of Object.entries(edit.set ?? {})) {
      if (value === null || value === undefined) this.settings.delete(key);
      else this.settings.set(key, value);
    }
    this.version++;
  }

  /** All of it as frames; `partSegments` segments in each. */
  *frames(): Generator<ManifestFrame> {
    const parts = Math.ceil(this.segments.size / partSegments);
    yield {
      snapshot: {
        nodeId: this.nodeId,
        version: this.version,
        newestIngestNs: this.newestIngestNs,
        watermarks: Object.fromEntries(this.watermarks),
        settings: Object.fromEntries(this.settings),
        parts,
      },
    };
    const segments = [...this.segments.values()];
    for (let part = 0; part < parts; part++) {
      yield { segments: segments.slice(part * partSegments, (part + 1) * partSegments) };
    }
  }

  #removeSegments(ids: readonly string[]): void {
    const touched = new Set<string>();
    for (const id of ids) {
      const segment = this.segments.get(id);
      if (segment === undefined) continue;
      this.segments.delete(id);
      touched.add(`${segment.tenant}/${segment.signal}`);
    }
    for (const stream of touched) {
      const kept = this.#streams.get(stream)!.filter((segment) => this.segments.has(segment.id));
      if (kept.length > 0) this.#streams.set(stream, kept);
      else this.#streams.delete(stream);
    }
  }
}

/** Segments of one snapshot frame: 400 KB of JSON, so that no frame of a large manifest is large. */
const partSegments = 1_000;
const noSegments: readonly SegmentMeta[] = [];
