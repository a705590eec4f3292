/**
 * A few large buffers that bodies are read into, used again and again.
 *
 * A fresh buffer costs the kernel a page fault for every 4 KiB first written to, and the collector a walk when it is
 * dropped: at 60,000 records a second that was a tenth of the server's time.
 *
 * Invariant: whoever gives a buffer back reads and writes it no more.
 */

/** Bytes of each; bodies of exporters' usual batches fit. */
export const pooledBytes = 1024 * 1024;

/** Buffers that are kept when nobody uses them. */
const idleMax = 8;

export class BufferPool {
  readonly #idle: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#idle.pop() ?? new Uint8Array(pooledBytes);
  }

  give(buffer: Uint8Array): void {
    if (buffer.length === pooledBytes && this.#idle.length < idleMax) this.#idle.push(buffer);
  }
}
