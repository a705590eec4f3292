/**
 * The index files of a data folder, as queries use them: opened when first asked, kept open within a bound of
 * memory, and closed when their segment goes, for an open file holds its disk space.
 *
 * An index that is missing or cannot be read costs time and never an answer: its segment is scanned. It is noted, so
 * that it is not tried at each query, and `doctor` and the janitor can tell of it.
 */
import type { Disk } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import { toOpenWitError } from "../error.ts";
import type { BlockSet } from "./blocks.ts";
import { evaluate } from "./evaluate.ts";
import { indexPath } from "./format.ts";
import type { BlockTimes, IndexedSegment, StoreIndexes } from "./indexes.ts";
import type { IndexPredicate } from "./predicate.ts";
import { Sidecar } from "./sidecar.ts";

export interface SidecarOptions {
  /** Memory that open indexes may keep. */
  readonly memoryBytesMax: number;
  /** Files that may be open. */
  readonly filesMax: number;
}

export const defaultSidecarOptions: SidecarOptions = { memoryBytesMax: 16 * 1024 * 1024, filesMax: 4_096 };

interface Entry {
  readonly index: Promise<Sidecar | undefined>;
  /** Look-ups under way: a file is not closed beneath them. */
  users: number;
  /** To be closed when the last of them is done. */
  isDropped: boolean;
  /** Memory that it was last seen to keep. */
  bytes: number;
}

export class SidecarIndexes implements StoreIndexes {
  /** By segment id; in order of last use. */
  readonly #entries = new Map<string, Entry>();
  readonly #unusable = new Map<string, string>();
  /** Memory of all entries. */
  #bytes = 0;

  constructor(
    readonly disk: Disk,
    readonly log: Log,
    readonly options: SidecarOptions = defaultSidecarOptions,
  ) {}

  get unusable(): ReadonlyMap<string, string> {
    return this.#unusable;
  }

  async candidates(segment: IndexedSegment, predicate: IndexPredicate): Promise<BlockSet | undefined> {
    return await this.#use(segment, (index) => evaluate(index, predicate));
  }

  async blockTimes(segment: IndexedSegment): Promise<BlockTimes | undefined> {
    return await this.#use(segment, (index) => index.times());
  }

  /** Names of the keys that the rows of a segment have; `undefined` when it has no index. */
  async fields(segment: IndexedSegment): Promise<readonly string[] | undefined> {
    return await this.#use(segment, (index) => index.fields());
  }

  forget(id: string): void {
    this.#unusable.delete(id);
    this.#drop(id);
  }

  /** Closes all files. */
  close(): void {
    for (const id of [...this.#entries.keys()]) this.#drop(id);
  }

  async #use<Result>(
    segment: IndexedSegment,
    ask: (index: Sidecar) => Promise<Result>,
  ): Promise<Result | undefined> {
    // A reader's own scratch segments lie outside the data folder, and have none.
    if (this.#unusable.has(segment.id) || segment.path.startsWith("/")) return undefined;
    const entry = this.#entry(segment);
    entry.users++;
    try {
      const index = await entry.index;
      if (index === undefined) return undefined;
      const answer = await ask(index);
      this.#count(entry, index.memoryBytes);
      return answer;
    } catch (thrown) {
      this.#giveUp(segment, thrown);
      return undefined;
    } finally {
      entry.users--;
      if (entry.isDropped && entry.users === 0) void closeEntry(entry);
      else this.#trim();
    }
  }

  #entry(segment: IndexedSegment): Entry {
    const known = this.#entries.get(segment.id);
    const entry = known ?? {
      index: Sidecar.open(this.disk, indexPath(segment.path), segment).catch((thrown) => {
        this.#giveUp(segment, thrown);
        return undefined;
      }),
      users: 0,
      isDropped: false,
      bytes: 0,
    };
    if (known !== undefined) this.#entries.delete(segment.id); // to come last
    this.#entries.set(segment.id, entry);
    return entry;
  }

  #count(entry: Entry, bytes: number): void {
    if (entry.isDropped) return;
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }

  #giveUp(segment: IndexedSegment, thrown: unknown): void {
    const error = toOpenWitError(thrown);
    const isMissing = error.code === "not_found";
    this.#drop(segment.id);
    // What the system would not do now, for want of file handles say, it may do the next time.
    if (error.code !== "io") this.#unusable.set(segment.id, isMissing ? "none" : error.message);
    if (isMissing) return;
    this.log("warn", "an index cannot be used; its segment is scanned until it is built again", {
      path: indexPath(segment.path),
      error,
    });
  }

  /** Closes what was used longest ago, until the bounds hold. */
  #trim(): void {
    const { filesMax, memoryBytesMax } = this.options;
    if (this.#entries.size <= filesMax && this.#bytes <= memoryBytesMax) return;
    for (const [id, entry] of this.#entries) {
      if (this.#entries.size <= filesMax && this.#bytes <= memoryBytesMax) return;
      if (entry.users === 0) this.#drop(id);
    }
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
    entry.isDropped = true;
    if (entry.users === 0) void closeEntry(entry);
  }
}

async function closeEntry({ index }: Entry): Promise<void> {
  await (await index)?.close();
}
