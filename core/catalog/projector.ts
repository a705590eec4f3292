/**
 * Writes a node's history into the catalog behind its back: takes what happens in memory, at once and for nothing,
 * and writes it in batches when the database lets it.
 *
 *   batches, segments, runs of maintenance ─note─▶ pending (bounded) ─every so often─▶ one transaction
 *   the manifest ─reconcile─▶ at first, after what was dropped, and after the database was begun anew
 *
 * Invariants: (1) No note waits, and none throws. (2) At most `pendingMax` notes are held: the oldest are dropped,
 * counted, and made good from the manifest as far as that goes. (3) A database that fails, hangs or is not there
 * costs a retry and a line in the log, nothing else.
 */
import type { Clock } from "../env/clock.ts";
import type { Log } from "../env/log.ts";
import { type Random, randomUnit } from "../env/random.ts";
import { type OpenWitError, toOpenWitError } from "../error.ts";
import type { TaskRun } from "../janitor/janitor.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { BatchListener, BatchRecord } from "../system/batches.ts";
import { within } from "./bounded.ts";
import type { Catalog, HistoryBatch, HistoryRetention } from "./catalog.ts";
import { batchRow, type HistoryRow, type HistoryTable, removalRow, segmentRow, taskRow } from "./rows.ts";

export interface ProjectorEnv {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface ProjectorOptions {
  readonly writeEveryMs: number;
  readonly retention: HistoryRetention;
  /** Notes that may wait. */
  readonly pendingMax: number;
  /** Whether a write is welcome now: not while the disk is full. */
  readonly mayWrite: () => boolean;
}

export const defaultProjectorOptions = {
  pendingMax: 20_000,
  mayWrite: () => true,
} as const;

export interface ProjectorStatus {
  readonly pending: number;
  readonly dropped: number;
  readonly written: number;
  /** Why the last attempt failed; absent when it did not. */
  readonly error?: OpenWitError;
}

/** Notes that go into one transaction. */
const notesAtOnce = 1_000;

const pruneEveryMs = 24 * 3_600_000;
const backoffMsMax = 5 * 60_000;
/** For what is left to be written, and for closing, when the node stops. */
const stopMsMax = 5_000;

interface Note {
  readonly kind: keyof HistoryBatch;
  readonly row: HistoryRow;
}

export class CatalogProjector implements BatchListener {
  /** By natural key: what happens to one thing again takes the place of what waits. */
  readonly #pending = new Map<string, Note>();
  readonly #stopping = new AbortController();
  #segments: () => readonly SegmentMeta[] = () => [];
  #last: Promise<unknown> = Promise.resolve();
  #loop: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #mustReconcile = true;
  #renewals = 0;
  #pruneDueMs = 0;
  #dropped = 0;
  #written = 0;
  #error: OpenWitError | undefined;

  constructor(
    readonly catalog: Pick<Catalog, "database" | "write" | "reconcile" | "prune" | "read">,
    readonly env: ProjectorEnv,
    private options: ProjectorOptions,
  ) {}

  /** Takes other times from now on, and writes at once. */
  configure(changes: Pick<ProjectorOptions, "writeEveryMs" | "retention">): void {
    this.options = { ...this.options, ...changes };
    this.#pruneDueMs = 0;
    this.#wake?.();
  }

  batch(record: BatchRecord): void {
    const { tenant, signal, lsnTo } = record;
    this.#note(`batch/${tenant}/${signal}/${lsnTo}`, { kind: "batches", row: batchRow(record) });
  }

  added(segments: readonly SegmentMeta[]): void {
    const nowNs = this.env.clock.nowNs();
    for (const each of segments) {
      this.#note(`segment/${each.id}`, { kind: "segments", row: segmentRow(each, nowNs) });
    }
  }

  retired(ids: readonly string[], successors: readonly SegmentMeta[]): void {
    this.added(successors);
    const nowNs = this.env.clock.nowNs();
    for (const id of ids) {
      this.#note(`removal/${id}`, { kind: "removals", row: removalRow(id, successors, nowNs) });
    }
  }

  ran(run: TaskRun): void {
    this.#note(`task/${run.task}/${run.startedNs}`, { kind: "tasks", row: taskRow(run) });
  }

  /** Writes in the background until `stop`. @param segments those that exist now, asked for whenever needed */
  start(segments: () => readonly SegmentMeta[]): void {
    this.#segments = segments;
    this.#loop = this.#write();
  }

  /** Writes what is left if that does not take long, and lets go of the database. Never throws. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await within(this.env.clock, this.#loop, stopMsMax).catch(() => {}); // closing ends what it is at
    const rest = this.#pending.size === 0 ? Promise.resolve() : this.#exclusively(() => this.#flush());
    await within(this.env.clock, rest, stopMsMax).catch(() => {}); // it is counted, and the manifest knows the most of it
    await this.catalog.database.close();
  }

  /**
   * What the catalog has of a table, everything noted until now included; oldest first.
   * @throws OpenWitError `unavailable`, `cancelled`, or what the database says
   */
  async read(table: HistoryTable, tenant: string, signal?: AbortSignal): Promise<HistoryRow[]> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    const rows = this.#exclusively(async () => {
      await this.#flush();
      return await this.catalog.read(table, tenant, this.options.retention.rowsMax);
    });
    try {
      return await Promise.race([rows, aborted]);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      rows.catch(() => {}); // whoever asked has gone
      aborted.catch(() => {});
    }
  }

  status(): ProjectorStatus {
    return {
      pending: this.#pending.size,
      dropped: this.#dropped,
      written: this.#written,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  #note(key: string, note: Note): void {
    this.#pending.delete(key); // what comes again goes to the end, so that the order is that of the last change
    this.#pending.set(key, note);
    if (this.#pending.size > this.options.pendingMax) {
      const [oldest] = this.#pending.keys();
      this.#pending.delete(oldest);
      this.#dropped++;
      this.#mustReconcile = true;
      this.env.metrics.add("openwit_catalog_dropped_total");
    }
    if (this.#pending.size >= this.options.pendingMax / 2) this.#wake?.();
  }

  async #write(): Promise<void> {
    const { clock, log } = this.env;
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted;) {
      await this.#wait(failures, signal);
      if (signal.aborted || !this.options.mayWrite()) continue;
      try {
        await this.#exclusively(() => this.#flush());
        if (failures > 0) log("info", "the catalog is written again");
        failures = 0;
      } catch (thrown) {
        if (failures === 0) {
          log("warn", "the catalog could not be written; it is tried again", { error: thrown });
        }
        failures++;
      }
      if (this.#pending.size >= this.options.pendingMax / 2 && failures === 0) {
        await clock.sleep(100, signal).catch(() => {}); // an abort ends the loop at its head
      }
    }
  }

  /** Until it is time, or many notes wait; longer from failure to failure, and then whatever waits. */
  async #wait(failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.env;
    const backoffMs = Math.min(1_000 * 2 ** (failures - 1), backoffMsMax) * (0.5 + randomUnit(random));
    const ms = failures > 0 ? backoffMs : this.options.writeEveryMs;
    if (failures === 0 && this.#pending.size >= this.options.pendingMax / 2) return;
    const stop = new AbortController();
    const woken = new Promise<void>((resolve) => {
      if (failures === 0) this.#wake = resolve;
    });
    const slept = clock.sleep(ms, AbortSignal.any([signal, stop.signal])).catch(() => {}); // aborted: woken
    await Promise.race([woken, slept]);
    this.#wake = undefined;
    stop.abort();
  }

  async #flush(): Promise<void> {
    const { clock, metrics } = this.env;
    const { retention } = this.options;
    const { database } = this.catalog;
    try {
      while (this.#pending.size > 0 || this.#mustReconcile || this.#renewals !== database.timesRenewed) {
        if (this.#mustReconcile || this.#renewals !== database.timesRenewed) await this.#reconcile();
        const notes = [...this.#pending].slice(0, notesAtOnce);
        if (notes.length === 0) break;
        const of = (kind: Note["kind"]) => notes.flatMap(([, note]) => note.kind === kind ? [note.row] : []);
        const batch = {
          batches: of("batches"),
          tasks: of("tasks"),
          segments: of("segments"),
          removals: of("removals"),
        };
        await this.catalog.write(batch);
        for (const [key, note] of notes) if (this.#pending.get(key) === note) this.#pending.delete(key);
        this.#written += notes.length;
        metrics.add("openwit_catalog_written_total", notes.length);
      }
      if (clock.monotonicMs() >= this.#pruneDueMs) {
        await this.catalog.prune(clock.nowNs(), retention);
        this.#pruneDueMs = clock.monotonicMs() + pruneEveryMs;
      }
      this.#error = undefined;
    } catch (thrown) {
      this.#failed(thrown);
      throw thrown;
    }
  }

  /** What is dropped from now on is made good by the next one: the segments are those of this turn. */
  async #reconcile(): Promise<void> {
    const { clock } = this.env;
    this.#mustReconcile = false;
    try {
      const { timesRenewed } = this.catalog.database;
      await this.catalog.reconcile(this.#segments(), clock.nowNs(), this.options.retention);
      this.#renewals = timesRenewed;
    } catch (error) {
      this.#mustReconcile = true;
      throw error;
    }
  }

  #failed(thrown: unknown): void {
    this.#error = toOpenWitError(thrown);
    this.env.metrics.add("openwit_catalog_failures_total", 1, { reason: this.#error.code });
  }

  /** One piece of work at a time. */
  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => {}); // the caller gets the error; the next runs all the same
    return run;
  }
}
