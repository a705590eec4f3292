/**
 * Chunks that were flushed, kept to be filled again.
 *
 * Growing fresh buffers to 30 MB means copying them at every doubling and a page fault for every 4 KiB, in the thread
 * that answers requests; a chunk that has its size already costs neither.
 */
import { Chunk } from "../model/chunk.ts";
import type { Signal } from "../model/columns.ts";

export class SpareChunks {
  readonly #chunks: Chunk[] = [];
  #idleTicks = 0;

  /** @param bytesMax memory of all spares together */
  constructor(private bytesMax: number) {}

  get bytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
  }

  /** An empty chunk of a signal. */
  take(signal: Signal): Chunk {
    this.#idleTicks = 0;
    const index = this.#chunks.findIndex((chunk) => chunk.signal === signal);
    return index < 0 ? new Chunk(signal) : this.#chunks.splice(index, 1)[0];
  }

  /** Takes a chunk that nobody reads or writes any more. */
  give(chunk: Chunk): void {
    if (this.bytes + chunk.bytes > this.bytesMax) return;
    chunk.clear();
    this.#chunks.push(chunk);
  }

  /** Sets another bound: a recovery fills and empties one chunk after another, a server keeps some for its peaks. */
  bound(bytesMax: number): void {
    this.bytesMax = bytesMax;
    while (this.bytes > bytesMax) this.#chunks.pop();
  }

  /** Called once a second: lets go of all when none was needed for half a minute. */
  tick(): void {
    if (++this.#idleTicks >= 30) this.release();
  }

  /** Lets go of all of them: memory is short. */
  release(): void {
    this.#chunks.length = 0;
  }
}
