/**
 * The sealed files of the WAL, from the moment no more is written to them until they are freed, and the sidecars
 * that keep the hashes of the youngest of them.
 */
import type { Clock } from "../env/clock.ts";
import type { Disk } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import type { Signal } from "../model/columns.ts";
import { dedupWindowNs } from "./dedup.ts";
import type { WalFile } from "./file.ts";
import { compareWalNames, walFolder, type WalName, walPath } from "./format.ts";
import type { WalReport } from "./recovery.ts";
import { type SeenHashes, writeSeen } from "./seen.ts";

export interface FreedFiles {
  readonly files: number;
  readonly bytes: number;
}

export class WalShelf {
  /** Oldest first. */
  #files: WalFile[];
  readonly #sidecars: Map<string, SeenHashes>;
  /** Names that lie, or may lie, on disk, by path: not to be given to another file. */
  readonly #taken: Map<string, WalName>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly env: { readonly disk: Disk; readonly clock: Clock; readonly log: Log },
    existing: Pick<WalReport, "files" | "seen">,
  ) {
    this.#files = [...existing.files];
    this.#sidecars = new Map(existing.seen);
    this.#taken = new Map(existing.files.map((file) => [file.path, file.name]));
  }

  get files(): number {
    return this.#files.length;
  }

  get bytes(): number {
    return this.#files.reduce((sum, file) => sum + file.bytes, 0);
  }

  /** A name for a new file that begins with `firstLsn` and comes after all others. */
  takeName(firstLsn: number): WalName {
    const attempts = [...this.#taken.values()].filter((each) => each.firstLsn === firstLsn).map((each) =>
      each.attempt
    );
    const attempt = Math.max(-1, ...attempts) + 1;
    const name = { firstLsn, attempt };
    this.#taken.set(walPath(name), name);
    return name;
  }

  put(file: WalFile): void {
    this.#files.push(file);
    this.#files.sort((a, b) => compareWalNames(a.name, b.name));
  }

  /** Removes a file that holds nothing, or keeps it like the others when even that fails. */
  async discard(file: WalFile): Promise<void> {
    const { disk, log } = this.env;
    try {
      await disk.remove(file.path);
      await disk.syncDir(walFolder);
      this.#taken.delete(file.path);
    } catch (error) {
      log("warn", "an empty WAL file could not be removed; it goes when the next ones are freed", {
        path: file.path,
        error,
      });
      this.put(file);
    }
  }

  /** See `Wal.free`. */
  free(watermarkOf: (tenant: string, signal: Signal) => number): Promise<FreedFiles> {
    const run = this.#last.then(() => this.#free(watermarkOf));
    this.#last = run.catch(() => {}); // the caller gets the error; the next call tries again
    return run;
  }

  /** Resolves when no freeing is under way. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #free(watermarkOf: (tenant: string, signal: Signal) => number): Promise<FreedFiles> {
    const { disk, clock } = this.env;
    const freed: WalFile[] = [];
    for (const file of [...this.#files]) {
      if (!file.isFlushed(watermarkOf)) {
        if (file.hasLeftover) break; // the files after it supersede its end, and must outlive it
        continue;
      }
      await this.#keepHashes(file, clock.nowNs() - dedupWindowNs);
      await disk.remove(file.path);
      // The files after it must not be gone for good before it is.
      if (file.hasLeftover) await disk.syncDir(walFolder);
      this.#files = this.#files.filter((each) => each !== file);
      freed.push(file);
    }
    const removed = await this.#removeSidecars(clock.nowNs());
    if (freed.length + removed > 0) await disk.syncDir(walFolder);
    for (const file of freed) this.#taken.delete(file.path);
    return { files: freed.length, bytes: freed.reduce((sum, file) => sum + file.bytes, 0) };
  }

  /**
   * Before a file goes, its hashes are durable elsewhere: a body sent again after a restart would be stored twice.
   * When they cannot be written the file stays and is tried again, until the window has passed and they are not
   * needed any more: a full disk delays its going by ten minutes at most.
   * @throws OpenWitError `io`, `disk_full`
   */
  async #keepHashes(file: WalFile, sinceNs: bigint): Promise<void> {
    if (file.seen.newestNs < sinceNs) return;
    const path = walPath(file.name, "seen");
    const kept = await writeSeen(this.env.disk, path, file.seen, sinceNs);
    if (kept !== undefined) this.#sidecars.set(path, kept);
  }

  async #removeSidecars(nowNs: bigint): Promise<number> {
    let removed = 0;
    for (const [path, { oldestNs, newestNs }] of this.#sidecars) {
      if (newestNs >= nowNs - dedupWindowNs && oldestNs <= nowNs + dedupWindowNs) continue;
      await this.env.disk.remove(path);
      this.#sidecars.delete(path);
      removed++;
    }
    return removed;
  }
}
