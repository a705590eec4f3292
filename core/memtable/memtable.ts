/**
 * The durable rows of one stream (tenant, signal) that no segment holds yet: the electric tier.
 *
 * Way of a request: its rows are decoded onto the end of the open chunk (`begin`), the WAL takes it, and once it
 * is durable its rows become visible (`settle`), in LSN order. A reader pins chunks with their visible row
 * counts; rows beyond those are not shown.
 *
 * Invariants: (1) a chunk holds whole requests; (2) the visible rows of a stream are exactly the durable requests
 * above its watermark; (3) requests settle in the order in which they began, or are all undone together.
 */
import type { Chunk } from "../model/chunk.ts";
import type { Signal } from "../model/columns.ts";
import { type Room, scaleRoom } from "../model/room.ts";
import { assert } from "../error.ts";
import type { SpareChunks } from "./spares.ts";

/** Rows at which a chunk is closed and another begun: small enough to encode and scan in one go. */
export const chunkRows = 50_000;

/** Bytes at which it is closed all the same, so that one of huge bodies stays far from 2 GiB offsets. */
export const chunkBytes = 32 * 1024 * 1024;

/** What a new chunk has room for beyond what those before it held; what one that is full has beyond its bound. */
const roomSlack = 1.25, roomOverflow = 1.04;
/** What of the room is kept after a chunk that needed less. */
const roomKeptShare = 1 / 2;

/** Chunks after one that was searched whose texts are folded as they come. */
export const foldedChunks = 8;

export interface MemtableChunk {
  readonly chunk: Chunk;
  /** Rows that a reader may see. */
  rows: number;
  /** Highest LSN among the visible rows; 0 while there is none. */
  lastLsn: number;
  /** Lowest LSN of a request that has rows here. */
  firstLsn: number;
  /** Monotonic time at which the last of its visible rows became durable; 0 while there is none. */
  settledMs: number;
  /** Requests whose rows are here and not yet durable. */
  pending: number;
  /** Readers that hold it: see `unpin`. */
  pins: number;
  /** What the last of them does when it lets go: absent until a segment holds the rows. */
  recycle?: () => void;
  /** Columns of texts that were searched of late, and may be in this one. */
  readonly searched: readonly number[];
  /** Whether a flush has taken it: later requests go elsewhere. */
  isFrozen: boolean;
}

/** A request's rows on their way to being durable. */
export interface PendingRows {
  readonly at: MemtableChunk;
  readonly fromRow: number;
  readonly endRow: number;
  readonly epoch: number;
}

export class Memtable {
  /** Oldest first; the last one is open. */
  chunks: MemtableChunk[] = [];
  /** Monotonic time at which the oldest visible row came; undefined while there is none. */
  oldestMs: number | undefined;
  #epoch = 0;
  /** Columns of texts that were searched of late, and in how many chunks to come they are folded for the next search. */
  readonly #searched = new Map<number, number>();
  /** What the next chunk has room for from the start, and rows of the one that this was learnt from. */
  #room: readonly Room[] | undefined;
  #roomRows = 0;
  #settled: (() => void)[] = [];

  constructor(readonly tenant: string, readonly signal: Signal, readonly spares: SpareChunks) {}

  /** The chunk that the next request's rows go to. */
  open(): MemtableChunk {
    const last = this.chunks.at(-1);
    const hasRoom = last !== undefined && !last.isFrozen && last.chunk.rows < chunkRows &&
      last.chunk.usedBytes < chunkBytes;
    if (hasRoom) return last;
    if (last !== undefined) {
      for (const column of searchedColumns(last)) this.#searched.set(column, foldedChunks);
      if (!last.isFrozen) this.#learnRoom(last);
    }
    const chunk = this.spares.take(this.signal, this.#room);
    const opened = {
      chunk,
      rows: 0,
      lastLsn: 0,
      firstLsn: 0,
      settledMs: 0,
      pending: 0,
      pins: 0,
      searched: [...this.#searched.keys()],
      isFrozen: false,
    };
    this.chunks.push(opened);
    return opened;
  }

  /** Notes that the rows from `fromRow` to the end of `at` belong to a request that the WAL has taken. */
  begin(at: MemtableChunk, fromRow: number): PendingRows {
    at.pending++;
    return { at, fromRow, endRow: at.chunk.rows, epoch: this.#epoch };
  }

  /** Makes a durable request's rows visible. */
  settle({ at, fromRow, endRow, epoch }: PendingRows, lsn: number, nowMs: number): void {
    assert(epoch === this.#epoch && at.rows === fromRow, "requests of a stream settle in order");
    if (at.firstLsn === 0) at.firstLsn = lsn;
    at.rows = endRow;
    at.lastLsn = lsn;
    at.settledMs = nowMs;
    at.pending--;
    this.oldestMs ??= nowMs;
    foldNew(at);
    this.#wake();
  }

  /**
   * Undoes every request that has begun and not settled. The WAL refuses all that are pending at once, so the
   * first refusal undoes them all; the others then find their epoch gone and leave newer rows alone.
   */
  undo({ epoch }: PendingRows): void {
    if (epoch !== this.#epoch) return;
    this.#epoch++;
    for (const each of this.chunks) {
      each.chunk.truncate(each.rows);
      each.pending = 0;
    }
    this.#wake();
  }

  /** Resolves when nothing in these chunks is pending. */
  async settled(chunks: readonly MemtableChunk[]): Promise<void> {
    while (chunks.some((each) => each.pending > 0)) {
      await new Promise<void>((resolve) => this.#settled.push(resolve));
    }
  }

  /** Closes the open chunk and returns all there are, so that later requests go elsewhere. */
  freeze(): readonly MemtableChunk[] {
    this.chunks = this.chunks.filter((each) => each.chunk.rows > 0);
    for (const each of this.chunks) each.isFrozen = true;
    return [...this.chunks];
  }

  /** Takes in what a recovery brought back: requests of lower LSNs than all that are here. */
  putBefore(earlier: Memtable): void {
    assert(earlier.chunks.every((each) => each.pending === 0), "what the WAL gave back is durable");
    this.chunks = [...earlier.chunks, ...this.chunks];
    this.oldestMs = Math.min(earlier.oldestMs ?? Infinity, this.oldestMs ?? Infinity);
    if (this.oldestMs === Infinity) this.oldestMs = undefined;
    earlier.chunks = [];
  }

  /** Forgets chunks that segments hold now. */
  drop(flushed: readonly MemtableChunk[], nowMs: number): void {
    const last = flushed.at(-1);
    if (last !== undefined) {
      this.#noteSearched(last);
      this.#learnRoom(flushed.reduce((one, other) => other.rows > one.rows ? other : one));
    }
    this.chunks = this.chunks.filter((each) => !flushed.includes(each));
    for (const each of flushed) {
      const recycle = () => this.spares.give(each.chunk);
      if (each.pins === 0) recycle();
      else each.recycle = recycle; // its buffers are being read, without a copy
    }
    this.oldestMs = this.rows > 0 ? nowMs : undefined;
  }

  get rows(): number {
    return this.chunks.reduce((sum, each) => sum + each.rows, 0);
  }

  /** Bytes of the rows themselves, pending ones included. */
  get usedBytes(): number {
    return this.chunks.reduce((sum, each) => sum + each.chunk.usedBytes, 0);
  }

  /** The same of chunks that no flush has taken. */
  get openBytes(): number {
    return this.chunks.reduce((sum, each) => each.isFrozen ? sum : sum + each.chunk.usedBytes, 0);
  }

  /** Memory of chunks that no flush has taken. */
  get openMemory(): number {
    return this.chunks.reduce((sum, each) => each.isFrozen ? sum : sum + each.chunk.bytes, 0);
  }

  /** Memory that the chunks take. */
  get bytes(): number {
    return this.chunks.reduce((sum, each) => sum + each.chunk.bytes, 0);
  }

  /**
   * Has the next chunks made with room for what this one held and a quarter more, so that they need not grow: what was
   * outgrown is garbage. After one of few rows, which a flush took early, the room is half of what it was.
   */
  #learnRoom({ chunk }: MemtableChunk): void {
    if (chunk.rows === 0) return;
    if (chunk.rows < this.#roomRows * roomKeptShare) {
      this.#roomRows *= roomKeptShare;
      this.#room = this.#room!.map((room) => scaleRoom(room, roomKeptShare));
      return;
    }
    const slack = Math.min(
      roomSlack,
      chunkRows * roomOverflow / chunk.rows,
      chunkBytes * roomOverflow / chunk.usedBytes,
    );
    this.#roomRows = chunk.rows;
    this.#room = chunk.room.map((room) => scaleRoom(room, Math.max(1, slack)));
  }

  /** Whoever searches does so again, and not in each chunk: at 60,000 records a second one lives for a second. */
  #noteSearched(flushed: MemtableChunk): void {
    for (const [column, left] of this.#searched) {
      if (left > 1) this.#searched.set(column, left - 1);
      else this.#searched.delete(column);
    }
    for (const column of searchedColumns(flushed)) this.#searched.set(column, foldedChunks);
  }

  #wake(): void {
    for (const resolve of this.#settled.splice(0)) resolve();
  }
}

function searchedColumns({ chunk: { vectors } }: MemtableChunk): number[] {
  return [...vectors.keys()].filter((column) => {
    const vector = vectors[column];
    return vector.kind === "utf8" && vector.isSearched;
  });
}

/** Has texts that are searched ready for the next search, a request's at a time (core/text/folded.ts). */
function foldNew({ chunk: { vectors }, rows, searched }: MemtableChunk): void {
  vectors.forEach((vector, column) => {
    if (vector.kind === "utf8" && (vector.isSearched || searched.includes(column))) vector.keepFolded(rows);
  });
}

/** Lets a reader go of a chunk: from then on it reads nothing of it. */
export function unpin(chunk: MemtableChunk): void {
  if (--chunk.pins === 0) chunk.recycle?.();
}

/** Lets go of memtables without a row. */
export function forgetIdleStreams(memtables: Map<string, Memtable>): void {
  for (const [key, memtable] of memtables) {
    if (memtable.chunks.every((each) => each.chunk.rows === 0)) memtables.delete(key);
  }
}
