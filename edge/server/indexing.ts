/**
 * The indexes of a node's segments: who looks into them, and what builds them in the background thread. What a flush waits for
 * is urgent there, and stands in no line behind a merge or its index.
 */
import { systemClock } from "../../core/env/clock.ts";
import type { Log } from "../../core/env/log.ts";
import { IndexDemand } from "../../core/index/demand.ts";
import type { SegmentIndexer } from "../../core/index/indexer.ts";
import type { FreshIndexing } from "../../core/store/fresh-index.ts";
import { backgroundIndexer } from "../background/indexer.ts";
import { MergeBacklog } from "../background/standing.ts";
import { BackgroundThread } from "../background/thread.ts";
import { lookupThread } from "../index/lookup-thread.ts";

export interface NodeIndexing {
  /** The thread that indexes, and merges. */
  readonly thread: BackgroundThread;
  /** How far behind the merges are whose outcome is indexed. */
  readonly backlog: MergeBacklog;
  readonly demand: IndexDemand;
  readonly fresh: FreshIndexing;
  readonly indexer: SegmentIndexer;
  /** Why the last build failed; `undefined` once one did not. */
  readonly failure: string | undefined;
  /** Ends the thread; what it does fails with `unavailable`. */
  close(): void;
}

/** @param dataDir absolute @param shortage of what, as flushes and searches are told */
export function nodeIndexing(
  dataDir: string,
  log: Log,
  shortage: Pick<FreshIndexing, "isShort" | "isDiskShort">,
): NodeIndexing {
  const demand = new IndexDemand(lookupThread(dataDir, log), systemClock, shortage.isShort);
  const backlog = new MergeBacklog();
  const thread = new BackgroundThread(dataDir, () => backlog.standing);
  const indexer = backgroundIndexer(thread), freshIndexer = backgroundIndexer(thread, true);
  return {
    thread,
    backlog,
    demand,
    indexer,
    fresh: { indexer: freshIndexer, demand, ...shortage },
    get failure() {
      return indexer.failure ?? freshIndexer.failure;
    },
    close: () => thread.close(),
  };
}
