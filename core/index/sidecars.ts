/**
 * The index files of a data folder, as queries use them: opened when first asked, kept open within a bound of
 * memory, and closed when their segment goes, for an open file holds its disk space.
 *
 * Files are read synchronously (file.ts): a question is answered in one turn, whatever it is about.
 *
 * An index that is missing or cannot be read costs time and never an answer: its segment is scanned. It is noted, so
 * that it is not tried at each query, and `doctor` and the janitor can tell of it.
 */
import type { Log } from "../env/log.ts";
import { toOpenWitError } from "../error.ts";
import type { BlockSet } from "./blocks.ts";
import { answer } from "./evaluate.ts";
import type { IndexFiles } from "./file.ts";
import { indexPath } from "./format.ts";
import type { BlockTimes, IndexedSegment, StoreIndexes } from "./indexes.ts";
import type { IndexPredicate } from "./predicate.ts";
import { type Asked, type Question, questionOf } from "./question.ts";
import { bucketRoom, Sidecar } from "./sidecar.ts";

export interface SidecarOptions {
  /** Memory that open indexes may keep. */
  readonly memoryBytesMax: number;
  /** Files that may be open. */
  readonly filesMax: number;
}

export const defaultSidecarOptions: SidecarOptions = { memoryBytesMax: 16 * 1024 * 1024, filesMax: 4_096 };

/** Of each bound this much is kept when it was passed: closing files one by one would look at all of them each time. */
const keptShare = 7 / 8;

interface Entry {
  readonly index: Sidecar;
  /** When it was last used, in uses of all. */
  usedAt: number;
  /** Memory that it was last seen to keep. */
  bytes: number;
}

export class SidecarIndexes implements StoreIndexes {
  /** By segment id. */
  readonly #entries = new Map<string, Entry>();
  readonly #unusable = new Map<string, string>();
  readonly #room = bucketRoom();
  /** Memory of all entries. */
  #bytes = 0;
  #uses = 0;

  constructor(
    readonly files: IndexFiles,
    readonly log: Log,
    readonly options: SidecarOptions = defaultSidecarOptions,
  ) {}

  get unusable(): ReadonlyMap<string, string> {
    return this.#unusable;
  }

  async candidatesOf(
    segments: readonly IndexedSegment[],
    predicate: IndexPredicate,
  ): Promise<(BlockSet | undefined)[]> {
    const questionFor = questions(predicate);
    const failures: Failures = [];
    const found = segments.map((segment) =>
      this.#use(segment, failures, (index) => answer(index, questionFor(index.header)))
    );
    this.#tell(failures);
    return found;
  }

  async blockTimes(segment: IndexedSegment): Promise<BlockTimes | undefined> {
    const failures: Failures = [];
    const times = this.#use(segment, failures, (index) => index.times());
    this.#tell(failures);
    return times;
  }

  forget(id: string): void {
    this.#unusable.delete(id);
    this.#drop(id);
  }

  /** Closes all files. */
  close(): void {
    for (const id of [...this.#entries.keys()]) this.#drop(id);
  }

  #use<Result>(
    segment: IndexedSegment,
    failures: Failures,
    ask: (index: Sidecar) => Result,
  ): Result | undefined {
    let entry = this.#entries.get(segment.id);
    if (entry === undefined) {
      // A reader's own scratch segments lie outside the data folder, and have none.
      if (this.#unusable.has(segment.id) || segment.path.startsWith("/")) return undefined;
      entry = this.#open(segment);
      if (entry === undefined) return undefined;
    }
    entry.usedAt = ++this.#uses;
    try {
      const result = ask(entry.index);
      const bytes = entry.index.memoryBytes;
      if (bytes !== entry.bytes) this.#count(entry, bytes);
      return result;
    } catch (thrown) {
      if (isOfFile(thrown)) this.#giveUp(segment, thrown);
      else failures.push({ segment, thrown });
      return undefined;
    }
  }

  #open(segment: IndexedSegment): Entry | undefined {
    const path = indexPath(segment.path);
    try {
      const index = Sidecar.open(this.files.open(path), path, segment, this.#room);
      const entry = { index, usedAt: 0, bytes: 0 };
      this.#entries.set(segment.id, entry);
      entry.usedAt = ++this.#uses;
      this.#count(entry, index.memoryBytes);
      return entry;
    } catch (thrown) {
      this.#giveUp(segment, thrown);
      return undefined;
    }
  }

  #count(entry: Entry, bytes: number): void {
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    const { filesMax, memoryBytesMax } = this.options;
    if (this.#entries.size > filesMax || this.#bytes > memoryBytesMax) this.#trim();
  }

  /** Closes what was used longest ago. The one used last stays, for it is in use. */
  #trim(): void {
    const files = this.options.filesMax * keptShare, bytes = this.options.memoryBytesMax * keptShare;
    const byUse = [...this.#entries].sort(([, left], [, right]) => left.usedAt - right.usedAt);
    for (const [id] of byUse.slice(0, -1)) {
      if (this.#entries.size <= files && this.#bytes <= bytes) return;
      this.#drop(id);
    }
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
    entry.index.close();
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

  /** Told once a question, for it is as likely the question that is at fault as the file. */
  #tell(failures: Failures): void {
    if (failures.length === 0) return;
    const [{ segment, thrown }] = failures;
    this.log("error", "looking into indexes failed; the segments are scanned for this statement", {
      segments: failures.length,
      path: indexPath(segment.path),
      error: toOpenWitError(thrown),
    });
  }
}

/** A predicate as each kind of file is asked for it: of one signal, but for files of an older format beside others. */
function questions(predicate: IndexPredicate): (file: Asked) => Question {
  const known: { readonly of: Asked; readonly question: Question }[] = [];
  return (file) => {
    for (const { of, question } of known) {
      if (of.signal === file.signal && of.formatVersion === file.formatVersion) return question;
    }
    const question = questionOf(predicate, file);
    known.push({ of: file, question });
    return question;
  };
}

/** Looks into files that failed for another reason than the files, which stay in use. */
type Failures = { readonly segment: IndexedSegment; readonly thrown: unknown }[];

/** Whether it is the file that cannot be used; anything else is a fault of ours in answering. */
function isOfFile(thrown: unknown): boolean {
  return ["corrupt", "unsupported", "not_found", "io"].includes(toOpenWitError(thrown).code);
}
