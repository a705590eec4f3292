/**
 * The indexes of a node's segments: who looks into them, and the two threads that build them, behind requests and
 * statements. One is for what merges gave and what was asked in vain; the other for what a flush waits for, which stands in
 * no line behind an index of a merge.
 */
import { systemClock } from "../../core/env/clock.ts";
import type { Log } from "../../core/env/log.ts";
import { IndexDemand } from "../../core/index/demand.ts";
import type { SegmentIndexer } from "../../core/index/indexer.ts";
import type { FreshIndexing } from "../../core/store/fresh-index.ts";
import { lookupThread } from "../index/lookup-thread.ts";
import { workerIndexer } from "../index/worker-indexer.ts";
import { MergeBacklog } from "./thread-priority.ts";

export interface NodeIndexing {
  /** How far behind the merges are whose outcome is indexed. */
  readonly backlog: MergeBacklog;
  readonly demand: IndexDemand;
  readonly fresh: FreshIndexing;
  readonly indexer: SegmentIndexer;
  /** Why the last build failed; `undefined` once one did not. */
  readonly failure: string | undefined;
  /** Ends the threads that build; a build under way fails with `unavailable`. */
  close(): void;
}

/**
 * @param dataDir absolute
 * @param isShort whether memory or disk has no room for what can wait
 */
export function nodeIndexing(dataDir: string, log: Log, isShort: () => boolean): NodeIndexing {
  const demand = new IndexDemand(lookupThread(dataDir, log), systemClock, isShort);
  const backlog = new MergeBacklog();
  const indexer = workerIndexer(dataDir, () => backlog.standing),
    freshIndexer = workerIndexer(dataDir, () => "far-behind");
  return {
    backlog,
    demand,
    indexer,
    fresh: { indexer: freshIndexer, demand, isShort },
    get failure() {
      return indexer.failure ?? freshIndexer.failure;
    },
    close() {
      indexer.close();
      freshIndexer.close();
    },
  };
}
