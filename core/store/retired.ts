/**
 * Segments that are no longer part of the data, until their files can go: a reader may still hold them.
 *
 * A segment is retired by the manifest edit that removes it, which also sets `retired/{id}` to its path; so a crash
 * before the file is gone leaves no orphan that nobody knows. The file is removed when no pin of this process holds
 * it and a minute has passed, for readers in other processes; then the key is taken away.
 */
import type { Clock } from "../env/clock.ts";
import { type Disk, folderOf } from "../env/disk.ts";
import { OpenWitError } from "../error.ts";
import { indexPath } from "../index/format.ts";
import type { Manifest, ManifestEdit, SegmentMeta } from "../manifest/manifest.ts";

/** Time that readers in other processes have to open a file which they were told of. */
const graceMs = 60_000;

const keyPrefix = "retired/";

export class RetiredSegments {
  /** How often each list of segments is pinned: a statement pins hundreds, in lists that stay the same. */
  readonly #pins = new Map<readonly SegmentMeta[], number>();
  /** Ids in edits under way. */
  readonly #going = new Set<string>();
  /** Monotonic time of retirement, by id; those of an earlier process are due at once. */
  readonly #retiredMs = new Map<string, number>();

  /**
   * @param onRetired told which segments have just left the data, and which took their place
   * @param onGone told of each segment whose files are about to be removed: an open file would hold its space
   */
  constructor(
    readonly disk: Disk,
    readonly clock: Clock,
    readonly manifest: Manifest,
    readonly onRetired: (ids: readonly string[], successors: readonly SegmentMeta[]) => void = () => {},
    readonly onGone: (id: string) => void = () => {},
  ) {}

  /** Keeps the files of these segments, a list that must not change, until the returned function is called. */
  pin(segments: readonly SegmentMeta[]): () => void {
    this.#pins.set(segments, (this.#pins.get(segments) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const count = this.#pins.get(segments)! - 1;
      if (count === 0) this.#pins.delete(segments);
      else this.#pins.set(segments, count);
    };
  }

  /**
   * Takes segments out of the data, and puts others in, in one edit; the files go later (`sweep`).
   * @throws OpenWitError `io`, `disk_full`; `conflict` when one of them is gone or going already, by an eviction or a
   *   merge that came first: a merge that went on would bring its rows back. Then nothing has changed.
   */
  async retire(
    segments: readonly SegmentMeta[],
    edit: ManifestEdit = {},
    onVisible?: () => void,
  ): Promise<void> {
    const ids = segments.map(({ id }) => id);
    const gone = ids.find((id) => !this.manifest.state.segments.has(id) || this.#going.has(id));
    if (gone !== undefined) throw new OpenWitError("conflict", `segment ${gone} is retired already`);
    for (const id of ids) this.#going.add(id);
    const set = Object.fromEntries(segments.map(({ id, path }) => [keyPrefix + id, path]));
    try {
      await this.manifest.commit(
        { ...edit, remove: [...edit.remove ?? [], ...ids], set: { ...edit.set, ...set } },
        () => {
          for (const id of ids) this.#retiredMs.set(id, this.clock.monotonicMs());
          this.onRetired(ids, edit.add ?? []);
          onVisible?.();
        },
      );
    } finally {
      for (const id of ids) this.#going.delete(id);
    }
  }

  /** Whether a segment that was retired has not been removed yet. */
  mayBeOnDisk(id: string): boolean {
    return this.manifest.state.settings.has(keyPrefix + id);
  }

  /** Paths that are retired and not yet gone. */
  paths(): string[] {
    return [...this.manifest.state.settings].flatMap(([key, path]) =>
      key.startsWith(keyPrefix) && typeof path === "string" ? [path] : []
    );
  }

  /**
   * Removes the files that nobody reads any more; with `hurry` without the minute's grace, when the disk is full.
   * @returns how many went. @throws OpenWitError `io`
   */
  async sweep(options: { hurry: boolean } = { hurry: false }): Promise<number> {
    const gone: string[] = [];
    const idsOf = new Map<readonly SegmentMeta[], ReadonlySet<string>>();
    const now = this.clock.monotonicMs();
    for (const [key, path] of this.manifest.state.settings) {
      if (!key.startsWith(keyPrefix)) continue;
      const id = key.slice(keyPrefix.length);
      const isYoung = now - (this.#retiredMs.get(id) ?? -Infinity) < graceMs;
      if (this.#isPinned(id, idsOf) || (isYoung && !options.hurry)) continue;
      this.onGone(id);
      await this.disk.remove(indexPath(String(path)));
      await this.disk.remove(String(path));
      await this.disk.syncDir(folderOf(String(path)));
      gone.push(id);
    }
    if (gone.length === 0) return 0;
    await this.manifest.commit({ set: Object.fromEntries(gone.map((id) => [keyPrefix + id, null])) });
    for (const id of gone) this.#retiredMs.delete(id);
    return gone.length;
  }

  /** @param idsOf of lists that were looked at before */
  #isPinned(id: string, idsOf: Map<readonly SegmentMeta[], ReadonlySet<string>>): boolean {
    for (const segments of this.#pins.keys()) {
      const ids = idsOf.get(segments) ?? new Set(segments.map((segment) => segment.id));
      idsOf.set(segments, ids);
      if (ids.has(id)) return true;
    }
    return false;
  }
}
