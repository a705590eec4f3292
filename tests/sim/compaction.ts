/**
 * Merges and readers for lives of a store in the simulator (store-scenario.ts): the merger of the server, on the disk that
 * fails. What it does to rows is tests/conformance/merge.test.ts's to hold.
 */
import { Compactor } from "../../core/compact/compact.ts";
import { timeMerger } from "../../core/compact/time_merger.ts";
import { type Disk, readFile } from "../../core/env/disk.ts";
import { seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { indexPath } from "../../core/index/format.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import { loadIndex } from "../../core/index/inspect.ts";
import type { SegmentMeta } from "../../core/manifest/manifest.ts";
import type { Store } from "../../core/store/store.ts";
import type { SimClock } from "./clock.ts";
import { bodiesIn } from "./segment-texts.ts";

export interface SimCompaction {
  /**
   * One run, after those asked for before it, as a janitor does.
   * @param cutShort aborts it at some turn
   */
  merge(cutShort: boolean): Promise<void>;
  /** Rewrites every stable segment without records up to a severity. Returns the rows that went. */
  shed(severityMax: number): Promise<number>;
  /** Removes the files of what was merged. */
  sweep(): Promise<void>;
  /** Reads a stream twice under one pin, while a minute, sweeps and merges go by. */
  readTwice(tenant: string, clock: SimClock): Promise<void>;
}

/** Units of a few rows, so that lives as short as these have merges of merges. */
export function simCompaction(store: Store, disk: Disk): SimCompaction {
  const compactor = new Compactor(store, timeMerger(disk, { random: seededRandom(2) }), {
    policy: {
      gatherCount: 2,
      unitRowsMax: 30,
      unitBytesMax: 200_000,
      unitFilesMax: 4,
      closeAfterMs: 60_000,
      stableGatherCount: 2,
    },
    dutyCycle: 1,
    indexer: directIndexer(disk, seededRandom(1)),
    roomBytes: () => Infinity,
  });
  let last: Promise<unknown> = Promise.resolve();
  return {
    async merge(cutShort) {
      const abort = new AbortController();
      const run = last.then(() => compactor.run(abort.signal));
      last = run.catch(() => {}); // the awaiter below gets the error
      if (cutShort) {
        for (let turn = 0; turn < 200; turn++) await Promise.resolve();
        abort.abort(new OpenWitError("cancelled", "cut short"));
      }
      await run.catch((error) => failing(error, abort.signal));
    },
    async shed(severityMax) {
      const run = last.then(() =>
        compactor.shed(new AbortController().signal, severityMax, () => Promise.resolve(true))
      );
      last = run.catch(() => {}); // the awaiter below gets the error
      return await run.then(({ rows }) => rows, (error) => {
        failing(error);
        return 0;
      });
    },
    async sweep() {
      await store.retired.sweep().catch(failing);
    },
    async readTwice(tenant, clock) {
      const { segments, release } = store.pin(tenant, "logs");
      try {
        await checkIndexes(segments, disk);
        const before = await segmentBodies(segments, disk);
        for (let turn = 0; turn < 300; turn++) await Promise.resolve();
        await clock.advance(61_000);
        await store.retired.sweep();
        const after = await segmentBodies(segments, disk);
        if (after.join() !== before.join()) throw new Error("rows changed under a reader");
      } catch (error) {
        failing(error);
      } finally {
        release();
      }
    },
  };
}

/** The bodies of all rows of these segments. */
export async function segmentBodies(
  segments: readonly Pick<SegmentMeta, "path">[],
  disk: Disk,
): Promise<string[]> {
  const bodies: string[] = [];
  for (const { path } of segments) bodies.push(...bodiesIn(await readFile(disk, path)));
  return bodies;
}

/** An index that is there is whole, and of its segment. @throws OpenWitError `corrupt` */
async function checkIndexes(segments: readonly SegmentMeta[], disk: Disk): Promise<void> {
  for (const segment of segments) {
    if (await disk.stat(indexPath(segment.path)) === undefined) continue;
    (await loadIndex(disk, indexPath(segment.path), segment)).verify();
  }
}

/** What a failing disk may answer; a file that is gone is a bug here. */
function failing(error: unknown, abort?: AbortSignal): void {
  if (abort?.aborted && error === abort.reason) return;
  if (error instanceof OpenWitError && ["io", "disk_full", "unavailable"].includes(error.code)) return;
  throw error;
}
