/**
 * Imports an archive: everything is checked before anything is added, and all is added in one manifest edit.
 *
 *   read the archive ─▶ each segment to a temporary name at its future path ─▶ its footer, columns and every row
 *   checked ─▶ the archive's end ─▶ what is here already set aside (reconcile.ts) ─▶ footers rewritten, synced, renamed
 *   ─▶ one edit
 *
 * A segment that was imported is this node's from then on: its footer names this node, no request of this node's WAL,
 * and the origin of its rows; so neither recovery nor a rebuild of the manifest takes another node's numbers for its
 * own. Where it lies follows from what it says of itself, never from a name in the archive.
 *
 * An import may end at any point: temporaries are swept at the next start, and so is a renamed file whose edit did
 * not come (store/orphans.ts); the same archive again then does what is left. It evicts nothing: without room it fails.
 */
import { type Disk, folderOf, temporarySuffix } from "../env/disk.ts";
import { OpenWitError, toOpenWitError } from "../error.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import { buildFooter } from "../segment/footer.ts";
import { sealFile } from "../segment/seal.ts";
import { segmentPath, segmentRoot } from "../segment/path.ts";
import { rewriteKeyValues } from "../segment/rewrite.ts";
import type { Store } from "../store/store.ts";
import { checkSegment, type SegmentScan } from "../verify/segment.ts";
import type { ArchiveManifest, ArchiveSegment } from "./format.ts";
import { ArchiveReader } from "./reader.ts";
import {
  isHere,
  mergedIdsOf,
  nodeOf,
  reconcile,
  type Reconciliation,
  type RowsInCommon,
  type StagedSegment,
} from "./reconcile.ts";

export interface ImportEnv {
  /** Reads every row of a file, whatever its name. */
  readonly scan: SegmentScan;
  readonly rowsInCommon: RowsInCommon;
  /** Bytes that may be written without anything having to go. */
  readonly roomBytes: () => number;
  /** Runs work while no merge does. */
  readonly exclusively: (work: () => Promise<ImportReport>) => Promise<ImportReport>;
}

export interface ImportOptions {
  /** Check everything, and add nothing. */
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number, path: string) => void;
}

export interface ImportReport {
  readonly archive: ArchiveManifest;
  readonly dryRun: boolean;
  readonly added: readonly SegmentMeta[];
  /** Segments imported earlier that made way for more complete ones. */
  readonly replaced: readonly SegmentMeta[];
  readonly alreadyHere: readonly SegmentMeta[];
  readonly leftOut: Reconciliation["leftOut"];
}

/** Imports into one store, one archive at a time. */
export class Importer {
  #isBusy = false;

  constructor(readonly store: Store, readonly env: ImportEnv) {}

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /**
   * @throws OpenWitError `malformed`, `corrupt`, `unsupported` for an archive that is not sound, `disk_full`, `io`;
   *   `conflict` when another import is under way, or a segment that is to be replaced went; nothing is added then
   */
  async run(source: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImportReport> {
    if (this.#isBusy) {
      throw new OpenWitError("conflict", "another import is under way", { hint: "wait until it has ended" });
    }
    this.#isBusy = true;
    const stage = new Stage(this.store.env.disk);
    try {
      const reader = await ArchiveReader.open(untilAborted(source, options.signal));
      const passed = await this.#stageAll(reader, stage, options);
      return await this.env.exclusively(async () => {
        options.signal.throwIfAborted();
        const { segments, nodeId } = this.store.manifest.state;
        // An archive that comes back may hold rows that are still in memory here, where they cannot be compared.
        if (stage.staged.some(({ segment }) => nodeOf(segment) === nodeId)) await this.store.flush();
        const release = this.store.retired.pin([...segments.values()]); // an eviction may come, and files be compared
        try {
          const decided = await reconcile(stage.staged, segments, this.env.rowsInCommon);
          const { added, replaced } = options.dryRun ? preview(decided) : await this.#commit(stage, decided);
          return {
            archive: reader.manifest,
            dryRun: options.dryRun,
            added,
            replaced,
            alreadyHere: [...passed, ...decided.alreadyHere],
            leftOut: decided.leftOut,
          };
        } finally {
          release();
        }
      });
    } finally {
      await stage.clear().catch((error) => {
        this.store.env.log("warn", "temporaries of an import are left; the next start removes them", {
          error,
        });
      });
      this.#isBusy = false;
    }
  }

  /** Returns the segments that need not be staged: they are here by their id. */
  async #stageAll(reader: ArchiveReader, stage: Stage, options: ImportOptions): Promise<ArchiveSegment[]> {
    const { manifest, retired } = this.store;
    const here = manifest.state.segments;
    const merged = mergedIdsOf(here.values());
    const { segments } = reader.manifest;
    const missing = segments.filter(({ id }) => !isHere(id, here, merged));
    this.#checkRoom(missing.reduce((sum, { bytes }) => sum + bytes, 0));
    // A file of an evicted segment that is still to be removed would take the imported one of its name with it.
    if (missing.some(({ id }) => retired.mayBeOnDisk(id))) await retired.sweep({ hurry: true });
    const held = missing.find(({ id }) => retired.mayBeOnDisk(id));
    if (held !== undefined) {
      throw new OpenWitError("conflict", `a query still reads the evicted segment ${held.id}`, {
        hint: "import again when it has ended",
      });
    }
    const passed: ArchiveSegment[] = [];
    const totalBytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
    let doneBytes = 0;
    for await (const { segment, bytes } of reader.segments()) {
      options.signal.throwIfAborted();
      const counted = async function* () {
        for await (const part of bytes) {
          options.signal.throwIfAborted();
          yield part;
          options.onProgress?.(doneBytes += part.length, totalBytes, segment.path);
        }
      };
      if (isHere(segment.id, here, merged)) {
        passed.push(segment);
        for await (const _part of counted()); // its checksum counts all the same
        continue;
      }
      this.#checkRoom(segment.bytes);
      const file = await stage.take(segment, this.#pathOf(segment), counted());
      await this.#check(segment, file);
    }
    return passed;
  }

  #checkRoom(neededBytes: number): void {
    const room = this.env.roomBytes();
    if (neededBytes <= room) return;
    throw new OpenWitError(
      "disk_full",
      `the import needs ${neededBytes} bytes, and there is room for ${Math.max(0, Math.floor(room))}`,
      {
        hint: "an import evicts nothing: raise storage.budget, free space, or import less",
        retryable: false,
      },
    );
  }

  async #check(segment: ArchiveSegment, file: string): Promise<void> {
    let failure: OpenWitError | undefined;
    const scan: SegmentScan = async (path, signal) => {
      try {
        return await this.env.scan(path, signal);
      } catch (thrown) {
        failure = toOpenWitError(thrown);
        throw thrown;
      }
    };
    const [found] = await checkSegment(this.store.env.disk, segment, { scan, onBytes: () => {} }, file);
    if (found === undefined) return;
    // What this disk would not read says nothing of the archive.
    if (failure?.code === "io" || failure?.code === "disk_full") throw failure;
    throw new OpenWitError(
      "corrupt",
      `the archive's ${segment.path} is not sound: ${found.kind}: found ${found.found}, expected ${found.expected}`,
      { hint: "nothing was imported; openwit verify --deep where it comes from says more" },
    );
  }

  #pathOf({ tenant, signal, hour, late, level, id }: SegmentMeta): string {
    const { nodeId } = this.store.manifest.state;
    return segmentPath({ tenant, signal, hour, late, level, id, nodeId });
  }

  async #commit(
    stage: Stage,
    decided: Reconciliation,
  ): Promise<{ added: readonly SegmentMeta[]; replaced: readonly SegmentMeta[] }> {
    const { store } = this;
    const { metrics } = store.env;
    const added: SegmentMeta[] = [];
    for (
      const { staged, from } of [
        ...decided.add.map((staged) => ({ staged, from: [] })),
        ...decided.takeOver,
      ]
    ) added.push(await this.#settle(staged, from));
    const replaced = [...new Set(decided.takeOver.flatMap(({ from }) => from))];
    if (added.length === 0) return { added, replaced };
    for (const { path } of added) await stage.rename(path);
    try {
      await store.retired.retire(replaced, { add: added });
    } catch (thrown) {
      // An edit that was tried may come back after a crash, and must find its files: only a later one settles that.
      if (toOpenWitError(thrown).code !== "conflict") {
        await store.manifest.commit({}).catch(() => stage.leave());
      }
      throw thrown;
    }
    stage.leave();
    for (const { signal, rows, bytes } of added) {
      metrics.add("openwit_imported_rows_total", rows, { signal });
      metrics.add("openwit_imported_bytes_total", bytes, { signal });
    }
    return { added, replaced };
  }

  /** Makes a staged file this node's: its footer, its checksum, and its bytes durable. */
  async #settle(
    { segment, file }: StagedSegment,
    from: readonly SegmentMeta[],
  ): Promise<SegmentMeta> {
    const { disk } = this.store.env;
    const { nodeId } = this.store.manifest.state;
    const { lsnFrom, lsnTo } = segment.origin ?? segment;
    const before = from.flatMap(({ replaces }) => replaces).filter((id) =>
      this.store.retired.mayBeOnDisk(id)
    );
    const meta: SegmentMeta = {
      ...segment,
      path: this.#pathOf(segment),
      lsnFrom: 0,
      lsnTo: 0,
      origin: { nodeId: nodeOf(segment), lsnFrom, lsnTo },
      replaces: [...new Set([...from.map(({ id }) => id), ...before])],
    };
    await rewriteKeyValues(disk, file, buildFooter(meta, { nodeId, flushIds: [meta.id] }));
    return { ...meta, ...await sealFile(disk, file) };
  }
}

/** Files of an import that no edit names yet. */
class Stage {
  readonly staged: StagedSegment[] = [];
  /** Final paths, and whether the file has its name already. */
  readonly #paths = new Map<string, boolean>();

  constructor(readonly disk: Disk) {}

  async take(segment: SegmentMeta, path: string, bytes: AsyncIterable<Uint8Array>): Promise<string> {
    const { disk } = this;
    const file = path + temporarySuffix;
    await disk.makeDir(folderOf(path));
    await disk.remove(file);
    this.#paths.set(path, false);
    const handle = await disk.open(file, "create");
    try {
      let at = 0;
      for await (const part of bytes) {
        await handle.write(part, at);
        at += part.length;
      }
    } finally {
      await handle.close();
    }
    this.staged.push({ segment, file });
    return file;
  }

  async rename(path: string): Promise<void> {
    await this.disk.rename(path + temporarySuffix, path);
    this.#paths.set(path, true);
    await this.disk.syncDir(folderOf(path));
  }

  /** What was renamed stays: it is data, or may be. */
  leave(): void {
    for (const [path, isRenamed] of this.#paths) if (isRenamed) this.#paths.delete(path);
  }

  /** Removes what is left, and the folders that were made for it. @throws OpenWitError `io` */
  async clear(): Promise<void> {
    for (const [path, isRenamed] of this.#paths) {
      await this.disk.remove(isRenamed ? path : path + temporarySuffix);
      for (let folder = folderOf(path); folder !== segmentRoot; folder = folderOf(folder)) {
        await this.disk.removeDir(folder);
      }
    }
  }
}

/** The same, but that waiting for more ends with the signal. */
async function* untilAborted(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {}); // nobody may be waiting when it comes
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const pieces = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await Promise.race([pieces.next(), promise]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** What an import would do. */
function preview({ add, takeOver }: Reconciliation): { added: SegmentMeta[]; replaced: SegmentMeta[] } {
  return {
    added: [...add, ...takeOver.map(({ staged }) => staged)].map(({ segment }) => segment),
    replaced: [...new Set(takeOver.flatMap(({ from }) => from))],
  };
}
