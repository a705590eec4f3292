/**
 * Runs the merges that plan.ts plans, one at a time, beside ingest and queries.
 *
 *   merge under a temporary name, with its index ─▶ verify ─▶ sync ─▶ rename ─▶ sync the folder ─▶ index, if the merge gave
 *   none (core/index) ─▶ one manifest edit: inputs out, output in ─▶ the inputs' files go when no reader holds them
 *   (core/store/retired.ts)
 *
 * A merge may end at any point: until the edit is durable its inputs are the data, and what it wrote is swept.
 *
 * Invariants: (1) a segment names in `replaces` every file that could still be on disk and whose rows it has, the
 * inputs of its inputs included; so a manifest that is rebuilt from footers counts no row twice. (2) No merge begins
 * while a file of an earlier one that failed, or of a flush that failed, may be on disk: its rows would be there
 * under another name that nothing replaces.
 */
import { isTimeSynced } from "../budget/wall-clock.ts";
import { type Disk, folderOf, removeFileDurably, temporarySuffix } from "../env/disk.ts";
import { OpenWitError, toOpenWitError } from "../error.ts";
import { indexPath } from "../index/format.ts";
import type { SegmentIndexer } from "../index/indexer.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import { buildFooter, parseFooter } from "../segment/footer.ts";
import { newSegmentId, segmentPath } from "../segment/path.ts";
import { sealFile } from "../segment/seal.ts";
import { readParquetFooter } from "../segment/reader.ts";
import type { Store } from "../store/store.ts";
import type { MergeMeasure, SegmentMerger } from "./merger.ts";
import { type CompactionPolicy, type CompactionUnit, planCompaction } from "./plan.ts";
import { nextToShed, shedShareMin } from "./shed.ts";

export interface CompactionOptions {
  readonly policy: CompactionPolicy;
  /** Share of the time in which merges run, above 0 and at most 1: they rest after each for as long as it takes. */
  readonly dutyCycle: number;
  /** Indexes what a merge gave without an index; without it none is asked for, and segments are scanned. */
  readonly indexer?: SegmentIndexer;
  /** Bytes that may still be written. */
  readonly roomBytes: () => number | Promise<number>;
  /** Told before each merge, and when none is due, how many segments the merges have that are due. */
  readonly onPlan?: (segments: number) => void;
}

export const defaultDutyCycle = 0.5;

export interface CompactionReport {
  readonly merges: number;
  /** Segments that were merged. */
  readonly inputs: number;
  readonly rows: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Why merges that are due were not run; empty when all were. */
  readonly postponed: readonly string[];
}

export interface ShedReport {
  /** Segments that were rewritten, or went whole. */
  readonly segments: number;
  /** What went. */
  readonly rows: number;
  readonly bytes: number;
}

/** What is left of a segment when records of some severities go. */
type Shedding = MergeMeasure & { readonly evictedSeverity: number };

export class Compactor {
  /** Outputs whose edit was rejected: only once a later edit is durable can theirs not come back. */
  readonly #rejected = new Set<string>();
  /** Segments whose merge failed: the monotonic time until which they are left alone. */
  readonly #failed = new Map<string, number>();
  /** Segments of which too few rows would go, or that could not be written anew (shed.ts). */
  readonly #passedOver = new Set<string>();

  constructor(readonly store: Store, readonly merger: SegmentMerger, readonly options: CompactionOptions) {}

  /**
   * Merges what is due until nothing is. With `eager` it takes as few as two segments and does not rest: somebody
   * asked for it.
   * @throws OpenWitError what the first merge that failed said, when all others are done; `io` and `disk_full` at
   *   once; the signal's reason
   */
  async run(
    signal: AbortSignal,
    { eager }: { eager: boolean } = { eager: false },
  ): Promise<CompactionReport> {
    const { clock, log } = this.store.env;
    const report = { merges: 0, inputs: 0, rows: 0, bytesRead: 0, bytesWritten: 0 };
    const postponed: string[] = [];
    let failure: OpenWitError | undefined;
    while (true) {
      signal.throwIfAborted();
      await this.#clearRejected();
      const unit = this.#next(eager);
      if (unit === undefined) break;
      const crowded = await this.#whyNoRoom(unit);
      if (crowded !== undefined) {
        postponed.push(crowded);
        break;
      }
      const startedMs = clock.monotonicMs();
      try {
        for await (const { inputs, output } of this.#mergeToFit(unit, signal)) {
          report.merges++;
          report.inputs += inputs.length;
          report.rows += output.rows;
          report.bytesRead += bytesOf(inputs);
          report.bytesWritten += output.bytes;
        }
      } catch (thrown) {
        signal.throwIfAborted();
        const error = toOpenWitError(thrown);
        if (error.code === "io" || error.code === "disk_full") throw error;
        if (error.code === "conflict") continue; // its segments were evicted meanwhile
        log("error", "a merge failed; its segments are left as they are for an hour", {
          segments: unit.inputs.map(({ id }) => id),
          error,
        });
        failure ??= error;
        for (const { id } of unit.inputs) this.#failed.set(id, clock.monotonicMs() + retryAfterMs);
      }
      const tookMs = clock.monotonicMs() - startedMs;
      const restMs = eager ? 0 : tookMs * (1 / this.options.dutyCycle - 1);
      if (restMs > 0) await clock.sleep(restMs, signal);
    }
    if (failure !== undefined) throw failure;
    return { ...report, postponed };
  }

  /**
   * Rewrites segments without their records of the lowest severities, oldest hour first, while room is short.
   * @param severityMax records up to this severity go
   * @param isShort whether more must go
   * @throws OpenWitError `io`, `disk_full`, `corrupt`; the signal's reason
   */
  async shed(signal: AbortSignal, severityMax: number, isShort: () => Promise<boolean>): Promise<ShedReport> {
    const { clock, metrics } = this.store.env;
    const report = { segments: 0, rows: 0, bytes: 0 };
    while (await isShort()) {
      signal.throwIfAborted();
      await this.#clearRejected();
      const segment = this.#nextToShed(severityMax);
      if (segment === undefined) break;
      const startedMs = clock.monotonicMs();
      const given = await this.#shedOne(segment, severityMax, signal);
      if (given !== undefined) {
        report.segments++;
        report.rows += given.rows;
        report.bytes += given.bytes;
        metrics.add("openwit_evicted_rows_total", given.rows, { reason: "severity" });
        metrics.add("openwit_evicted_bytes_total", given.bytes, { reason: "severity" });
      }
      const restMs = (clock.monotonicMs() - startedMs) * (1 / this.options.dutyCycle - 1);
      if (restMs > 0) await clock.sleep(restMs, signal);
    }
    return report;
  }

  /** Whether a segment is left that may have records of these severities. */
  mayShed(severityMax: number): boolean {
    return this.#nextToShed(severityMax) !== undefined;
  }

  #nextToShed(severityMax: number): SegmentMeta | undefined {
    const { manifest, damaged } = this.store;
    const segments = [...manifest.state.segments.values()].filter(({ id }) => !damaged.has(id));
    return nextToShed(segments, severityMax, this.#passedOver);
  }

  /** What it gave back; `undefined` when it was left as it is. */
  async #shedOne(
    segment: SegmentMeta,
    severityMax: number,
    signal: AbortSignal,
  ): Promise<{ rows: number; bytes: number } | undefined> {
    const unit = { inputs: [segment], level: 2 } as const;
    const release = this.store.retired.pin(unit.inputs);
    try {
      const left = await this.merger.measure({
        signal: segment.signal,
        inputs: [segment.path],
        severityAbove: severityMax,
        abort: signal,
      });
      const rows = segment.rows - left.rows;
      const isRoom = await this.options.roomBytes() >= segment.bytes * left.rows / segment.rows;
      if (rows < segment.rows * shedShareMin || !isRoom) {
        this.#passedOver.add(segment.id);
        return undefined;
      }
      if (left.rows === 0) {
        await this.store.retired.retire(unit.inputs);
        return { rows, bytes: segment.bytes };
      }
      const output = await this.#merge(unit, signal, { ...left, evictedSeverity: severityMax });
      return { rows, bytes: segment.bytes - output.bytes };
    } catch (thrown) {
      signal.throwIfAborted();
      // Evicted meanwhile, or too large for the memory that there is: whole hours go then.
      const { code } = toOpenWitError(thrown);
      if (code !== "conflict" && code !== "overloaded") throw thrown;
      this.#passedOver.add(segment.id);
      return undefined;
    } finally {
      release();
    }
  }

  /** The merge that is due first, planned and taken in one turn. */
  #next(eager: boolean): CompactionUnit | undefined {
    const { manifest, damaged, env } = this.store;
    const nowMs = env.clock.monotonicMs();
    for (const [id, untilMs] of this.#failed) if (nowMs >= untilMs) this.#failed.delete(id);
    const nowNs = env.clock.nowNs();
    const { policy } = this.options;
    const units = planCompaction(
      [...manifest.state.segments.values()].filter(({ id }) => !damaged.has(id) && !this.#failed.has(id)),
      eager ? { ...policy, gatherCount: 2 } : policy,
      { nowNs, isSynced: isTimeSynced(nowNs, manifest.state.newestIngestNs) },
    );
    this.options.onPlan?.(units.reduce((sum, { inputs }) => sum + inputs.length, 0));
    return units.at(0);
  }

  /** A merge that does not fit memory goes in halves: rows may be larger than their encoded bytes let one think. */
  async *#mergeToFit(
    unit: CompactionUnit,
    signal: AbortSignal,
  ): AsyncGenerator<{ inputs: readonly SegmentMeta[]; output: SegmentMeta }> {
    const { inputs } = unit;
    try {
      yield { inputs, output: await this.#merge(unit, signal) };
    } catch (thrown) {
      if (!(thrown instanceof OpenWitError) || thrown.code !== "overloaded" || inputs.length < 2) {
        throw thrown;
      }
      const half = Math.ceil(inputs.length / 2);
      yield* this.#mergeToFit({ ...unit, inputs: inputs.slice(0, half) }, signal);
      yield* this.#mergeToFit({ ...unit, inputs: inputs.slice(half) }, signal);
    }
  }

  /** A merge needs room for its output and for what its sort spills. */
  async #whyNoRoom({ inputs }: CompactionUnit): Promise<string | undefined> {
    const needed = roomFactor * bytesOf(inputs);
    const room = await this.options.roomBytes();
    if (room >= needed) return undefined;
    return `a merge of ${inputs.length} segments waits for ${needed} bytes of room, there are ${room}`;
  }

  /** @param shedding when rows go in it: what is left, and of which severities none is */
  async #merge(unit: MergeUnit, signal: AbortSignal, shedding?: Shedding): Promise<SegmentMeta> {
    const { store } = this;
    const { disk, metrics } = store.env;
    const release = store.retired.pin(unit.inputs);
    let path: string | undefined;
    try {
      const { meta, keyValues } = await this.#describe(unit, shedding);
      path = meta.path;
      const temporary = path + temporarySuffix;
      await disk.makeDir(folderOf(path));
      await disk.remove(temporary);
      const { indexBytes } = await this.merger.merge({
        signal: meta.signal,
        inputs: unit.inputs.map((input) => input.path),
        output: temporary,
        keyValues,
        ...(this.options.indexer === undefined ? {} : { index: { id: meta.id, signal: meta.signal, path } }),
        ...(shedding === undefined ? {} : { severityAbove: shedding.evictedSeverity }),
        abort: signal,
      });
      const output = { ...meta, ...await seal(disk, temporary, meta) };
      await disk.rename(temporary, path);
      await disk.syncDir(folderOf(path));
      if (indexBytes === undefined) await this.#index(output, signal);
      else this.#noteIndexed(output, indexBytes);
      const { segments } = store.manifest.state;
      if (!unit.inputs.every(({ id }) => segments.has(id))) {
        throw new OpenWitError("conflict", "a segment was removed while it was being merged");
      }
      await this.#commit(unit, output);
      metrics.add("openwit_compacted_rows_total", output.rows, { signal: meta.signal });
      metrics.add("openwit_compacted_bytes_total", output.bytes, { signal: meta.signal });
      return output;
    } catch (error) {
      if (path !== undefined && !this.#rejected.has(path)) await this.#discard(path);
      throw error;
    } finally {
      release();
    }
  }

  /** A segment without an index costs time and no answer; it gets one later (core/index/upkeep.ts). */
  async #index(output: SegmentMeta, signal: AbortSignal): Promise<void> {
    try {
      const bytes = await this.options.indexer?.build(output, signal);
      if (bytes !== undefined) this.#noteIndexed(output, bytes);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toOpenWitError(thrown);
      if (error.code === "io" || error.code === "disk_full") throw error;
      this.store.env.log("warn", "a merged segment could not be indexed yet", { path: output.path, error });
    }
  }

  #noteIndexed({ id, signal, rows }: SegmentMeta, bytes: number): void {
    const { clock, metrics } = this.store.env;
    this.store.batches.indexed(id, clock.nowNs());
    metrics.add("openwit_indexed_rows_total", rows, { signal });
    metrics.add("openwit_index_bytes_total", bytes, { signal });
  }

  async #commit(unit: MergeUnit, output: SegmentMeta): Promise<void> {
    try {
      await this.store.retired.retire(unit.inputs, { add: [output] });
    } catch (error) {
      // An edit that was tried may come back after a crash: its file stays until a later one has succeeded.
      if (toOpenWitError(error).code !== "conflict") this.#rejected.add(output.path);
      throw error;
    }
    const { metrics } = this.store.env;
    const { signal } = output;
    metrics.add("openwit_merges_total", 1, { signal });
    metrics.add("openwit_compaction_read_bytes_total", bytesOf(unit.inputs), { signal });
  }

  /** What the output will be, but for its bytes; and its footer. */
  async #describe(
    { inputs, level }: MergeUnit,
    shedding: Shedding | undefined,
  ): Promise<{ meta: SegmentMeta; keyValues: Record<string, string> }> {
    const { env, manifest, retired } = this.store;
    const sources = [];
    for (const input of inputs) {
      const footer = await readParquetFooter(env.disk, input.path);
      const said = parseFooter(footer.keyValues);
      if (said.id !== input.id || footer.rows !== input.rows) {
        throw new OpenWitError(
          "corrupt",
          `${input.path} is segment ${said.id} with ${footer.rows} rows, ` +
            `the manifest says ${input.id} with ${input.rows}`,
          { hint: "openwit inspect shows what is in the file" },
        );
      }
      sources.push(...said.sources);
    }
    const { tenant, signal, late, schemaVersion } = inputs[0];
    const { nodeId } = manifest.state;
    const id = newSegmentId(env.clock, env.random);
    const hour = Math.min(...inputs.map((input) => input.hour));
    const before = inputs.flatMap(({ replaces }) => replaces).filter((each) => retired.mayBeOnDisk(each));
    const meta: SegmentMeta = {
      id,
      tenant,
      signal,
      path: segmentPath({ tenant, signal, hour, late, nodeId, level, id }),
      level,
      rows: inputs.reduce((sum, { rows }) => sum + rows, 0),
      bytes: 0,
      minTimeNs: least(inputs.map(({ minTimeNs }) => minTimeNs)),
      maxTimeNs: greatest(inputs.map(({ maxTimeNs }) => maxTimeNs)),
      minIngestNs: least(inputs.map(({ minIngestNs }) => minIngestNs)),
      maxIngestNs: greatest(inputs.map(({ maxIngestNs }) => maxIngestNs)),
      lsnFrom: Math.min(...inputs.map(({ lsnFrom }) => lsnFrom)),
      lsnTo: Math.max(...inputs.map(({ lsnTo }) => lsnTo)),
      ...mergedOrigin(inputs),
      hour,
      late,
      schemaVersion,
      replaces: [...new Set([...inputs.map((input) => input.id), ...before])],
      ...evictedFrom(inputs),
      ...shedding,
    };
    return { meta, keyValues: buildFooter(meta, { nodeId, flushIds: [id], sources }) };
  }

  /** Removes what a merge wrote that no edit names. */
  async #discard(path: string): Promise<void> {
    const { disk, log } = this.store.env;
    try {
      await removeOutput(disk, path);
    } catch (error) {
      this.#rejected.add(path); // the next run tries again, and does nothing before it has succeeded
      log("warn", "the file of a merge that failed could not be removed yet", { path, error });
    }
  }

  /** @throws OpenWitError `io`, `disk_full`: then no merge may run */
  async #clearRejected(): Promise<void> {
    const { store } = this;
    await store.clearFailedFlushes();
    if (this.#rejected.size === 0) return;
    await store.manifest.commit({});
    for (const path of this.#rejected) {
      await removeOutput(store.env.disk, path);
      this.#rejected.delete(path);
    }
  }
}

/** Whatever of a merge's files is there. @throws OpenWitError `io`, `disk_full` */
async function removeOutput(disk: Disk, path: string): Promise<void> {
  const index = indexPath(path);
  for (const each of [index + temporarySuffix, index, path + temporarySuffix, path]) {
    await removeFileDurably(disk, each);
  }
}

/** After a failed merge its segments are tried again: a file that cannot be read may be on a disk that recovers. */
const retryAfterMs = 60 * 60_000;

/** Bytes of room a merge needs for each encoded byte: the output, and a spill of rows that are not compressed. */
const roomFactor = 3;

/** Verifies a merged file, makes its bytes durable, and measures it. @throws OpenWitError `corrupt`, `io` */
async function seal(
  disk: Disk,
  path: string,
  meta: SegmentMeta,
): Promise<{ bytes: number; checksum: number }> {
  const footer = await readParquetFooter(disk, path);
  const { id } = parseFooter(footer.keyValues);
  if (footer.rows !== meta.rows || id !== meta.id) {
    throw new OpenWitError(
      "corrupt",
      `a merge gave ${footer.rows} rows of segment ${id}, expected ${meta.rows} of ${meta.id}`,
      { hint: "its inputs are kept; openwit inspect shows what is in them" },
    );
  }
  return await sealFile(disk, path);
}

function bytesOf(segments: readonly SegmentMeta[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}

type MergeUnit = Pick<CompactionUnit, "inputs" | "level">;

/** What is in none of the inputs is not in their merge. */
function evictedFrom(inputs: readonly SegmentMeta[]): Pick<SegmentMeta, "evictedSeverity"> {
  const least = Math.min(...inputs.map(({ evictedSeverity }) => evictedSeverity ?? 0));
  return least === 0 ? {} : { evictedSeverity: least };
}

/** The inputs are all this node's own, or all of one other node. */
function mergedOrigin(inputs: readonly SegmentMeta[]): Pick<SegmentMeta, "origin"> {
  const origins = inputs.flatMap(({ origin }) => origin ?? []);
  if (origins.length === 0) return {};
  const lsnFrom = Math.min(...origins.map((each) => each.lsnFrom));
  const lsnTo = Math.max(...origins.map((each) => each.lsnTo));
  return { origin: { nodeId: origins[0].nodeId, lsnFrom, lsnTo } };
}

function least(values: readonly bigint[]): bigint {
  return values.reduce((least, value) => value < least ? value : least);
}

function greatest(values: readonly bigint[]): bigint {
  return values.reduce((most, value) => value > most ? value : most);
}
