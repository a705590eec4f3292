/**
 * What each mention of a table reads: which files, which blocks of them, or which rows.
 *
 * Files go by tenant (the caller pins no others), by time, and by index. What is left is read in one of four ways:
 * - `scan`: files whole; - `blocks`: of each file the blocks that the index leaves;
 * - `rows`: rows that a statement of its own found first, by few columns of these blocks (find.ts);
 * - `newest`: rows of the newest slice of time that holds enough of them (newest.ts).
 *
 * Rows of memory go by time and by the same conditions (memory_rows.ts). Invariant: whatever is left out has no part in
 * the answer. A file without index is always read.
 */
import { BlockSet } from "../index/blocks.ts";
import type { IndexedSegment, SegmentIndexes } from "../index/indexes.ts";
import type { IndexPredicate } from "../index/predicate.ts";
import { OpenWitError } from "../error.ts";
import type { Clock } from "../env/clock.ts";
import { blockRows } from "../segment/encoder.ts";
import { intersection, pruneFiles, type TimeRange } from "./bounds.ts";
import type { EngineTable, FileRead, SqlEngine } from "./engine.ts";
import type { FoundRow } from "./find.ts";
import { withKnownTimes } from "./known_times.ts";
import { chosenFrom, narrowedChunks, seesNewest } from "./memory_rows.ts";
import type { Mention } from "./mentions.ts";
import { neededColumns, type OwnConditions, ownConditions } from "./needs.ts";
import { nearestFirst, type Newest, newestOf, type Piece, slicesOf, type UnopenedFile } from "./newest.ts";
import { LookUpPace } from "./pace.ts";
import { predicateOf } from "./predicates.ts";
import type { PreparedMention } from "./prepare.ts";
import { blocksRead, encodedBytes, exactReads, filesOf, numbersOf, rowsIn } from "./reads.ts";
import { type FindSource, RowFinder } from "./row_finder.ts";
import type { RowReader, RowsRead } from "./row_reader.ts";
import { type SourceChunk, type SourceFile, type TableSource, totalsOf } from "./sources.ts";
import { blockScanMs, isWorthRanges } from "./worth.ts";

export interface PlanEnv {
  readonly engine: SqlEngine;
  readonly clock: Clock;
  /** Absent where there are none. */
  readonly indexes?: SegmentIndexes;
  /** Absent where the engine alone reads rows. */
  readonly rowReader?: RowReader;
  readonly tenant: string;
  /** Rows outside of it do not exist for the statement. */
  readonly window?: TimeRange;
  readonly signal: AbortSignal;
}

/** How a mention is read, and what that spares. */
export interface MentionPlan {
  readonly mention: Mention;
  readonly range: TimeRange;
  readonly predicate: IndexPredicate;
  readonly method: "scan" | "blocks" | "rows" | "newest";
  readonly table: EngineTable;
  readonly files: FileCounts;
  readonly blocks: { readonly considered: number; readonly read: number };
  /** Rows that were found before the statement ran; absent where none were looked for. */
  readonly rowsFound?: number;
  /** How they were found; absent likewise. */
  readonly foundBy?: "pages" | "engine";
  /** Rows that were read from their pages before the statement ran, which reads no file then; absent where none were. */
  readonly fetched?: { readonly rows: number; readonly inflatedBytes: number };
  /** Rows in memory, and those of them that the statement reads. */
  readonly memtable: { readonly considered: number; readonly read: number };
  /** Bytes that these blocks have in their files, all columns of them: an estimate of the most that is read. */
  readonly bytes: number;
  /** Time that the indexes took, the search for rows, and reading them. */
  readonly indexMs: number;
  readonly findMs: number;
  readonly fetchMs: number;
}

export interface FileCounts {
  readonly considered: number;
  readonly outsideTime: number;
  readonly excludedByIndex: number;
  readonly withoutIndex: number;
  /** Beyond the slice of time that held enough rows. */
  readonly notReached: number;
  readonly whole: number;
  readonly inPart: number;
}

/** Plans the reading of one mention. @throws OpenWitError */
export async function planMention(
  prepared: PreparedMention,
  source: TableSource,
  env: PlanEnv,
): Promise<MentionPlan> {
  return await new Planning(prepared, source, env).plan();
}

/** A file of the mention's time, and what its index leaves of it. */
interface Candidate {
  readonly file: SourceFile;
  readonly blockCount: number;
  /** `undefined` when it has no index. */
  readonly blocks: BlockSet | undefined;
}

class Planning {
  readonly mention: Mention;
  readonly range: TimeRange;
  readonly #predicate: IndexPredicate;
  readonly #own: OwnConditions;
  readonly #needs: ReadonlySet<string> | undefined;
  /** Rows of memory that can be wanted. */
  readonly #chunks: readonly SourceChunk[];
  readonly #seesNewest: boolean;
  /** Files of the mention's time. */
  readonly #files: readonly SourceFile[];
  /** By the positions of their files; as far as they were looked up. */
  readonly #candidates: (Candidate | undefined)[] = [];
  #indexMs = 0;
  #findMs = 0;
  #fetchMs = 0;

  constructor(
    readonly prepared: PreparedMention,
    readonly source: TableSource,
    readonly env: PlanEnv,
  ) {
    const { mention, range } = prepared;
    this.mention = mention;
    this.range = range;
    this.#predicate = predicateOf(mention);
    this.#own = ownConditions(mention);
    this.#needs = neededColumns(mention);
    const times = intersection(range, env.window);
    this.#files = pruneFiles(source.files, times);
    const wanted = { range: times, predicate: this.#predicate, columns: this.#needs };
    this.#chunks = narrowedChunks(source.chunks, wanted);
    this.#seesNewest = seesNewest(source.chunks, times);
  }

  async plan(): Promise<MentionPlan> {
    const newest = newestOf(this.mention, this.#own);
    const slice = newest === undefined
      ? undefined
      : await this.#unlessRefused(() => this.#planNewest(newest));
    if (slice !== undefined) return slice;
    const candidates = await this.#allCandidates();
    const blockMs = blockScanMs(this.mention.signal, this.#needs);
    const reads = candidates.map((each) => readOf(each, blockMs)).filter((read) => read !== undefined);
    return await this.#unlessRefused(() => this.#planRows(candidates, reads)) ??
      this.#result(reads.some(({ rows }) => rows !== undefined) ? "blocks" : "scan", reads, candidates, {});
  }

  /** A condition that fails in a search may not even be reached in the statement, which is to say so if it is. */
  async #unlessRefused(plan: () => Promise<MentionPlan | undefined>): Promise<MentionPlan | undefined> {
    try {
      return await plan();
    } catch (error) {
      if (error instanceof OpenWitError && error.code === "invalid_argument") return undefined;
      throw error;
    }
  }

  /** What the index leaves of each file. */
  async #allCandidates(): Promise<Candidate[]> {
    const files = this.#files.map((_, at) => at).filter((at) => this.#candidates[at] === undefined);
    const pace = new LookUpPace(lookUpsAtFirst);
    for (let at = 0; at < files.length;) {
      this.env.signal.throwIfAborted();
      at += await this.#timed("index", () => this.#lookUp(files, at, pace));
    }
    return this.#files.map((_, at) => this.#candidates[at]!);
  }

  /** Asks the indexes of these files, from a place on. Returns of how many. */
  async #lookUp(positions: readonly number[], from: number, pace: LookUpPace): Promise<number> {
    const { indexes, clock } = this.env;
    const startedMs = clock.monotonicMs();
    const files = positions.slice(from, from + pace.count);
    const isAsked = this.#predicate.kind !== "all" && indexes !== undefined;
    const asked = isAsked ? files.filter((at) => this.#files[at].id !== undefined) : [];
    const found = asked.length === 0 ? [] : await indexes!.candidatesOf(
      asked.map((at) => this.#segmentOf(this.#files[at])!),
      this.#predicate,
      this.#seesNewest,
    );
    const blocks = new Map(asked.map((at, place) => [at, found[place]]));
    for (const at of files) {
      const file = this.#files[at];
      this.#candidates[at] = {
        file,
        blockCount: Math.ceil(file.rows / blockRows),
        blocks: blocks.get(at),
      };
    }
    pace.took(clock.monotonicMs() - startedMs);
    return files.length;
  }

  #segmentOf({ id, path, rows }: SourceFile): IndexedSegment | undefined {
    return id === undefined ? undefined : { id, path, rows, signal: this.mention.signal };
  }

  /** Looks for the rows first, where many blocks are left for what may be few rows of many columns. */
  async #planRows(
    candidates: readonly Candidate[],
    reads: readonly FileRead[],
  ): Promise<MentionPlan | undefined> {
    const own = this.#own;
    const isWide = this.#needs === undefined || [...this.#needs].some((name) => !own.columns.has(name));
    const blocks = blocksRead(reads, this.#files);
    const isFew = blocks > 0 && blocks <= findShareMax * blocksOf(candidates);
    if (own.conditions.length === 0 || !isFew) return undefined;
    const finder = new RowFinder(this.prepared, own, undefined, this.env);
    const source = { files: reads, chunks: [], window: this.env.window };
    const found = await this.#timed("find", async () => {
      if (isWide && blocks >= findBlocksMin) return await finder.find(source, foundRowsMax + 1, this.#rowsOf);
      return blocks < findBlocksMin || blocks <= textBlocksMax && finder.looksIntoTexts
        ? await finder.findOnPages(source, foundRowsMax + 1, this.#rowsOf)
        : undefined;
    });
    if (found === undefined || found.length > foundRowsMax) return undefined;
    const exact = exactReads(reads.map(({ path }) => path), found);
    return this.#result("rows", exact, candidates, {
      blocks,
      rowsFound: found.length,
      foundBy: finder.foundBy,
      fetched: await this.#readRows(exact),
    });
  }

  /** Widens a slice of time from its newest end until it holds as many rows as are wanted. */
  async #planNewest({ count, isDescending }: Newest): Promise<MentionPlan | undefined> {
    const chunks = this.#chunks;
    const files = this.#files;
    if (
      files.length === 0 && chunks.length === 0 ||
      files.some(({ minTimeNs, maxTimeNs }) => minTimeNs === undefined || maxTimeNs === undefined)
    ) {
      return undefined;
    }
    const key = (timeNs: bigint) => isDescending ? timeNs : -timeNs;
    const byKey = (left: FoundRow, right: FoundRow) => key(left.timeNs) > key(right.timeNs) ? -1 : 1;
    const finder = new RowFinder(this.prepared, this.#own, isDescending, this.env);
    const find = (source: FindSource) =>
      this.#timed("find", () => finder.find(source, rowsMax, this.#rowsOf));
    const rowsMax = count + tiesMax;
    const inMemory = chunks.length === 0 ? [] : await find({ files: [], chunks, window: this.env.window });
    const isPlaced = finder.foundBy === "pages";
    const found = [...inMemory];
    const visited = new Map<number, Set<number | undefined>>();
    const pieces: Piece[] = [];
    let bound: bigint | undefined, isCut = false;
    const range = intersection(this.range, this.env.window);
    const opened: Candidate[] = [];
    const slices = slicesOf(this.#unopened(isDescending, opened), isDescending, range);
    for await (const slice of slices) {
      this.env.signal.throwIfAborted();
      for (const piece of slice.pieces) {
        const blocks = visited.get(piece.file) ?? new Set();
        if (!blocks.has(piece.block)) pieces.push(piece);
        visited.set(piece.file, blocks.add(piece.block));
      }
      const window = intersection(slice.window, this.env.window);
      const reads = this.#readsOf(slice.pieces);
      const rows = slice.pieces.length === 0
        ? []
        : await find({ files: reads.map(({ read }) => read), chunks: [], window });
      found.push(...rows.map((row) => ({ ...row, file: reads[row.file].file })));
      found.sort(byKey);
      const end = isDescending ? slice.window.minNs : slice.window.maxNs;
      // Older rows of memory may have newer ones beside them in files that are not yet looked into.
      const complete = slice.isLast || end === undefined
        ? found.length
        : found.filter(({ timeNs }) => key(timeNs) >= key(end)).length;
      if (complete < count) continue;
      bound = found[count - 1].timeNs;
      isCut = rows.length === rowsMax && rows.at(-1)!.timeNs === bound;
      break;
    }
    const isWanted = ({ timeNs }: FoundRow) => bound === undefined || key(timeNs) >= key(bound);
    const kept = found.filter((row) => row.file >= 0 && isWanted(row));
    // Where memory may have more rows of the last time than were looked at, the statement looks for itself.
    const mayHaveMore = !isPlaced || inMemory.length === rowsMax && isWanted(inMemory[rowsMax - 1]);
    const reads = isCut
      ? this.#readsOf(pieces.filter((piece) => key(isDescending ? piece.maxNs : piece.minNs) >= key(bound!)))
        .map(({ read }) => read)
      : exactReads(files.map(({ path }) => path), kept);
    return this.#result("newest", reads, opened, {
      bound: bound === undefined ? {} : isDescending ? { minNs: bound } : { maxNs: bound },
      blocks: pieces.reduce(
        (sum, { file, block }) => sum + (block === undefined ? Math.ceil(files[file].rows / blockRows) : 1),
        0,
      ),
      rowsFound: kept.length,
      foundBy: finder.foundBy,
      chunks: mayHaveMore ? chunks : chosenFrom(chunks, inMemory.filter(isWanted), this.#needs),
      fetched: isCut ? undefined : await this.#readRows(reads),
    });
  }

  /** Rows that are known by number, where they are few and can be read beside the engine. */
  async #readRows(reads: readonly FileRead[]): Promise<RowsRead | undefined> {
    const { rowReader } = this.env;
    const count = reads.reduce((sum, { rows = [] }) => sum + rowsIn(rows), 0);
    if (rowReader === undefined || count === 0 || count > fetchedRowsMax) return undefined;
    const { signal } = this.mention;
    const files = reads.map(({ path, rows = [] }) => ({ path, rows: numbersOf(rows) }));
    const read = await this.#timed("fetch", () => rowReader.read({ signal, files, columns: this.#needs }));
    this.env.signal.throwIfAborted();
    return read;
  }

  /**
   * The files in the order in which slices of time come to them. Opening one asks the indexes of those after it as
   * well, for a search may go through hundreds.
   * @param opened gets those that were
   */
  #unopened(isDescending: boolean, opened: Candidate[]): UnopenedFile[] {
    const files = this.#files.map(({ minTimeNs, maxTimeNs, rows }, file): Piece => ({
      file,
      rows,
      minNs: minTimeNs!,
      maxNs: maxTimeNs!,
    })).sort(nearestFirst(isDescending));
    const inOrder = files.map(({ file }) => file);
    const pace = new LookUpPace(newestLookUpsAtFirst);
    return files.map((whole, place) => ({
      ...whole,
      open: () =>
        this.#timed("index", async () => {
          if (this.#candidates[whole.file] === undefined) await this.#lookUp(inOrder, place, pace);
          const candidate = this.#candidates[whole.file]!;
          opened.push(candidate);
          return await this.#piecesOf(whole, candidate);
        }),
    }));
  }

  async #piecesOf(whole: Piece, { file, blocks, blockCount }: Candidate): Promise<readonly Piece[]> {
    if (blocks?.isEmpty === true) return [];
    const segment = this.#segmentOf(file);
    const times = segment === undefined ? undefined : await this.env.indexes?.blockTimes(segment);
    if (times === undefined) return [whole];
    return [...blocks ?? BlockSet.all(blockCount)].map((block) => ({
      file: whole.file,
      block,
      rows: Math.min(blockRows, file.rows - block * blockRows),
      minNs: times.min[block],
      maxNs: times.max[block],
    }));
  }

  /** Reads of pieces, each with the position of its file. */
  #readsOf(pieces: readonly Piece[]): { readonly file: number; readonly read: FileRead }[] {
    const byFile = new Map<number, BlockSet | undefined>();
    for (const { file, block } of pieces) {
      const blocks = byFile.get(file) ?? new BlockSet(Math.ceil(this.#files[file].rows / blockRows));
      if (block !== undefined) blocks.add(block);
      byFile.set(file, block === undefined ? undefined : blocks);
    }
    return [...byFile].map(([file, blocks]) => {
      const { path, rows } = this.#files[file];
      const isWhole = blocks === undefined || blocks.size === blocks.count;
      return { file, read: isWhole ? { path } : { path, rows: blocks.rowRanges(rows) } };
    });
  }

  #rowsByPath: ReadonlyMap<string, number> | undefined;

  readonly #rowsOf = (path: string): number => {
    this.#rowsByPath ??= new Map(this.#files.map((file) => [file.path, file.rows]));
    return this.#rowsByPath.get(path)!;
  };

  async #timed<Result>(phase: "index" | "find" | "fetch", work: () => Promise<Result>): Promise<Result> {
    const startedMs = this.env.clock.monotonicMs();
    try {
      return await work();
    } finally {
      const ms = this.env.clock.monotonicMs() - startedMs;
      if (phase === "index") this.#indexMs += ms;
      else if (phase === "find") this.#findMs += ms;
      else this.#fetchMs += ms;
    }
  }

  async #result(
    method: MentionPlan["method"],
    reads: readonly FileRead[],
    candidates: readonly Candidate[],
    more: {
      readonly bound?: TimeRange;
      readonly blocks?: number;
      readonly rowsFound?: number;
      readonly foundBy?: MentionPlan["foundBy"];
      /** What is read of memory; absent is all that can be wanted. */
      readonly chunks?: readonly SourceChunk[];
      readonly fetched?: RowsRead;
    },
  ): Promise<MentionPlan> {
    const { mention, range, source, env } = this;
    const { name, signal } = mention;
    const { fetched, chunks = this.#chunks } = more;
    // A copy of rows has these alone: the engine is not to ask it for another, which it does where it needs none at all.
    const isCopied = chunks.some((each) => !source.chunks.includes(each));
    const read = fetched === undefined ? [] : [{ chunk: fetched.chunk, rows: fetched.chunk.rows }];
    const excluded = candidates.filter(({ blocks }) => blocks?.isEmpty === true).length;
    const isExact = more.rowsFound !== undefined;
    const use = { range, window: env.window, isBoundAlone: this.prepared.isTimeBoundAlone };
    return {
      mention,
      range,
      predicate: this.#predicate,
      method,
      table: {
        name,
        signal,
        files: fetched !== undefined
          ? []
          : isExact
          ? reads
          : withKnownTimes(reads, filesOf(reads, this.#files), use),
        chunks: [...chunks, ...read],
        conditions: isExact ? undefined : await this.prepared.conditions,
        columns: isCopied ? this.#needs : undefined,
        needed: this.#needs,
        window: more.bound === undefined ? env.window : intersection(more.bound, env.window),
      },
      files: {
        considered: source.files.length,
        outsideTime: source.files.length - this.#files.length,
        excludedByIndex: excluded,
        withoutIndex: this.#predicate.kind === "all"
          ? 0
          : candidates.filter(({ blocks }) => blocks === undefined).length,
        notReached: this.#files.length - candidates.length,
        whole: reads.filter(({ rows }) => rows === undefined).length,
        inPart: reads.filter(({ rows }) => rows !== undefined).length,
      },
      blocks: {
        considered: (source.totals ?? totalsOf(source.files)).blocks,
        read: more.blocks ?? blocksRead(reads, this.#files),
      },
      ...(more.rowsFound === undefined ? {} : { rowsFound: more.rowsFound }),
      ...(more.foundBy === undefined ? {} : { foundBy: more.foundBy }),
      ...(fetched === undefined
        ? {}
        : { fetched: { rows: fetched.chunk.rows, inflatedBytes: fetched.inflatedBytes } }),
      memtable: { considered: rowsOf(source.chunks), read: rowsOf(chunks) },
      bytes: encodedBytes(reads, this.#files),
      indexMs: this.#indexMs,
      findMs: this.#findMs,
      fetchMs: this.#fetchMs,
    };
  }
}

/** Indexes of the first question, which may be slow ones; of a search from the newest time on few are needed. */
const lookUpsAtFirst = 128, newestLookUpsAtFirst = 16;

/** Of a file with more of its blocks left than this, all are read: the ranges would cost more than they spare. */
const wholeShareMin = 0.5;

/**
 * A file of no more bytes is read whole when any of its blocks is left: it takes half a millisecond, a subquery for
 * ranges of its rows alone a whole one (24 hours of a metric: 64 ms by ranges, 12 whole).
 */
const wholeBytesMax = 512 * 1024;

/** A search for rows is a statement more, which fewer blocks than these are not worth. */
const findBlocksMin = 3;
/** A text that more blocks have is one of too many rows: a search for those would go before the statement in vain. */
const textBlocksMax = 256;
/** Where more of the blocks are left than this, the conditions are hardly those of few rows. */
const findShareMax = 0.5;
/** More rows than these are not fetched one by one. */
const foundRowsMax = 5_000;
/** Of more rows than these, some hundred stand in each row group, and the engine reads it whole as fast. */
const fetchedRowsMax = 4_096;

/** Rows beyond the wanted ones that are looked at, so that those of the same time as the last are all known. */
const tiesMax = 100;

/** What is read of a file; `undefined` when nothing is. @param blockMs that a block takes to scan */
function readOf({ file, blocks, blockCount }: Candidate, blockMs: number): FileRead | undefined {
  const { path, rows, bytes } = file;
  if (blocks?.isEmpty) return undefined;
  const isWhole = blocks === undefined || bytes <= wholeBytesMax ||
    blocks.size > wholeShareMin * blockCount ||
    !isWorthRanges(blocks.size, blockCount, blockMs);
  return isWhole ? { path } : { path, rows: blocks.rowRanges(rows) };
}

function rowsOf(chunks: readonly SourceChunk[]): number {
  return chunks.reduce((sum, { rows }) => sum + rows, 0);
}

function blocksOf(candidates: readonly Candidate[]): number {
  return candidates.reduce((sum, { blockCount }) => sum + blockCount, 0);
}
