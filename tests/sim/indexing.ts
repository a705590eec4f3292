/**
 * Indexes of flushes for lives of a store in the simulator (store-scenario.ts): built on the disk that fails, and now and
 * then for so long that the flush goes on without.
 */
import { readFile } from "../../core/env/disk.ts";
import type { Disk } from "../../core/env/disk.ts";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { IndexDemand } from "../../core/index/demand.ts";
import { indexPath, indexSuffix } from "../../core/index/format.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import { noIndexes } from "../../core/index/indexes.ts";
import { inMemory } from "../../core/index/file.ts";
import { Sidecar } from "../../core/index/sidecar.ts";
import { type FreshIndexing, waitMsMax } from "../../core/store/fresh-index.ts";
import type { Store } from "../../core/store/store.ts";
import type { SimClock } from "./clock.ts";
import type { SimDisk } from "./disk.ts";

export interface SimIndexing extends FreshIndexing {
  /** Indexes of flushes that were written whole. */
  built: number;
}

/** @param random decides which builds are slow, and when room is short */
export function simIndexing(disk: Disk, clock: SimClock, random: Random): SimIndexing {
  const indexer = directIndexer(disk, seededRandom(1));
  const indexing: SimIndexing = {
    built: 0,
    demand: new IndexDemand(noIndexes, clock),
    isShort: () => randomBelow(random, 20) === 0,
    isDiskShort: () => randomBelow(random, 20) === 0,
    indexer: {
      async build(segment) {
        if (randomBelow(random, 4) === 0) {
          for (let wait = 0; wait < 1.5 * waitMsMax; wait += 50) await clock.advance(50);
        }
        const bytes = await indexer.build(segment);
        indexing.built++;
        return bytes;
      },
    },
  };
  return indexing;
}

/** Asks for all of a tenant's segments, as a statement does. */
export async function search(store: Store, { demand }: FreshIndexing, tenant: string): Promise<void> {
  const { segments, release } = store.pin(tenant, "logs");
  await demand.candidatesOf(segments, { kind: "word", column: "body", word: "request" });
  release();
}

/** Every index that is there is whole, and of a segment that the manifest names or calls retired. @throws what is not so */
export async function checkAllIndexes(store: Store, sim: SimDisk): Promise<void> {
  const segments = [...store.manifest.state.segments.values()];
  const byIndex = new Map(segments.map((segment) => [indexPath(segment.path), segment]));
  const retired = new Set(store.retired.paths().map(indexPath));
  for (const path of sim.files().keys()) {
    if (!path.endsWith(indexSuffix) || retired.has(path)) continue;
    const segment = byIndex.get(path);
    if (segment === undefined) throw new Error(`${path} is the index of nothing`);
    Sidecar.open(inMemory(await readFile(sim, path)), path, segment).verify();
  }
}
