/**
 * The byte budget of the data folder: says no before the disk does, makes room by eviction, and keeps a reserve so
 * that making room is always possible.
 *
 *   sample (used blocks, free space) ─▶ room = least of (budget - used, free)
 *     room below the margin ─▶ evict oldest (eviction.ts), flush and free the WAL when it is what takes the room
 *     room below the mark   ─▶ requests are refused with `disk_full` until there is room again, whoever made it
 *     the disk really full  ─▶ the reserve (reserve.ts) is given up, and taken back when there is room
 *
 * Between samples each admitted request counts against the room, so that a burst is refused before it fails.
 * Invariants: (1) rounds run one at a time. (2) What the margin holds is never promised to anybody: with
 * `evict-oldest` a round leaves the folder within its budget, unless queries hold the files that were evicted.
 */
import type { Clock } from "../env/clock.ts";
import type { Disk } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import { OpenWitError, toOpenWitError } from "../error.ts";
import type { IngestRequest } from "../ingest/request.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Store, StoreGuard } from "../store/store.ts";
import { allocatedBytesOf, type Eviction, type EvictionPolicy, planEviction } from "./eviction.ts";
import { Reserve } from "./reserve.ts";
import { BudgetTeller } from "./teller.ts";
import { allocatedBytesUnder, type DiskUsage } from "./usage.ts";
import { isTimeSynced } from "./wall-clock.ts";

export interface BudgetEnv {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface BudgetOptions extends EvictionPolicy {
  /** Bytes, or a share of the volume. */
  readonly budget: { readonly bytes: number } | { readonly percent: number };
  /** The reserve is 2% of the budget, and at most this. */
  readonly reserveBytesMax?: number;
}

/**
 * Gives room back piece by piece before whole hours have to go (`storage.evict_first`). Told once a round that room
 * gets short; says whether it has anything to give, so that hours wait for it as long as requests find room.
 */
export type Shedder = () => boolean;

export class DiskBudget implements StoreGuard {
  readonly teller: BudgetTeller;
  /** Absent where nothing goes before whole hours do. */
  shedder: Shedder | undefined;
  #store: Store | undefined;
  #freeBytes = 0;
  #volumeBytes = 0;
  #budgetBytes = 0;
  /** At the last walk through the folder, and what the WAL and the segments were then. */
  #walked = { bytes: 0, knownBytes: 0, atMs: -Infinity, tookMs: 0 };
  #knownBytes = 0;
  #walBytes = 0;
  /** Of requests admitted since the last sample. */
  #admittedBytes = 0;
  /** Whether a write has failed for want of room since the last round, and in how many rounds running. */
  #sawFull = false;
  #fullRounds = 0;
  /** Whether a flush or the freeing of a WAL file was what failed. */
  #isStuck = false;
  #policyDueMs = -Infinity;
  #flushDueMs = -Infinity;
  #refusal: string | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #wake: (() => void) | undefined;
  #stopping: AbortController | undefined;
  #stopped: Promise<void> = Promise.resolve();

  private constructor(
    readonly env: BudgetEnv,
    private current: BudgetOptions,
    readonly reserve: Reserve,
  ) {
    this.teller = new BudgetTeller(env);
  }

  get options(): BudgetOptions {
    return this.current;
  }

  /** Other bounds, from the next round on, which comes at once and looks at retention too. */
  configure(options: BudgetOptions): void {
    this.current = options;
    this.#policyDueMs = -Infinity;
    this.#wake?.();
  }

  /**
   * Measures a data folder before its store is opened; on a full disk the reserve is given up, for a start
   * needs room. @throws OpenWitError `io`
   */
  static async open(env: BudgetEnv, options: BudgetOptions): Promise<DiskBudget> {
    const budget = new DiskBudget(env, options, await Reserve.open(env.disk, env.random));
    await budget.#sample(true);
    if (budget.#freeBytes < budget.#reserveTarget() / 2) await budget.#giveReserve();
    return budget;
  }

  /** From here on the store asks before it takes a request, and rounds can make room in it. */
  attach(store: Store): void {
    this.#store = store;
    this.#knownBytes = this.#measureKnown();
    this.#walked = { ...this.#walked, knownBytes: this.#knownBytes, atMs: -Infinity };
    store.guards.push(this);
  }

  get usage(): DiskUsage {
    return {
      budgetBytes: this.#budgetBytes,
      usedBytes: this.#usedBytes(),
      freeBytes: this.#freeBytes,
      reserveBytes: this.reserve.heldBytes,
      volumeBytes: this.#volumeBytes,
    };
  }

  /** Bytes that may be written without anything having to go. */
  get spareBytes(): number {
    return Math.max(0, this.#room() - this.#margin());
  }

  /**
   * Whether what goes first should go, before whole hours must: there is less room than an eviction leaves. What is
   * retired already and only waits for its readers counts as room. @throws OpenWitError `io`
   */
  isGettingShort(): Promise<boolean> {
    return this.#exclusively(async () => {
      if (this.#store === undefined || !this.#isShort(0)) return false;
      await this.#sample(true);
      return this.#isShort(await this.#retiredBytes(this.#store));
    });
  }

  #isShort(retiredBytes: number): boolean {
    return this.#room() + retiredBytes < 2 * this.#margin();
  }

  /** Why requests are refused now; `undefined` while they are taken. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** @throws OpenWitError `disk_full` when the request might not find room */
  admit({ wire }: IngestRequest): void {
    const bytes = wire.length;
    if (this.#room() - bytes >= this.#needed()) {
      this.#admittedBytes += bytes;
      return;
    }
    this.#wake?.();
    this.#refusal = this.#explainShortage();
    throw this.#refuse(this.#refusal);
  }

  /** What needs no look at the request. @throws OpenWitError `disk_full` while requests are refused */
  check(): void {
    if (this.#refusal !== undefined) throw this.#refuse(this.#refusal);
  }

  #refuse(reason: string): OpenWitError {
    return new OpenWitError("disk_full", reason, {
      hint: this.options.whenFull === "evict-oldest"
        ? "send it again: the oldest data is being evicted, as far as there is any"
        : "free space on the volume, raise storage.budget, or set storage.when_full to evict-oldest",
      retryAfterMs: 2_000,
    });
  }

  /** A write has failed for want of room. Only what makes room by being written is worth the reserve. */
  diskFull(what: "request" | "maintenance"): void {
    this.#sawFull = true;
    if (what === "maintenance") this.#isStuck = true;
    this.#wake?.();
  }

  /** Looks every second, and four times a second while requests are refused, until `close`. */
  start(): void {
    this.#stopping = new AbortController();
    this.#stopped = this.#watch(this.#stopping.signal);
  }

  async close(): Promise<void> {
    this.#stopping?.abort();
    this.#wake?.();
    await this.#stopped;
    await this.#last;
  }

  /**
   * One round with everything that may be due, retention too: a task of the janitor. Returns what was done, an empty
   * text when there was nothing to do. @throws OpenWitError
   */
  run(): Promise<string> {
    return this.#exclusively(() => this.#round(true));
  }

  /** What retention and the budget would evict now, in the order in which it would go; nothing is done. @throws OpenWitError */
  preview(): Promise<readonly Eviction[]> {
    return this.#exclusively(async () => {
      const store = this.#store;
      if (store === undefined) return [];
      await this.#sample(true);
      return this.#plan(store, await this.#excessBeyondRetired(store));
    });
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.env;
    while (!signal.aborted) {
      try {
        await this.#exclusively(() => this.#round(false));
      } catch (error) {
        log("error", "the disk budget could not be looked after; it is tried again", {
          error: toOpenWitError(error),
        });
        await clock.sleep(1_000, signal).catch(() => {}); // an abort ends the loop at its head
      }
      await this.#wait(this.#refusal === undefined ? 1_000 : 250, signal);
    }
  }

  /** Until woken, but not less than a tenth of a second: refusals come by the thousand. */
  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.env;
    const asleep = () => {}; // aborted
    await clock.sleep(100, signal).catch(asleep);
    if (this.#sawFull || signal.aborted) return;
    const stop = new AbortController();
    const woken = new Promise<void>((resolve) => this.#wake = resolve);
    await Promise.race([woken, clock.sleep(ms - 100, AbortSignal.any([signal, stop.signal])).catch(asleep)]);
    this.#wake = undefined;
    stop.abort();
  }

  async #round(isForced: boolean): Promise<string> {
    const store = this.#store;
    if (store === undefined) return "";
    const sawFull = this.#sawFull;
    this.#sawFull = false;
    this.#fullRounds = sawFull ? this.#fullRounds + 1 : 0;
    await this.#sample(isForced || sawFull || this.#refusal !== undefined);
    if (this.#isStuck) await this.#unstick(store);
    const mayWait = !sawFull && await this.#isShedding(store) && this.#room() >= this.#shedFloor();
    const evicted = await this.#evict(store, isForced, mayWait);
    const isTight = this.#room() < this.#margin();
    // Retired files wait a minute for other readers, unless their room is needed now.
    const swept = isTight ? await store.retired.sweep({ hurry: true }) : 0;
    if (evicted.length + swept > 0) await this.#sample(true);
    const isFlushed = await this.#flushWhenWalIsLarge(store);
    if (isFlushed) await this.#sample(true);
    await this.#settleReserve();
    this.#noteRefusal();
    const what = [
      ...(evicted.length > 0 ? [`${evicted.length} segments evicted`] : []),
      ...(isFlushed ? ["flushed to free the WAL"] : []),
    ];
    return what.join(", ");
  }

  /** What maintenance failed for: it gets some of the reserve, and the room of what failed flushes left. */
  async #unstick(store: Store): Promise<void> {
    this.#isStuck = false;
    if (this.#freeBytes < this.#reserveTarget() / 2) await this.#giveReserve();
    try {
      await store.clearFailedFlushes();
    } catch (thrown) {
      if (toOpenWitError(thrown).code !== "disk_full") throw thrown;
      this.#isStuck = true;
    }
    await this.#sample(true);
  }

  /** Whether something is about to give room back before whole hours do. */
  async #isShedding(store: Store): Promise<boolean> {
    if (this.shedder === undefined || !this.#isShort(0)) return false;
    return this.#isShort(await this.#retiredBytes(store)) && this.shedder();
  }

  /** @param mayWait whether whole hours may stay for now, however short room is */
  async #evict(store: Store, isForced: boolean, mayWait: boolean): Promise<readonly Eviction[]> {
    const { clock } = this.env;
    const excess = mayWait ? 0 : await this.#excessBeyondRetired(store);
    const isPolicyDue = isForced || clock.monotonicMs() >= this.#policyDueMs;
    if (excess <= 0 && !isPolicyDue) return [];
    if (isPolicyDue) this.#policyDueMs = clock.monotonicMs() + policyEveryMs;
    for (;;) {
      const plan = this.#plan(store, excess);
      if (plan.length === 0) return plan;
      try {
        await store.retired.retire(plan.map(({ segment }) => segment));
        this.#count(plan);
        return plan;
      } catch (thrown) {
        const { code } = toOpenWitError(thrown);
        if (code === "conflict") return []; // a merge was first: the next round plans with what it left
        // With some of the reserve it is planned anew: a flush may have brought older hours meanwhile.
        if (code !== "disk_full" || await this.#giveReserve() === 0) throw thrown;
      }
    }
  }

  #plan(store: Store, excess: number): readonly Eviction[] {
    const { segments, newestIngestNs } = store.manifest.state;
    const ns = this.env.clock.nowNs();
    return planEviction(segments.values(), excess, this.options, {
      ns,
      isSynced: isTimeSynced(ns, newestIngestNs),
    });
  }

  /** What is retired already goes by itself: nothing more is evicted because a query still holds it. */
  async #excessBeyondRetired(store: Store): Promise<number> {
    const excess = this.#excess();
    return excess <= 0 ? 0 : excess - await this.#retiredBytes(store);
  }

  async #retiredBytes(store: Store): Promise<number> {
    let bytes = 0;
    for (const path of store.retired.paths()) {
      bytes += (await this.env.disk.stat(path))?.allocatedBytes ?? 0;
    }
    return bytes;
  }

  #count(plan: readonly Eviction[]): void {
    const { metrics } = this.env;
    for (const { segment, reason } of plan) {
      metrics.add("openwit_evicted_segments_total", 1, { reason });
      metrics.add("openwit_evicted_rows_total", segment.rows, { reason });
      metrics.add("openwit_evicted_bytes_total", segment.bytes, { reason });
    }
    this.teller.evicted(plan);
  }

  /** Rows take far less room in segments than in the WAL, but for a WAL file to go all its streams must be flushed. */
  async #flushWhenWalIsLarge(store: Store): Promise<boolean> {
    const { clock } = this.env;
    const { bytes } = store.wal.stats;
    const isTight = this.#room() < this.#margin();
    const isLarge = bytes > this.#budgetBytes * walShareMax || isTight && bytes > this.#budgetBytes / 100;
    if (!isLarge || clock.monotonicMs() < this.#flushDueMs) return false;
    this.#flushDueMs = clock.monotonicMs() + flushEveryMs;
    try {
      await store.flush();
      return true;
    } catch (thrown) {
      const error = toOpenWitError(thrown);
      if (error.code !== "disk_full") throw error;
      this.diskFull("maintenance");
      this.env.log("warn", "a flush that would free the WAL found no room; it is tried again", { error });
      return false;
    }
  }

  async #giveReserve(): Promise<number> {
    const bytes = await this.reserve.give();
    if (bytes === 0) return 0;
    this.#freeBytes += bytes;
    this.#walked.bytes -= bytes;
    this.env.log("warn", "the disk is full: a part of the reserve was given up", {
      bytes,
      left: this.reserve.heldBytes,
    });
    return bytes;
  }

  async #settleReserve(): Promise<void> {
    const target = this.#reserveTarget();
    const missing = target - this.reserve.heldBytes;
    if (missing < -target) await this.reserve.shrinkTo(target);
    // Only when requests are taken with it too: else it would be given and taken in turn.
    if (missing <= 0 || this.#sawFull || this.#room() < missing + target + this.#margin() / 4) return;
    try {
      await this.reserve.take(target);
    } catch (thrown) {
      const error = toOpenWitError(thrown);
      if (error.code !== "disk_full") throw error;
      this.env.log("warn", "the reserve could not be taken back yet: the disk is full", { error });
    }
    this.#freeBytes -= missing;
    this.#walked.bytes += missing;
  }

  #noteRefusal(): void {
    this.#refusal = this.#room() < this.#needed() ? this.#explainShortage() : undefined;
    this.teller.refusing(this.#refusal);
  }

  /** The free space each time; the folder as often as it costs a twentieth of the time, or at once. */
  async #sample(isForced: boolean): Promise<void> {
    const { disk, clock } = this.env;
    const admittedBytes = this.#admittedBytes;
    const { freeBytes, totalBytes } = await disk.space();
    const { budget } = this.options;
    this.#freeBytes = freeBytes;
    this.#volumeBytes = totalBytes;
    this.#budgetBytes = "bytes" in budget ? budget.bytes : Math.floor(totalBytes * budget.percent / 100);
    this.#knownBytes = this.#measureKnown();
    const startedMs = clock.monotonicMs();
    const dueMs = this.#walked.atMs + Math.min(60_000, 20 * this.#walked.tookMs);
    if (isForced || startedMs >= dueMs) {
      const knownBytes = this.#knownBytes;
      const bytes = await allocatedBytesUnder(disk, "");
      const atMs = clock.monotonicMs();
      this.#walked = { bytes, knownBytes, atMs, tookMs: atMs - startedMs };
    }
    // What came while we looked may or may not have been seen: it goes on counting.
    this.#admittedBytes -= admittedBytes;
  }

  /** What is known without looking: that it has grown since the last walk is known too. */
  #measureKnown(): number {
    const store = this.#store;
    if (store === undefined) return 0;
    let bytes = this.#walBytes = store.wal.stats.bytes;
    for (const segment of store.manifest.state.segments.values()) bytes += allocatedBytesOf(segment);
    return bytes;
  }

  #usedBytes(): number {
    return this.#walked.bytes + Math.max(0, this.#knownBytes - this.#walked.knownBytes);
  }

  #room(): number {
    return Math.min(this.#budgetBytes - this.#usedBytes(), this.#freeBytes) - this.#admittedBytes;
  }

  #reserveTarget(): number {
    return Math.floor(Math.min(this.options.reserveBytesMax ?? reserveBytesMax, this.#budgetBytes * 0.02));
  }

  /**
   * The mark: room that no request gets. It is for what the flush of the WAL will write before the WAL goes, and for
   * the part of the reserve that is to be taken back.
   */
  #needed(): number {
    const target = this.#reserveTarget();
    const flushBytes = Math.min(this.#walBytes, this.#budgetBytes * walShareMax);
    return target + Math.max(0, target - this.reserve.heldBytes) + flushBytes;
  }

  /** Room below which the oldest goes, so that a minute of requests finds room without anything in a hurry. */
  #margin(): number {
    return this.#needed() + this.#slack();
  }

  /** Room below which whole hours go also while something else gives room back: soon requests would be refused. */
  #shedFloor(): number {
    return this.#needed() + this.#slack() / 4;
  }

  #slack(): number {
    return Math.min(marginBytesMax, this.#budgetBytes * 0.05);
  }

  #excess(): number {
    const room = this.#room();
    const margin = this.#margin();
    if (room < margin) return margin * 1.5 - room;
    // Writes fail although there seems to be room: a quota, or a volume that has no more to give than it says.
    return this.#fullRounds >= 3 ? margin : 0;
  }

  #explainShortage(): string {
    const used = this.#usedBytes();
    return this.#budgetBytes - used < this.#freeBytes
      ? `the disk budget is used up: ${sizeText(used)} of ${sizeText(this.#budgetBytes)} are taken`
      : `the volume of the data folder is full: ${sizeText(this.#freeBytes)} are free, ` +
        `${sizeText(this.#needed())} are kept free`;
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => {}); // the caller gets the error; the next round runs all the same
    return run;
  }
}

const reserveBytesMax = 16 * 1024 * 1024;
const marginBytesMax = 1024 * 1024 * 1024;
/** Retention is the janitor's task; when that is long at another one, this loop sees to it. */
const policyEveryMs = 5 * 60_000;
/** A flush that found no room is work done in vain: not more often than this. */
const flushEveryMs = 5_000;
/** Of the budget: what the WAL may take before it is flushed for its room's sake. */
const walShareMax = 1 / 8;

function sizeText(bytes: number): string {
  return `${(Math.max(0, bytes) / 1024 / 1024).toFixed(1)} MiB`;
}
