/**
 * The buffers in which batches travel to the encoder's thread, used again when they come back.
 *
 * A fresh buffer costs the server's thread a page fault for every 4 KiB that it copies there, 2 to 5 ms a batch, and
 * both threads a collection now and then; one that was filled before costs neither.
 *
 * Invariant: at most two batches are between the threads (one is encoded, one waits for the rest of its row group), so that
 * is the most that lies here, and it goes with the thread.
 */

/** Buffers above this are for rows too large to come often. */
export const spareBytesMax = 12 * 1024 * 1024;

/** Sizes are rounded up to this, so that the next batch fits although it is a little larger. */
const stepBytes = 1024 * 1024;

const sparesMax = 2;

export class SpareBuffers {
  readonly #idle: ArrayBuffer[] = [];
  #made = 0;

  /** Buffers that there were none for to take. */
  get made(): number {
    return this.#made;
  }

  /** A buffer of at least `bytes`, with anything in it. */
  take(bytes: number): ArrayBuffer {
    const index = this.#idle.findIndex((buffer) => buffer.byteLength >= bytes);
    if (index >= 0) return this.#idle.splice(index, 1)[0];
    this.#idle.shift(); // it is too small for what comes now, and a larger one takes its place
    this.#made++;
    return new ArrayBuffer(Math.ceil(bytes / stepBytes) * stepBytes);
  }

  /** Takes a buffer that nobody reads any more. */
  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength <= spareBytesMax && this.#idle.length < sparesMax) this.#idle.push(buffer);
  }
}
