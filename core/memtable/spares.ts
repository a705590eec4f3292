/**
 * Chunks that were flushed, kept to be filled again.
 *
 * Growing fresh buffers to 30 MB means copying them at every doubling and a page fault for every 4 KiB, in the thread
 * that answers requests; a chunk that has its size already costs neither. One that is not kept is freed at once.
 */
import { Chunk } from "../model/chunk.ts";
import type { Signal } from "../model/columns.ts";
import type { Room } from "../model/room.ts";

/** Seconds. */
const ticksKept = 30;

export class SpareChunks {
  readonly #chunks: Chunk[] = [];
  #idleTicks = 0;
  /** Ticks until some are kept again: a box that was short of memory will be so again in a moment. */
  #shortTicks = 0;

  /** @param bytesMax memory of all spares together */
  constructor(private bytesMax: number) {}

  get bytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
  }

  /** An empty chunk of a signal. @param room what it will hold, as far as that is known */
  take(signal: Signal, room: readonly Room[] | undefined): Chunk {
    this.#idleTicks = 0;
    const index = this.#chunks.findIndex((chunk) => chunk.signal === signal);
    return index < 0 ? new Chunk(signal, room) : this.#chunks.splice(index, 1)[0];
  }

  /** Takes a chunk that nobody reads or writes any more. */
  give(chunk: Chunk): void {
    if (this.#shortTicks > 0 || this.bytes + chunk.bytes > this.bytesMax) return chunk.free();
    chunk.clear();
    this.#chunks.push(chunk);
  }

  /** Sets another bound: a recovery fills and empties one chunk after another, a server keeps some for its peaks. */
  bound(bytesMax: number): void {
    this.bytesMax = bytesMax;
    while (this.bytes > bytesMax) this.#chunks.pop()!.free();
  }

  /** Called once a second: lets go of all when none was needed for half a minute. */
  tick(): void {
    this.#shortTicks = Math.max(0, this.#shortTicks - 1);
    if (++this.#idleTicks >= ticksKept) this.#freeAll();
  }

  /** Memory is short: lets go of all of them, and keeps none for a while. */
  release(): void {
    this.#shortTicks = ticksKept;
    this.#freeAll();
  }

  #freeAll(): void {
    for (const chunk of this.#chunks.splice(0)) chunk.free();
  }
}
