/** Who is told of rows as they become visible: live tails, by stream. */
import type { Chunk } from "../model/chunk.ts";

/** Rows [fromRow, endRow) of a chunk that just became visible. */
export type RowsListener = (chunk: Chunk, fromRow: number, endRow: number) => void;

export class Followers {
  readonly #of = new Map<string, Set<RowsListener>>();

  /** @returns ends it */
  add(stream: string, listener: RowsListener): () => void {
    const listeners = this.#of.get(stream) ?? new Set();
    listeners.add(listener);
    this.#of.set(stream, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#of.get(stream) === listeners) this.#of.delete(stream);
    };
  }

  tell(stream: string, chunk: Chunk, fromRow: number, endRow: number): void {
    for (const listener of this.#of.get(stream) ?? []) listener(chunk, fromRow, endRow);
  }
}
