/**
 * The window of bodies seen lately: a client that was not answered sends the same bytes again, and they must not be
 * stored twice.
 *
 * The content hash (on disk, in WAL records and .seen files; forever as it is): 16 bytes, little-endian,
 *   0  u64  XXH64(body, seed = XXH64(stream, 0))
 *   8  u64  XXH3-64(body) xor XXH64(stream, seed = 2^64 - 1)
 * where `stream` is the UTF-8 of "{tenant}/{signal}" (xxHash 0.8 specification). It guards against chance, not
 * against someone who searches for collisions within his own tenant.
 *
 * Whether a body counts as seen depends only on the times at which the two were received, never on the time of the
 * look-up: a replay decides as the live node did.
 * Invariants: (1) memory is bounded by `entriesMax`, beyond which the oldest are forgotten; (2) a hash stands once.
 */
import type { Signal } from "../model/columns.ts";

/** How far apart two receptions of the same bytes may be. */
export const dedupWindowNs = 600_000_000_000n;

/** Half an hour's worth at 600 requests a second; 32 MiB when full. */
export const dedupEntriesMax = 1 << 20;

/** The 128-bit content hash of a decompressed body, 16 bytes. */
export function contentHash(tenant: string, signal: Signal, body: Uint8Array): Uint8Array {
  const stream = textEncoder.encode(`${tenant}/${signal}`);
  const hash = new Uint8Array(16);
  const view = new DataView(hash.buffer);
  view.setBigUint64(0, Bun.hash.xxHash64(body, Bun.hash.xxHash64(stream, 0n)), true);
  view.setBigUint64(8, Bun.hash.xxHash3(body, 0n) ^ Bun.hash.xxHash64(stream, 0xffff_ffff_ffff_ffffn), true);
  return hash;
}

/**
 * Entries lie in a ring by the order of insertion; an open-addressed table of ring positions finds them by hash.
 * Both grow by doubling.
 */
export class DedupWindow {
  /** Four words of hash an entry. */
  #hashes = new Uint32Array(0);
  /** Received at, Unix milliseconds; NaN for a removed entry. */
  #times = new Float64Array(0);
  #lsns = new Float64Array(0);
  /** 1 + ring position; 0 is free. Twice the ring's capacity, a power of two. */
  #table = new Int32Array(0);
  #oldest = 0;
  /** Ring positions in use, removed ones included. */
  #used = 0;
  readonly #entriesMax: number;

  constructor(entriesMax = dedupEntriesMax) {
    this.#entriesMax = 2 ** Math.ceil(Math.log2(Math.max(entriesMax, entriesMin)));
  }

  /** Entries held, removed ones among them until their turn to be forgotten. */
  get entries(): number {
    return this.#used;
  }

  /** Whether the same body was received within the window round `receivedAtNs`. */
  seen(hash: Uint8Array, receivedAtNs: bigint): boolean {
    const at = this.#find(wordsOf(hash));
    return at !== undefined && Math.abs(this.#times[at] - toMs(receivedAtNs)) <= windowMs;
  }

  /** Remembers a durable body. Known already, it takes the later LSN's time. */
  add(hash: Uint8Array, receivedAtNs: bigint, lsn: number): void {
    const words = wordsOf(hash);
    const timeMs = toMs(receivedAtNs);
    const known = this.#find(words);
    if (known !== undefined) {
      if (lsn < this.#lsns[known]) return;
      this.#times[known] = NaN; // the entry moves to the young end, so that it is forgotten in its turn
      this.#unlink(known);
    }
    this.#forget(timeMs, lsn);
    if (this.#used === this.#times.length) this.#makeRoom();
    const at = (this.#oldest + this.#used++) & (this.#times.length - 1);
    this.#hashes.set(words, at * 4);
    this.#times[at] = timeMs;
    this.#lsns[at] = lsn;
    this.#link(at);
  }

  /** Forgets a body that was refused after all. */
  remove(hash: Uint8Array): void {
    const at = this.#find(wordsOf(hash));
    if (at === undefined) return;
    this.#times[at] = NaN;
    this.#unlink(at);
  }

  #find(words: Uint32Array): number | undefined {
    const mask = this.#table.length - 1;
    if (mask < 0) return undefined;
    for (let slot = words[0] & mask; this.#table[slot] !== 0; slot = (slot + 1) & mask) {
      const at = this.#table[slot] - 1;
      if (this.#same(at, words)) return at;
    }
    return undefined;
  }

  #same(at: number, words: Uint32Array): boolean {
    const hashes = this.#hashes;
    const from = at * 4;
    return hashes[from] === words[0] && hashes[from + 1] === words[1] && hashes[from + 2] === words[2] &&
      hashes[from + 3] === words[3];
  }

  #link(at: number): void {
    const mask = this.#table.length - 1;
    let slot = this.#hashes[at * 4] & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    this.#table[slot] = at + 1;
  }

  /** Takes an entry out of the table, closing the gap in its run of slots (Knuth, volume 3, 6.4, algorithm R). */
  #unlink(at: number): void {
    const table = this.#table;
    const mask = table.length - 1;
    let hole = this.#hashes[at * 4] & mask;
    while (table[hole] !== at + 1) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; table[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#hashes[(table[slot] - 1) * 4] & mask;
      const staysReachable = ((slot - home) & mask) < ((slot - hole) & mask);
      if (staysReachable) continue;
      table[hole] = table[slot];
      hole = slot;
    }
    table[hole] = 0;
  }

  /**
   * Lets go of removed entries at the old end, and of those outside the window round a later request. An earlier
   * one forgets nothing: a recovery adds the hashes of freed files before the records of files that are older.
   */
  #forget(timeMs: number, lsn: number): void {
    while (this.#used > 0) {
      const time = this.#times[this.#oldest];
      const isNeeded = Math.abs(time - timeMs) <= windowMs || this.#lsns[this.#oldest] > lsn;
      if (isNeeded && !Number.isNaN(time)) return;
      this.#dropOldest();
    }
  }

  #dropOldest(): void {
    if (!Number.isNaN(this.#times[this.#oldest])) this.#unlink(this.#oldest);
    this.#oldest = (this.#oldest + 1) & (this.#times.length - 1);
    this.#used--;
  }

  #makeRoom(): void {
    if (this.#times.length === this.#entriesMax) return this.#dropOldest();
    const capacity = Math.max(entriesMin, this.#times.length * 2);
    const hashes = new Uint32Array(capacity * 4);
    const times = new Float64Array(capacity);
    const lsns = new Float64Array(capacity);
    let kept = 0;
    for (let index = 0; index < this.#used; index++) {
      const at = (this.#oldest + index) & (this.#times.length - 1);
      if (Number.isNaN(this.#times[at])) continue;
      hashes.set(this.#hashes.subarray(at * 4, at * 4 + 4), kept * 4);
      times[kept] = this.#times[at];
      lsns[kept++] = this.#lsns[at];
    }
    this.#hashes = hashes;
    this.#times = times;
    this.#lsns = lsns;
    this.#table = new Int32Array(capacity * 2);
    this.#oldest = 0;
    this.#used = kept;
    for (let at = 0; at < kept; at++) this.#link(at);
  }
}

const textEncoder = new TextEncoder();
const entriesMin = 1_024;
const windowMs = Number(dedupWindowNs / 1_000_000n);

/** Whole milliseconds: exact in a double, and the same live and in a replay. */
function toMs(timeNs: bigint): number {
  return Number(timeNs / 1_000_000n);
}

function wordsOf(hash: Uint8Array): Uint32Array {
  const view = new DataView(hash.buffer, hash.byteOffset, 16);
  return Uint32Array.of(
    view.getUint32(0, true),
    view.getUint32(4, true),
    view.getUint32(8, true),
    view.getUint32(12, true),
  );
}
