/**
 * What is known of a WAL file without reading it: which streams it holds up to which LSN, so that freeing it is a
 * few comparisons.
 */
import type { Signal } from "../model/columns.ts";
import { type WalName, walPath, type WalRecord } from "./format.ts";
import { SeenHashes } from "./seen.ts";

export class WalFile {
  readonly path: string;
  /** Length on disk. */
  bytes = 0;
  records = 0;
  /** Greatest LSN; one below the file's first when it holds none. */
  lastLsn: number;
  readonly seen = new SeenHashes();
  /**
   * Whether bytes of requests that were never acknowledged may lie behind its last record. A later file supersedes
   * them, and may not be freed before this one: they would come back to life.
   */
  hasLeftover = false;
  readonly #streams = new Map<string, { tenant: string; signal: Signal; lsn: number }>();

  constructor(readonly name: WalName) {
    this.path = walPath(name);
    this.lastLsn = name.firstLsn - 1;
  }

  /** Notes a record that the file holds. */
  note({ lsn, tenant, signal, hash, receivedAtNs }: WalRecord): void {
    this.records++;
    this.lastLsn = lsn;
    this.seen.add(hash, receivedAtNs, lsn);
    const key = `${tenant}/${signal}`;
    const stream = this.#streams.get(key);
    if (stream === undefined) this.#streams.set(key, { tenant, signal, lsn });
    else stream.lsn = lsn;
  }

  /** Whether every record is at or below its stream's watermark. */
  isFlushed(watermarkOf: (tenant: string, signal: Signal) => number): boolean {
    for (const { tenant, signal, lsn } of this.#streams.values()) {
      if (lsn > watermarkOf(tenant, signal)) return false;
    }
    return true;
  }
}
