/** How much is in memory only, and since when: for status, metrics and health. */
import { type Signal, signals } from "../model/columns.ts";
import type { Memtable } from "./memtable.ts";

export interface MemtableStats {
  readonly signal: Signal;
  readonly tenants: number;
  readonly rows: number;
  /** Memory that they take. */
  readonly bytes: number;
  /** How long the oldest row has been there; 0 when there is none. */
  readonly oldestAgeMs: number;
}

/** @param nowMs monotonic */
export function memtableStats(memtables: readonly Memtable[], nowMs: number): MemtableStats[] {
  return signals.map((signal) => {
    const of = memtables.filter((memtable) => memtable.signal === signal && memtable.rows > 0);
    return {
      signal,
      tenants: new Set(of.map(({ tenant }) => tenant)).size,
      rows: of.reduce((sum, memtable) => sum + memtable.rows, 0),
      bytes: of.reduce((sum, memtable) => sum + memtable.bytes, 0),
      oldestAgeMs: Math.max(0, ...of.map(({ oldestMs }) => nowMs - (oldestMs ?? nowMs))),
    };
  });
}
