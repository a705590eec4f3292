/**
 * The manifest: the truth of which segments exist, how far each stream has been flushed, and what a person set.
 *
 * Layout: format.ts. An edit is appended to the newest file and synced; then, in one synchronous turn, the state in
 * memory becomes the new one and the committer's own change happens with it. A file that has grown far beyond its
 * snapshot is compacted into the next one.
 *
 * Invariants: (1) an edit is durable before it is visible. (2) Edits apply in the order of `commit`. (3) An edit
 * whose commit was rejected is undone on disk before any later one is made durable, by cutting the file or by a new
 * snapshot without it. Only a crash before that can bring it back; so the files that a rejected edit names
 * stay until a later commit succeeded or a start has swept them.
 */
import { type Disk, type DiskFile, writeFileDurably } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import { OpenWitError, toOpenWitError } from "../error.ts";
import type { Signal } from "../model/columns.ts";
import {
  encodeFrame,
  encodeManifestHeader,
  type ManifestEdit,
  manifestFolder,
  manifestHeaderBytes,
  manifestPath,
  type SegmentMeta,
} from "./format.ts";
import { type ManifestReport, readManifest } from "./reader.ts";
import { LiveState, type ManifestState } from "./state.ts";

export type { ManifestEdit, SegmentMeta, SegmentOrigin } from "./format.ts";
export type { ManifestState } from "./state.ts";
export type { ManifestReport } from "./reader.ts";

export interface ManifestEnv {
  readonly disk: Disk;
  readonly random: Random;
  readonly log: Log;
}

export interface ManifestOptions {
  readonly readOnly: boolean;
  /** Bytes of edits, beyond twice the snapshot, at which the file is compacted. */
  readonly compactBytesMin?: number;
}

/** What `Manifest.create` starts from; what is left out is empty. */
export interface ManifestContent {
  readonly nodeId?: string;
  readonly segments?: Iterable<SegmentMeta>;
  readonly watermarks?: Iterable<readonly [string, number]>;
  readonly settings?: Iterable<readonly [string, unknown]>;
}

export class Manifest {
  readonly #live: LiveState;
  #file: OpenLog | undefined;
  /** The greatest n that was ever given to a file here. */
  #n: number;
  #queue: Pending[] = [];
  #committing: Promise<void> | undefined;
  #closed = false;

  private constructor(
    readonly env: ManifestEnv,
    readonly report: ManifestReport,
    private options: ManifestOptions,
    live: LiveState,
  ) {
    this.#live = live;
    this.#n = report.n;
  }

  /** Compacts at another size from now on. */
  compactAt(compactBytesMin: number): void {
    this.options = { ...this.options, compactBytesMin };
  }

  /**
   * Reads the manifest of a data folder; a folder without one gets an empty one. When `report.lost` or
   * `report.damaged` is set the state is not all there is: rebuild it, and `create` it anew.
   * @throws OpenWitError `unsupported` for a newer version, `io`
   */
  static async open(env: ManifestEnv, options: ManifestOptions): Promise<Manifest> {
    const { report, live } = await readManifest(env.disk, env.log, options.readOnly);
    if (live.nodeId === "") live.nodeId = newNodeId(env.random);
    const manifest = new Manifest(env, report, options, live);
    if (options.readOnly || report.lost || report.damaged !== undefined) return manifest;
    if (report.missing) await manifest.#startFile();
    else manifest.#file = await resumeFile(env, report);
    return manifest;
  }

  /** Begins a manifest anew, over whatever there is: a rebuild. @throws OpenWitError `io`, `disk_full` */
  static async create(
    env: ManifestEnv,
    content: ManifestContent,
    compactBytesMin?: number,
  ): Promise<Manifest> {
    const { report } = await readManifest(env.disk, env.log, true);
    const live = new LiveState();
    live.nodeId = content.nodeId ?? newNodeId(env.random);
    live.addSegments([...(content.segments ?? [])]);
    for (const [stream, lsn] of content.watermarks ?? []) live.watermarks.set(stream, lsn);
    for (const [key, value] of content.settings ?? []) live.settings.set(key, value);
    const manifest = new Manifest(
      env,
      { ...report, lost: false, damaged: undefined },
      { readOnly: false, ...(compactBytesMin === undefined ? {} : { compactBytesMin }) },
      live,
    );
    await manifest.#startFile();
    return manifest;
  }

  get readOnly(): boolean {
    return this.options.readOnly;
  }

  get state(): ManifestState {
    return this.#live;
  }

  /** Segments of a stream; the array does not change any more. */
  segmentsOf(tenant: string, signal: Signal): readonly SegmentMeta[] {
    return this.#live.segmentsOf(tenant, signal);
  }

  /**
   * Makes an edit durable, then visible. `onVisible` runs in the same synchronous turn in which the state changes,
   * and must not throw.
   * @throws OpenWitError `io`, `disk_full` (see invariant 3), `forbidden` when read-only, `unavailable` when closed
   */
  commit(edit: ManifestEdit, onVisible?: () => void): Promise<void> {
    if (this.readOnly) throw new OpenWitError("forbidden", "the manifest was opened read-only");
    if (this.#closed) throw new OpenWitError("unavailable", "the manifest is closed");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ edit, onVisible, resolve, reject });
    this.#committing ??= this.#commitAll();
    return promise;
  }

  /** Waits for commits under way. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#committing !== undefined) await this.#committing;
    await this.#file?.file.close();
    this.#file = undefined;
  }

  async #commitAll(): Promise<void> {
    await undefined; // edits of this same turn share a sync
    while (this.#queue.length > 0) await this.#commitGroup(this.#takeGroup());
    this.#committing = undefined;
  }

  #takeGroup(): Pending[] {
    let segments = 0;
    let count = 0;
    while (count < this.#queue.length) {
      const { add, remove } = this.#queue[count].edit;
      segments += (add?.length ?? 0) + (remove?.length ?? 0);
      if (count > 0 && segments > groupSegmentsMax) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** Never throws: what fails is told to those who wait. */
  async #commitGroup(group: readonly Pending[]): Promise<void> {
    try {
      await this.#append(group.map(({ edit }) => edit));
    } catch (thrown) {
      await this.#undoAppend();
      const error = toOpenWitError(thrown);
      for (const each of group) each.reject(error);
      return;
    }
    for (const { edit, onVisible, resolve } of group) {
      this.#live.apply(edit);
      onVisible?.();
      resolve();
    }
    await this.#compactWhenLarge();
  }

  async #append(edits: readonly ManifestEdit[]): Promise<void> {
    const log = this.#file ?? await this.#startFile();
    const bytes = encodeFrame({ edits }, log.checksum);
    log.isDirty = true;
    await log.file.write(bytes, log.bytes);
    await log.file.sync();
    log.isDirty = false;
    log.bytes += bytes.length;
  }

  /** After a failed append: cuts the file back, or else leaves it for a new one. */
  async #undoAppend(): Promise<void> {
    const log = this.#file;
    if (log === undefined || !log.isDirty) return;
    try {
      await log.file.truncate(log.bytes);
      await log.file.sync();
      log.isDirty = false;
    } catch (cause) {
      this.env.log("warn", "a failed manifest edit could not be cut off; a new file is begun", { cause });
      this.#file = undefined;
      await log.file.close().catch((error) =>
        this.env.log("warn", "a manifest file could not be closed", { error })
      );
      await this.#startFile().catch((error) => {
        this.env.log("error", "no new manifest file could be begun; the next commit tries again", { error });
      });
    }
  }

  /** Writes all that is known into the next file, goes on there, and removes those before it. */
  async #startFile(): Promise<OpenLog> {
    const { disk, log } = this.env;
    await disk.makeDir(manifestFolder);
    // One that failed half-way keeps its number: its name may be on disk all the same.
    const n = ++this.#n;
    const path = manifestPath(n);
    const header = encodeManifestHeader(n);
    const frames = this.#live.frames();
    const parts = function* () {
      yield header.bytes;
      for (const frame of frames) yield encodeFrame(frame, header.checksum);
    };
    const before = this.#file;
    try {
      const bytes = await writeFileDurably(disk, path, parts());
      const file = await disk.open(path, "update");
      this.#file = { file, bytes, snapshotBytes: bytes, checksum: header.checksum, isDirty: false };
    } catch (error) {
      // Once it may have its name, a start takes it for the newest: nothing may be added to the one before.
      if (!await isAbsent(disk, path)) await this.#leaveFile();
      throw error;
    }
    try {
      await before?.file.close();
      await removeBefore(disk, n);
    } catch (error) {
      log("warn", "an old manifest file could not be removed; it goes at the next start", { error });
    }
    return this.#file;
  }

  /** The next commit begins a new file. */
  async #leaveFile(): Promise<void> {
    const left = this.#file;
    this.#file = undefined;
    await left?.file.close().catch((error) => {
      this.env.log("warn", "a manifest file could not be closed", { error });
    });
  }

  async #compactWhenLarge(): Promise<void> {
    const log = this.#file;
    if (
      log === undefined ||
      log.bytes < log.snapshotBytes * 2 + (this.options.compactBytesMin ?? compactBytesMin)
    ) return;
    try {
      await this.#startFile();
    } catch (error) {
      // The file at hand is whole and goes on; a full disk must not keep edits from being made.
      log.snapshotBytes = log.bytes;
      this.env.log("warn", "the manifest could not be compacted; it is tried again later", { error });
    }
  }
}

interface Pending {
  readonly edit: ManifestEdit;
  readonly onVisible: (() => void) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: OpenWitError) => void;
}

interface OpenLog {
  readonly file: DiskFile;
  readonly checksum: number;
  /** Up to the end of the last edit that was committed. */
  bytes: number;
  snapshotBytes: number;
  /** Whether bytes of an edit that is not committed may lie behind the end. */
  isDirty: boolean;
}

/** Some thousand flushes. */
const compactBytesMin = 4 * 1024 * 1024;

/** Bounds a frame to some megabytes; an edit of more stands alone. */
const groupSegmentsMax = 10_000;

function newNodeId(random: Random): string {
  const half = () => random.uint32().toString(16).padStart(8, "0");
  return half() + half();
}

async function resumeFile({ disk, log }: ManifestEnv, report: ManifestReport): Promise<OpenLog> {
  const file = await disk.open(manifestPath(report.n), "update");
  try {
    if (report.tornBytes > 0) await file.truncate(report.bytes);
    // What a process that was killed had written last has been read, and is built upon from here on. Where its sync
    // failed, the system takes the pages for clean: only what is written again is synced again.
    const last = new Uint8Array(report.bytes - report.lastFrameAt);
    const read = await file.read(last, report.lastFrameAt);
    await file.write(last.subarray(0, read), report.lastFrameAt).catch((error) => {
      // Where the file system writes nothing in place, a full disk refuses even this; it must not stop a start.
      if (!(error instanceof OpenWitError) || error.code !== "disk_full") throw error;
      log("warn", "the newest edit of the manifest could not be synced again: the disk is full", { error });
    });
    await file.sync();
    await disk.syncDir(manifestFolder);
    await removeBefore(disk, report.n);
  } catch (error) {
    await file.close();
    throw error;
  }
  const { bytes, snapshotBytes, checksum } = report;
  return {
    file,
    bytes,
    snapshotBytes: Math.max(snapshotBytes, manifestHeaderBytes),
    checksum,
    isDirty: false,
  };
}

async function removeBefore(disk: Disk, n: number): Promise<void> {
  for (const name of await disk.list(manifestFolder)) {
    const path = `${manifestFolder}/${name}`;
    if (path < manifestPath(n)) await disk.remove(path);
  }
}

/** False also when that cannot be found out. */
async function isAbsent(disk: Disk, path: string): Promise<boolean> {
  try {
    return await disk.stat(path) === undefined;
  } catch {
    return false; // the caller then assumes the worse case, and has the first error to report
  }
}
