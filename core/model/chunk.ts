/**
 * Rows of one signal in columns: what decoding fills, the memtable holds, a query reads and a flush encodes.
 *
 * Invariant: between requests every column has `rows` values. A request that fails half-way is undone by
 * `truncate`, which also makes the columns even again.
 */
import { columnsOf, type Signal } from "./columns.ts";
import type { Room } from "./room.ts";
import {
  appendValue,
  clearVector,
  freeVector,
  newVector,
  reserve,
  roomOf,
  type Vector,
  vectorBytes,
  vectorUsedBytes,
} from "./vector.ts";

export class Chunk {
  /** One for each column of the signal's table, in its order. */
  readonly vectors: readonly Vector[];
  rows = 0;

  /** @param room what another chunk of the signal held: this one need not grow to it */
  constructor(readonly signal: Signal, room?: readonly Room[]) {
    this.vectors = columnsOf[signal].map((column) => newVector(column.type));
    if (room !== undefined) this.vectors.forEach((vector, column) => reserve(vector, room[column]));
  }

  /** How much each column holds. */
  get room(): readonly Room[] {
    return this.vectors.map(roomOf);
  }

  /** Gives the memory back at once: nobody may read it, or write it, from then on. */
  free(): void {
    this.vectors.forEach(freeVector);
  }

  /** Cuts back to the first `rows` rows. */
  truncate(rows: number): void {
    // Also where the length is right already: a map or a list may hold entries of a row that was not ended.
    for (const vector of this.vectors) if (vector.length >= rows) vector.truncate(rows);
    this.rows = rows;
  }

  /** Copies a row of another chunk of the same signal. */
  appendRow(source: Chunk, row: number): void {
    for (let column = 0; column < this.vectors.length; column++) {
      appendValue(this.vectors[column], source.vectors[column], row);
    }
    this.rows++;
  }

  /** Forgets all rows and keeps the buffers. Nobody may be reading: rows to come are written over the old ones. */
  clear(): void {
    for (const vector of this.vectors) clearVector(vector);
    this.rows = 0;
  }

  /** Bytes of the rows themselves: less than `bytes`, whose buffers have room left. */
  get usedBytes(): number {
    return this.vectors.reduce((sum, vector) => sum + vectorUsedBytes(vector), 0);
  }

  /** Memory that the columns take, in bytes. */
  get bytes(): number {
    return this.vectors.reduce((sum, vector) => sum + vectorBytes(vector), 0);
  }
}
